"""
Save each notebook whose lease ends soon, before it stops by itself and discards what is not saved.

It runs every 15 minutes, and saves the running notebooks that stop within 45 minutes and have no snapshot of
the last 35 minutes: one save before each auto stop, which begins when at least 30 minutes are left. What is
installed after it is not in the image; a user who goes on working renews the lease, and is saved again when
at least 15 minutes are left. Leases without an end are left alone.

Before the first run, set the Airflow Variable ``modelarts_namespace`` (the SWR organization). For the
notebooks of all users, add ``all_users=True``.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.operators.notebook import ListNotebooksOperator


def save_arguments(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the save of one notebook."""
    return {"notebook_id": notebook["notebook_id"], "name": notebook["image_name"]}


with DAG(
    dag_id="snapshot_before_auto_stop",
    schedule="*/15 * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    # A save may last longer than 15 minutes, and must not delay the next run. A notebook that is being saved
    # is not RUNNING, so that no run saves it twice.
    max_active_runs=4,
    doc_md=__doc__,
    tags=["modelarts"],
):
    # --8<-- [start:guard]
    ending = ListNotebooksOperator(
        task_id="list_notebooks",
        status="RUNNING",
        lease_ends_within="45min",
        # Of the next runs, the two that may find the lease of the last save skip the notebook. The third, 45
        # minutes after the save, finds it only if the lease was renewed since, which lasts at least an hour.
        not_saved_within="35min",
    )
    CreateNotebookImageOperator.partial(
        task_id="save_notebook",
        namespace="{{ var.value.modelarts_namespace }}",
        # It may have stopped meanwhile. Its lease is not renewed (min_lease): each save would keep a notebook
        # that nobody uses from stopping.
        if_not_running="skip",
        wait_for_completion=True,
        deferrable=True,
        retries=2,
        retry_delay=timedelta(minutes=2),
    ).expand_kwargs(ending.output.map(save_arguments))
    # --8<-- [end:guard]
