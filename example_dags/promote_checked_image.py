"""
Save a notebook, check the image, and give it the tag ``stable`` only if it passed.

Works on Huawei Cloud, whose SWR can give an image another tag. Before the first run, set the Airflow
Variables ``modelarts_notebook_id`` and ``modelarts_namespace`` (the SWR organization). A prune with
``keep_tags=["stable"]`` keeps the image, and a job that pulls ``:stable`` gets what was checked last.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.operators.retention import TagNotebookImageOperator

with DAG(
    dag_id="promote_checked_image",
    schedule="0 3 * * 6",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["modelarts"],
):
    # --8<-- [start:promote]
    save = CreateNotebookImageOperator(
        task_id="save",
        notebook_id="{{ var.value.modelarts_notebook_id }}",
        name="research-environment",
        namespace="{{ var.value.modelarts_namespace }}",
        wait_for_completion=True,
        deferrable=True,
    )

    @task
    def check(image: Any) -> None:
        """Replace this with your check, such as a scan or a test that runs in the image."""
        if not image["swr_path"]:
            raise ValueError(f"image {image['image_id']} has no address")

    promote = TagNotebookImageOperator(task_id="promote", image_id=save.output, new_tag="stable")
    check(save.output) >> promote
    # --8<-- [end:promote]
