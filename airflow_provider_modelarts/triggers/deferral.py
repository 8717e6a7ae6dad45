"""Deferral: how a task moves its wait to the triggerer, and ends with its result."""

from __future__ import annotations

import logging
import math
import time
from datetime import timedelta
from typing import Any, NoReturn, Protocol

from airflow.providers.common.compat.sdk import AirflowTaskTimeout, Context
from airflow.triggers.base import BaseTrigger

from airflow_provider_modelarts.exceptions import WaitTimeoutError
from airflow_provider_modelarts.metrics import measure_wait
from airflow_provider_modelarts.results import ImageTask, describe_wait, end_with_image
from airflow_provider_modelarts.triggers.events import ImageEvent
from airflow_provider_modelarts.triggers.image import NotebookImageTrigger

log = logging.getLogger(__name__)

TIMEOUT_GRACE = timedelta(minutes=10)
"""Time after the deadline at which Airflow itself ends the deferral: a trigger that late has died."""

ENDED_BY_AIRFLOW = "__fail__"
"""The method name with which Airflow resumes a task whose trigger crashed or was too late."""


class DeferrableTask(Protocol):
    """What the operator and the sensor have in common."""

    modelarts_conn_id: str
    timeout: float
    execution_timeout: timedelta | None

    def defer(self, *, trigger: BaseTrigger, method_name: str, timeout: timedelta) -> NoReturn:
        """Free the worker slot until the trigger yields its event."""


def defer_until_active(
    task: DeferrableTask,
    *,
    image_id: str,
    poll_interval: float,
    retry_after: float | None = None,
    passthrough: dict[str, Any] | None = None,
    workspace_id: str | None = None,
) -> NoReturn:
    """
    Defer a task until an image is ACTIVE; the task resumes in ``execute_complete``.

    Airflow 3 does not enforce ``execution_timeout`` while a task is deferred, so the deadline does.

    :param image_id: the image to wait for.
    :param poll_interval: seconds between polls.
    :param retry_after: seconds for which the service wants no poll.
    :param passthrough: plain values that the event returns to the task.
    :param workspace_id: the workspace of the image, if it is known.
    """
    # To Airflow an execution_timeout of zero is none.
    limit = task.execution_timeout.total_seconds() if task.execution_timeout else math.inf
    timeout = min(task.timeout, limit)
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
            workspace_id=workspace_id,
        ),
        method_name="execute_complete",
        timeout=timedelta(seconds=timeout) + TIMEOUT_GRACE,
    )


class WaitingTask(ImageTask, Protocol):
    """A task that waited, with its two limits."""

    timeout: float
    execution_timeout: timedelta | None


def complete(task: WaitingTask, context: Context, event: Any) -> dict[str, Any]:
    """
    End a task that resumes: push its XComs, fill the events of its outlets, and return its result.

    :param event: the trigger's event, as Airflow stored it.
    :raises AirflowTaskTimeout: the task's ``execution_timeout`` ended the wait.
    :raises ModelArtsError: the wait failed otherwise; the class is that of the error that ended it.
    """
    try:
        with measure_wait(context) as wait:
            ended = ImageEvent.read(event)
            wait.since = ended.since
            result = ended.result()
        waited = None if ended.since is None else time.time() - ended.since
        log.info("%s", describe_wait(result["image_id"], result["swr_path"], waited))
        return end_with_image(task, context, result, status="ACTIVE", notebook_id=ended.notebook_id)
    except WaitTimeoutError as error:
        if task.execution_timeout and task.execution_timeout.total_seconds() < task.timeout:
            raise AirflowTaskTimeout(f"execution_timeout: {error}") from error
        raise
