"""DAGs whose processes get killed: saves that are tried again soon, and waits that end in every way."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.sensors.image import NotebookImageSensor

PATIENT = {"retries": 20, "retry_delay": timedelta(seconds=1)}


def dag(dag_id: str, **params: Any) -> DAG:
    return DAG(
        dag_id=dag_id,
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
        max_active_runs=16,
        default_args=PATIENT,
        params={name: Param(value) for name, value in params.items()},
    )


with dag("save_and_wait", notebook_id="", name="research-environment"):
    save = CreateNotebookImageOperator(
        task_id="save",
        notebook_id="{{ params.notebook_id }}",
        name="{{ params.name }}",
        namespace="research",
    )
    wait = NotebookImageSensor(
        task_id="wait", image_id=save.output["image_id"], poke_interval=1, timeout=3600, deferrable=True
    )

    @task
    def announce(image_id: str, swr_path: str) -> dict[str, str]:
        return {"image_id": image_id, "swr_path": swr_path}

    announce(wait.output["image_id"], wait.output["swr_path"])


WAITS: dict[str, dict[str, Any]] = {
    "wait_patiently": {},
    "wait_softly": {"soft_fail": True},
    "wait_briefly": {"execution_timeout": timedelta(seconds=4), "retries": 0},
}
for dag_id, arguments in WAITS.items():
    with dag(dag_id, image_id=""):
        NotebookImageSensor(
            task_id="wait",
            image_id="{{ params.image_id }}",
            poke_interval=1,
            timeout=3600,
            deferrable=True,
            **arguments,
        )
