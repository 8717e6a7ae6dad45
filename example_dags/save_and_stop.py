"""
Save a running notebook in the evening, and stop it when its image is ACTIVE.

The lease is renewed first, if the notebook would stop by itself meanwhile; a notebook that is stopped is left
alone. A stop discards what is installed outside of ``/home/ma-user/work``, so the stop is refused unless the
environment is saved. ``save_and_stop_teardown`` does the same as the teardown of a job that needs the
notebook: it starts it, runs the job, saves and stops it, also if the job fails.

Before the first run, set the Airflow Variables ``modelarts_notebook_id`` and ``modelarts_namespace`` (the
SWR organization). A run triggered from the UI can choose another notebook in the trigger form.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.operators.notebook import StartNotebookOperator, StopNotebookOperator

NOTEBOOK_ID = "{{ params.notebook_id or var.value.modelarts_notebook_id }}"
NAMESPACE = "{{ var.value.modelarts_namespace }}"
PARAMS = {
    "notebook_id": Param(
        None,
        type=["null", "string"],
        title="Notebook",
        description="ID of the notebook. Default: the Variable modelarts_notebook_id.",
    ),
}
RETRIES = {"retries": 2, "retry_delay": timedelta(minutes=5)}

with DAG(
    dag_id="save_and_stop",
    schedule="0 19 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args=RETRIES,
    params=PARAMS,
    doc_md=__doc__,
    tags=["modelarts"],
):
    # --8<-- [start:save_and_stop]
    save = CreateNotebookImageOperator(
        task_id="save_notebook",
        notebook_id=NOTEBOOK_ID,
        name="research-environment",
        namespace=NAMESPACE,
        min_lease="2h",
        if_not_running="skip",
        wait_for_completion=True,
        deferrable=True,
        # A run that is cleared saves what the notebook has then; an older image would not allow the stop.
        on_clear="save_again",
    )
    StopNotebookOperator(
        task_id="stop_notebook", notebook_id=NOTEBOOK_ID, image_id=save.output, deferrable=True
    )
    # --8<-- [end:save_and_stop]

with DAG(
    dag_id="save_and_stop_teardown",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    max_active_runs=1,
    default_args=RETRIES,
    params=PARAMS,
    doc_md=__doc__,
    tags=["modelarts"],
):
    # --8<-- [start:teardown]
    start = StartNotebookOperator(
        task_id="start_notebook", notebook_id=NOTEBOOK_ID, duration="4h", deferrable=True
    )

    @task
    def work() -> None:
        """Replace this with the job that needs the running notebook."""
        print("The notebook is running")

    save_result = CreateNotebookImageOperator(
        task_id="save_notebook",
        notebook_id=NOTEBOOK_ID,
        name="research-environment",
        namespace=NAMESPACE,
        wait_for_completion=True,
        deferrable=True,
        # If the job is cleared, Airflow clears its setup and teardown too: save what the new job has left.
        on_clear="save_again",
    )
    stop_after_job = StopNotebookOperator(
        task_id="stop_notebook", notebook_id=NOTEBOOK_ID, image_id=save_result.output, deferrable=True
    )
    # The last one alone fails the run: if the save did too, the failure of the job would be hidden.
    save_result.as_teardown(setups=start) >> stop_after_job.as_teardown(
        setups=start, on_failure_fail_dagrun=True
    )
    start >> work() >> save_result
    # --8<-- [end:teardown]
