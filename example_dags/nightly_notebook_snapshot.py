"""
Save a running notebook nightly, wait until its image is ACTIVE, and print its SWR address.

Before the first run, set the Airflow Variables ``modelarts_notebook_id`` and ``modelarts_namespace`` (the
SWR organization). A run triggered from the UI can choose another notebook in the trigger form.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.sensors.image import NotebookImageSensor

with DAG(
    dag_id="nightly_notebook_snapshot",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    params={
        "notebook_id": Param(
            None,
            type=["null", "string"],
            title="Notebook",
            description="ID of the running notebook. Default: the Variable modelarts_notebook_id.",
        ),
    },
    doc_md=__doc__,
    tags=["modelarts"],
):
    # --8<-- [start:save]
    save_notebook = CreateNotebookImageOperator(
        task_id="save_notebook",
        notebook_id="{{ params.notebook_id or var.value.modelarts_notebook_id }}",
        name="research-environment",
        namespace="{{ var.value.modelarts_namespace }}",
        tag="{{ run_id | replace(':', '-') | replace('+', '-') }}",
        description="Nightly snapshot",
    )
    # --8<-- [end:save]

    # --8<-- [start:wait]
    wait_until_active = NotebookImageSensor(
        task_id="wait_until_active",
        image_id=save_notebook.output["image_id"],
        timeout=3600,
        deferrable=True,
    )
    # --8<-- [end:wait]

    @task
    def announce(image_id: str, swr_path: str) -> str:
        """Print the address; replace this with what your team does with a new image, such as a scan."""
        message = f"Image {image_id} can be pulled from {swr_path}"
        print(message)
        return message

    announce(wait_until_active.output["image_id"], wait_until_active.output["swr_path"])
