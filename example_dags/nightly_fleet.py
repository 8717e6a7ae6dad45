"""
Save all running notebooks nightly, some at a time, and end with one summary.

The summary names every notebook with its image, or with the reason why it has none, and fails if one
failed. Notebooks that were saved within the last twelve hours are left out, so that another run saves only
what the first one missed.

Before the first run, set the Airflow Variable ``modelarts_namespace`` (the SWR organization), and make the
pool, without which Airflow starts no save::

    airflow pools set modelarts_saves 5 "ModelArts notebooks that are saved at once" --include-deferred
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, AirflowFailException, task, task_group

from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.operators.notebook import ListNotebooksOperator
from airflow_provider_modelarts.sensors.notebook import NotebookStatusSensor

POOL = "modelarts_saves"


def keep_error(context: Any) -> None:
    """Keep for the summary why a task failed for good; not every Airflow passes the exception."""
    reason = f"{context.get('exception') or 'see the log of the task'}"
    context["ti"].xcom_push(key="error", value=[context["ti"].map_index, reason])


def keep_skip(context: Any) -> None:
    """Keep for the summary that a save was skipped."""
    reason = "it is stopped; the log of the task names its newest snapshot"
    context["ti"].xcom_push(key="skip", value=[context["ti"].map_index, reason])


def pulled(ti: Any, key: str, task_id: str, count: int) -> list[Any]:
    """
    Return a value of all instances of a mapped task that have one.

    If a run is cleared, fewer notebooks may be listed: Airflow keeps the values of the instances beyond.
    """
    values = ti.xcom_pull(task_ids=[task_id], key=key, map_indexes=range(count))
    return [value for value in values or [] if value is not None]


with DAG(
    dag_id="nightly_fleet",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3},
    doc_md=__doc__,
    tags=["modelarts"],
):
    # --8<-- [start:fleet]
    notebooks = ListNotebooksOperator(
        task_id="list_notebooks", status="RUNNING", not_saved_within="12h", all_users=True
    )

    @task_group
    def snapshot(notebook_id: str, image_name: str, workspace_id: str) -> None:
        """Save one notebook. Of its dict in the list, Airflow passes what is named here."""
        save = CreateNotebookImageOperator(
            task_id="save",
            notebook_id=notebook_id,
            # Notebooks may have the same name. Without a tag, each image gets a tag of its own.
            name=image_name,
            namespace="{{ var.value.modelarts_namespace }}",
            workspace_id=workspace_id,
            # It may have been stopped since it was listed.
            if_not_running="skip",
            # A save occupies a slot of the pool until its image is ACTIVE; the task behind it needs none.
            wait_for_completion=True,
            wait_for_notebook=False,
            deferrable=True,
            pool=POOL,
            on_failure_callback=keep_error,
            on_skipped_callback=keep_skip,
        )
        # Until its user can go on, or has stopped it.
        wait = NotebookStatusSensor(
            task_id="wait",
            notebook_id=notebook_id,
            status=["RUNNING", "STOPPING", "STOPPED"],
            deferrable=True,
            on_failure_callback=keep_error,
        )
        save >> wait

    snapshots = snapshot.expand_kwargs(notebooks.output)
    # --8<-- [end:fleet]

    # --8<-- [start:summary]
    @task(trigger_rule="all_done")
    def summarize(listed: Any, ti: Any = None) -> None:
        """Name every notebook with its image, skip or error; fail if there is an error."""
        if listed is None:
            raise AirflowFailException("The notebooks were not listed: see the log of list_notebooks")
        count = len(listed)
        saved = pulled(ti, "return_value", "snapshot.save", count)
        images = {image["notebook_id"]: image["swr_path"] for image in saved}
        skips = dict(pulled(ti, "skip", "snapshot.save", count))
        errors = dict(pulled(ti, "error", "snapshot.save", count))
        broken = dict(pulled(ti, "error", "snapshot.wait", count))
        lines = []
        for index, notebook in enumerate(listed):
            image = images.get(notebook["notebook_id"])
            if image is None and index not in skips:
                errors.setdefault(index, "no result, see the log of the task")
            # Without an image no task has waited: an error is of the run before it was cleared.
            if image and index in broken:
                errors.setdefault(index, broken[index])
            outcome = [f"saved as {image}"] if image else []
            outcome += [f"skipped: {skips[index]}"] if index in skips else []
            outcome += [f"FAILED: {errors[index]}"] if index in errors else []
            lines.append(f"{notebook['name']} ({notebook['notebook_id']}): {'; '.join(outcome)}")
        print("\n".join([f"{count} notebooks, {len(images)} images, {len(errors)} errors", *lines]))
        ti.xcom_push(key="summary", value=lines)
        if errors:
            failed = "\n".join(lines[index] for index in sorted(errors))
            raise AirflowFailException(f"{len(errors)} of {count} notebooks failed:\n{failed}")

    snapshots >> summarize(notebooks.output)
    # --8<-- [end:summary]
