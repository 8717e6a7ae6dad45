"""Saves the notebook and updates the asset of the image's repository, for the browser tests."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG, Asset

from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator

with DAG(
    dag_id="image_asset",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    params={"notebook_id": "6b1c2d3e-4f50-4a61-8b72-9c83ad94be05"},
):
    CreateNotebookImageOperator(
        task_id="save_notebook",
        notebook_id="{{ params.notebook_id }}",
        name="environment",
        namespace="research",
        wait_for_completion=True,
        deferrable=True,
        poll_interval=2,
        outlets=[Asset(uri="swr://swr.cn-north-4.myhuaweicloud.com/research/environment")],
    )
