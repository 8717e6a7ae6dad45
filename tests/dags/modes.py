"""One DAG for each way in which a task can wait; what comes out must not tell them apart."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.sensors.image import NotebookImageSensor

PARAMS = {
    "notebook_id": Param("", type="string"),
    "image_id": Param("", type="string"),
    "tag": Param("nightly", type="string"),
}
OPERATORS: dict[str, dict[str, Any]] = {
    "save_only": {},
    "save_blocking": {"wait_for_completion": True},
    "save_deferrable": {"wait_for_completion": True, "deferrable": True},
}
SENSORS: dict[str, dict[str, Any]] = {
    "sense_poke": {"mode": "poke"},
    "sense_reschedule": {"mode": "reschedule"},
    "sense_deferrable": {"deferrable": True},
}

PATIENCE: dict[str, dict[str, Any]] = {
    "": {"timeout": 60},
    "_softly": {"timeout": 60, "soft_fail": True},
    "_briefly": {"timeout": 1.5},
    "_briefly_softly": {"timeout": 1.5, "soft_fail": True},
    "_barely": {"timeout": 60, "execution_timeout": timedelta(seconds=1.5)},
    "_barely_softly": {"timeout": 60, "execution_timeout": timedelta(seconds=1.5), "soft_fail": True},
}


def dag(dag_id: str) -> DAG:
    return DAG(
        dag_id=dag_id, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), params=PARAMS
    )


for dag_id, arguments in OPERATORS.items():
    for suffix in ("", "_briefly", "_barely"):
        with dag(dag_id + suffix):
            CreateNotebookImageOperator(
                task_id="task",
                notebook_id="{{ params.notebook_id }}",
                name="research",
                namespace="team",
                tag="{{ params.tag }}",
                poll_interval=1,
                **arguments,
                **PATIENCE[suffix],
            )

for dag_id, arguments in SENSORS.items():
    for suffix, patience in PATIENCE.items():
        with dag(dag_id + suffix):
            NotebookImageSensor(
                task_id="task",
                image_id="{{ params.image_id }}",
                poke_interval=1,
                **arguments,
                **patience,
            )
