"""A task instance that records what the task pushes, in place of Airflow's."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, cast

from airflow.providers.common.compat.sdk import Context


class TaskInstance:
    """Keeps XComs."""

    def __init__(
        self, *, try_number: int = 1, max_tries: int = 0, run_id: str = "nightly", map_index: int = -1
    ) -> None:
        self.dag_id, self.task_id, self.run_id, self.map_index = "dag", "task", run_id, map_index
        self.try_number, self.max_tries = try_number, max_tries
        self.xcom: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcom[key] = value


class Rescheduled(TaskInstance):
    """A task that began to be rescheduled some seconds ago."""

    def __init__(self, *, since: float = 0) -> None:
        super().__init__()
        self._since = since

    def get_first_reschedule_date(self, _: Any) -> datetime | None:
        return datetime.now(tz=timezone.utc) - timedelta(seconds=self._since) if self._since else None


class TaskStateStore:
    """Keeps what a task remembers, as Airflow 3.3 does; or fails, as it may."""

    def __init__(self, *, failure: Exception | None = None, **kept: Any) -> None:
        self.kept = kept
        self._failure = failure

    def get(self, key: str, default: Any = None) -> Any:
        if self._failure:
            raise self._failure
        return self.kept.get(key, default)

    def set(self, key: str, value: Any) -> None:
        if self._failure:
            raise self._failure
        self.kept[key] = value


def context(ti: TaskInstance, **given: Any) -> Context:
    """The keys of Airflow's context that this provider's tasks read."""
    context: Any = {"ti": ti, **given}
    return cast("Context", context)
