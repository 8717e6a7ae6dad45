"""Deferral: how a task moves its wait to the triggerer, and what ends it there."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NoReturn, Protocol

from airflow.providers.common.compat.sdk import AirflowTaskTimeout
from airflow.triggers.base import BaseTrigger

from airflow_provider_modelarts.exceptions import WaitTimeoutError

TIMEOUT_GRACE = timedelta(minutes=10)
"""Time after the deadline at which Airflow itself ends the deferral: a trigger that late has died."""


class LimitedTask(Protocol):
    """A task with two limits on its wait."""

    timeout: float
    execution_timeout: timedelta | None


class DeferrableTask(LimitedTask, Protocol):
    """What operators and sensors that can defer have in common."""

    modelarts_conn_id: str

    def defer(self, *, trigger: BaseTrigger, method_name: str, timeout: timedelta) -> NoReturn:
        """Free the worker slot until the trigger yields its event."""


def wait_limit(task: LimitedTask) -> float:
    """
    Return the seconds for which a task waits while it is deferred.

    Airflow 3 does not enforce ``execution_timeout`` while a task is deferred, so the deadline does.
    """
    # To Airflow an execution_timeout of zero is none.
    limit = task.execution_timeout.total_seconds() if task.execution_timeout else math.inf
    return min(task.timeout, limit)


def defer_until_done(
    task: DeferrableTask,
    trigger: Callable[..., BaseTrigger],
    *,
    poll_interval: float,
    deadline: float | None = None,
    retry_after: float | None = None,
    passthrough: dict[str, Any] | None = None,
    workspace_id: str | None = None,
    **resource: Any,
) -> NoReturn:
    """
    Defer a task until a resource is done; the task resumes in ``execute_complete``.

    :param trigger: the trigger's class.
    :param poll_interval: seconds between polls.
    :param deadline: epoch seconds of the last poll; by default the limit of the task from now.
    :param retry_after: seconds without polls, from the service's ``Retry-After``.
    :param passthrough: plain values that the event returns to the task.
    :param workspace_id: the workspace of the resource, if it is known.
    :param resource: the trigger's other arguments: what it waits for.
    """
    now = time.time()
    timeout = wait_limit(task) if deadline is None else max(0.0, deadline - now)
    task.defer(
        trigger=trigger(
            modelarts_conn_id=task.modelarts_conn_id,
            poll_interval=poll_interval,
            deadline=now + timeout,
            passthrough=passthrough,
            since=now,
            not_before=now + min(retry_after, timeout) if retry_after else None,
            workspace_id=workspace_id,
            **resource,
        ),
        method_name="execute_complete",
        timeout=timedelta(seconds=timeout) + TIMEOUT_GRACE,
    )


@contextmanager
def raise_execution_timeout(task: LimitedTask) -> Iterator[None]:
    """Raise AirflowTaskTimeout for a wait that timed out because of ``execution_timeout``."""
    try:
        yield
    except WaitTimeoutError as error:
        if task.execution_timeout and task.execution_timeout.total_seconds() < task.timeout:
            raise AirflowTaskTimeout(f"execution_timeout: {error}") from error
        raise
