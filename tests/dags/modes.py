"""
One DAG for each way in which a task can wait; the results must be equal.

Seconds are those of tests/fast_forward.py, which sleeping moves on, except where Airflow reschedules: it does
that by the real time, so these are short, and the task ends the same whenever they are over.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Param, get_parsing_context

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

INTERVAL = 15
LONG, SHORT = 3600, 100
RESCHEDULED_INTERVAL, RESCHEDULED_SHORT = 0.02, 0.05

TIMEOUTS: dict[str, dict[str, Any]] = {
    "": {"timeout": LONG},
    "_softly": {"timeout": LONG, "soft_fail": True},
    "_verified": {"timeout": LONG, "verify_in_registry": True},
    "_briefly": {"timeout": SHORT},
    "_briefly_softly": {"timeout": SHORT, "soft_fail": True},
    "_barely": {"timeout": LONG, "execution_timeout": timedelta(seconds=SHORT)},
    "_barely_softly": {"timeout": LONG, "execution_timeout": timedelta(seconds=SHORT), "soft_fail": True},
}


def is_wanted(dag_id: str) -> bool:
    """Return whether Airflow needs this DAG: all, or one, so that it does not store the others."""
    return get_parsing_context().dag_id in {None, dag_id}


def dag(dag_id: str) -> DAG:
    return DAG(
        dag_id=dag_id, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), params=PARAMS
    )


for name, arguments in OPERATORS.items():
    for suffix in ("", "_briefly", "_barely"):
        if is_wanted(name + suffix):
            with dag(name + suffix):
                CreateNotebookImageOperator(
                    task_id="task",
                    notebook_id="{{ params.notebook_id }}",
                    name="research",
                    namespace="team",
                    tag="{{ params.tag }}",
                    poll_interval=INTERVAL,
                    **arguments,
                    **TIMEOUTS[suffix],
                )

for name, arguments in SENSORS.items():
    for suffix, timeouts in TIMEOUTS.items():
        if is_wanted(name + suffix):
            times = {"poke_interval": INTERVAL, **timeouts}
            if name == "sense_reschedule":
                times["poke_interval"] = RESCHEDULED_INTERVAL
                times["timeout"] = RESCHEDULED_SHORT if timeouts["timeout"] == SHORT else LONG
            with dag(name + suffix):
                NotebookImageSensor(task_id="task", image_id="{{ params.image_id }}", **arguments, **times)
