"""
Prune the snapshots of all notebooks once a day, after the fleet was saved.

Set the Airflow Variable ``modelarts_namespace`` (the SWR organization). The first runs only report: read
their log, and then set ``MODE`` to ``unregister`` or ``delete``. The task can also follow the saves in their
own DAG, with ``trigger_rule="all_done"``, so that a failed save does not keep the others from being pruned.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Literal

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_modelarts.operators.retention import PruneNotebookImagesOperator

MODE: Literal["report", "unregister", "delete"] = "report"

with DAG(
    dag_id="prune_images",
    # The fleet is saved at two o'clock.
    schedule="0 5 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
    doc_md=__doc__,
    tags=["modelarts"],
):
    # --8<-- [start:prune]
    PruneNotebookImagesOperator(
        task_id="prune",
        namespace="{{ var.value.modelarts_namespace }}",
        mode=MODE,
        keep_last=2,
        keep_daily=7,
        keep_weekly=4,
        keep_monthly=6,
        keep_tags=["stable", "release-*"],
    )
    # --8<-- [end:prune]
