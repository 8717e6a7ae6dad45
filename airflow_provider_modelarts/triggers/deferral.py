"""How a task hands its wait over to the triggerer, and what comes out of it on to XCom."""

from __future__ import annotations

import math
import time
from datetime import timedelta
from typing import Any, NoReturn, Protocol

from airflow.providers.common.compat.sdk import AirflowTaskTimeout, Context
from airflow.triggers.base import BaseTrigger

from airflow_provider_modelarts.exceptions import WaitTimeoutError
from airflow_provider_modelarts.results import push_image_xcoms
from airflow_provider_modelarts.triggers.events import ImageEvent
from airflow_provider_modelarts.triggers.image import NotebookImageTrigger

TIMEOUT_GRACE = timedelta(minutes=10)
"""How long after the deadline Airflow itself ends the wait: a trigger that late is a dead one."""

ENDED_BY_AIRFLOW = "__fail__"
"""What Airflow goes on with, in place of a method, when the trigger was late or crashed."""


class DeferrableTask(Protocol):
    """What the operator and the sensor have in common."""

    modelarts_conn_id: str
    timeout: float
    execution_timeout: timedelta | None

    def defer(self, *, trigger: BaseTrigger, method_name: str, timeout: timedelta) -> NoReturn:
        """Give the worker slot back until the trigger speaks."""


def _execution_timeout(task: DeferrableTask) -> float:
    # To Airflow zero is none.
    return task.execution_timeout.total_seconds() if task.execution_timeout else math.inf


def defer_until_active(
    task: DeferrableTask,
    *,
    image_id: str,
    poll_interval: float,
    retry_after: float | None = None,
    passthrough: dict[str, Any] | None = None,
) -> NoReturn:
    """
    Hand a task's wait to the triggerer; the task goes on in ``execute_complete``.

    Airflow 3 does not enforce ``execution_timeout`` while a task is deferred, so the deadline does.

    :param retry_after: seconds for which the service wants no poll.
    """
    timeout = min(task.timeout, _execution_timeout(task))
    now = time.time()
    task.defer(
        trigger=NotebookImageTrigger(
            image_id=image_id,
            modelarts_conn_id=task.modelarts_conn_id,
            poll_interval=poll_interval,
            deadline=now + timeout,
            passthrough=passthrough,
            since=now,
            not_before=now + min(retry_after, timeout) if retry_after else None,
        ),
        method_name="execute_complete",
        timeout=timedelta(seconds=timeout) + TIMEOUT_GRACE,
    )


def complete(task: DeferrableTask, context: Context, event: Any) -> dict[str, Any]:
    """
    Hand on what the trigger saw.

    :raises AirflowTaskTimeout: the task's ``execution_timeout`` was over first.
    :raises ModelArtsError: any other bad end, by its class.
    """
    try:
        return push_image_xcoms(context, ImageEvent.read(event).result())
    except WaitTimeoutError as error:
        if _execution_timeout(task) < task.timeout:
            raise AirflowTaskTimeout(f"execution_timeout: {error}") from error
        raise
