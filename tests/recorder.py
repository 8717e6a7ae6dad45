"""Stands in for a running task: it takes what the task hands on, as Airflow's task instance would."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import Context


class TaskInstance:
    """Keeps XComs."""

    def __init__(self, *, try_number: int = 1, run_id: str = "nightly", map_index: int = -1) -> None:
        self.dag_id, self.task_id, self.run_id, self.map_index = "dag", "task", run_id, map_index
        self.try_number = try_number
        self.xcom: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcom[key] = value


def context(ti: TaskInstance) -> Context:
    """What Airflow gives to ``execute``, as far as our tasks look at it."""
    given: Any = {"ti": ti}
    context: Context = given
    return context
