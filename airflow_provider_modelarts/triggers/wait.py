"""How a task hands its wait over to the triggerer, and what comes out of it on to XCom."""

from __future__ import annotations

import math
import time
from datetime import timedelta
from typing import Any, NoReturn, Protocol

from airflow.providers.common.compat.sdk import AirflowTaskTimeout, Context
from airflow.triggers.base import BaseTrigger

from airflow_provider_modelarts.client.errors import DeadlinePassed
from airflow_provider_modelarts.triggers.events import ImageEvent
from airflow_provider_modelarts.triggers.image import NotebookImageTrigger

GRACE = timedelta(minutes=10)
"""How long after the deadline Airflow itself ends the wait: a trigger that late is a dead one."""

ENDED_BY_AIRFLOW = "__fail__"
"""What Airflow goes on with, in place of a method, when the trigger was late or crashed."""


class WaitingTask(Protocol):
    """What the operator and the sensor have in common."""

    modelarts_conn_id: str
    timeout: float
    execution_timeout: timedelta | None

    def defer(self, *, trigger: BaseTrigger, method_name: str, timeout: timedelta) -> NoReturn:
        """Give the worker slot back until the trigger speaks."""


def _execution_timeout(task: WaitingTask) -> float:
    # To Airflow zero is none.
    return task.execution_timeout.total_seconds() if task.execution_timeout else math.inf


def defer_until_active(
    task: WaitingTask,
    *,
    image_id: str,
    poll_interval: float,
    retry_after: float | None = None,
    carry: dict[str, Any] | None = None,
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
            carry=carry,
            since=now,
            not_before=now + min(retry_after, timeout) if retry_after else None,
        ),
        method_name="execute_complete",
        timeout=timedelta(seconds=timeout) + GRACE,
    )


def resume(task: WaitingTask, context: Context, event: Any) -> dict[str, Any]:
    """
    Hand on what the trigger saw.

    :raises AirflowTaskTimeout: the task's ``execution_timeout`` was over first.
    :raises ModelArtsError: any other bad end, by its class.
    """
    try:
        return hand_on(context, ImageEvent.read(event).outcome())
    except DeadlinePassed as error:
        if _execution_timeout(task) < task.timeout:
            raise AirflowTaskTimeout(f"execution_timeout: {error}") from error
        raise


def hand_on(context: Context, result: dict[str, Any]) -> dict[str, Any]:
    """Push what is also wanted by itself, and return the whole for ``return_value``."""
    for key in ("image_id", "swr_path"):
        context["ti"].xcom_push(key=key, value=result[key])
    return result
