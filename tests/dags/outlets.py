"""A deferred save with every kind of outlet."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.common.compat.sdk import DAG, Asset, AssetAlias

from airflow_provider_modelarts.assets.image import create_asset
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator

OURS = create_asset(registry="swr.cn-north-4.myhuaweicloud.com", namespace="team", name="research")

with DAG("outlets", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
    CreateNotebookImageOperator(
        task_id="task",
        notebook_id="{{ dag_run.conf['notebook_id'] }}",
        name="research",
        namespace="team",
        wait_for_completion=True,
        deferrable=True,
        outlets=[OURS, AssetAlias("newest image"), Asset(uri="s3://bucket/key")],
    )
