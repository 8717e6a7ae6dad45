"""
Train whenever a new image of the research environment is ACTIVE.

The DAG ``save_training_image`` saves a notebook and names the image's repository as its outlet. The DAG
``train_on_new_image`` is scheduled on this asset and reads from the event which image is new. Before the
first run, set registry, namespace and name below, and the Airflow Variable ``modelarts_notebook_id``.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, AirflowSkipException, task

from airflow_provider_modelarts.assets.image import create_asset
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator

NAMESPACE, NAME = "my-organization", "research-environment"
# The part of the XCom swr_path before the first slash.
IMAGE = create_asset(registry="swr.cn-north-4.myhuaweicloud.com", namespace=NAMESPACE, name=NAME)

with DAG(
    dag_id="save_training_image",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    max_active_runs=1,
    doc_md=__doc__,
    tags=["modelarts"],
):
    CreateNotebookImageOperator(
        task_id="save_notebook",
        notebook_id="{{ var.value.modelarts_notebook_id }}",
        name=NAME,
        namespace=NAMESPACE,
        wait_for_completion=True,
        deferrable=True,
        outlets=[IMAGE],
    )

with DAG(
    dag_id="train_on_new_image",
    schedule=[IMAGE],
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    doc_md=__doc__,
    tags=["modelarts"],
):

    @task
    def find_image(**context: Any) -> dict[str, Any]:
        """Return the image of the newest event that started this run."""
        # Airflow 2.11 has the second key only.
        keys = ("triggering_asset_events", "triggering_dataset_events")
        by_asset = next(context[key] for key in keys if key in context)
        events = [event for events in by_asset.values() for event in events]
        if not events:
            raise AirflowSkipException("This run was not started by a new image")
        image: dict[str, Any] = max(events, key=lambda event: event.timestamp).extra
        return image

    @task
    def train(image: dict[str, Any]) -> str:
        """Print the address; replace this with the start of your training job."""
        message = f"Training with image {image['image_id']} from {image['swr_path']}"
        print(message)
        return message

    train(find_image())  # type: ignore[arg-type]
