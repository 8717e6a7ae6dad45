"""Stands in for a running task: it takes what the task hands on, as Airflow's task instance would."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import Context


class TaskInstance:
    """Keeps XComs."""

    def __init__(self) -> None:
        self.xcom: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcom[key] = value


def context(ti: TaskInstance) -> Context:
    """What Airflow gives to ``execute``, as far as our tasks look at it."""
    given: Any = {"ti": ti}
    context: Context = given
    return context
