"""The wait for an image, in the triggerer."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from airflow.providers.common.compat.sdk import AirflowTaskTimeout
from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook

GRACE = timedelta(minutes=10)
"""How long after the deadline Airflow itself ends the wait: the trigger is late only when it is dead."""


class NotebookImageTrigger(BaseTrigger):
    """
    Wait until an image is ACTIVE, has failed, or the deadline has passed, and say so once.

    It only looks, so it may run twice or start again elsewhere. Transient errors are waited out.

    :param image_id: the image to look at.
    :param modelarts_conn_id: the Airflow connection to use.
    :param poll_interval: seconds between looks.
    :param deadline: epoch seconds of the last look.
    :param carry: plain values that the event hands back to the task.
    """

    def __init__(
        self,
        *,
        image_id: str,
        modelarts_conn_id: str,
        poll_interval: float,
        deadline: float,
        carry: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self.image_id = image_id
        self.modelarts_conn_id = modelarts_conn_id
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.carry = carry or {}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what another triggerer needs to go on with this wait."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "image_id": self.image_id,
                "modelarts_conn_id": self.modelarts_conn_id,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
                "carry": self.carry,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the one event of this wait."""
        hook = await asyncio.to_thread(self._load_hook)
        from airflow_provider_modelarts.client.calls import show_image
        from airflow_provider_modelarts.client.errors import ModelArtsError
        from airflow_provider_modelarts.triggers.events import ImageEvent

        try:
            image = await hook.awatch(
                show_image(self.image_id),
                is_over=lambda image: not image.is_pending,
                poll_interval=self.poll_interval,
                deadline=self.deadline,
            )
            event = ImageEvent.of_image(image.raise_for_status(), self.carry)
        except ModelArtsError as error:
            event = ImageEvent.of_error(error, self.carry)
        yield TriggerEvent(event.model_dump(mode="json"))

    def _load_hook(self) -> ModelArtsHook:
        """Import the hook in a thread: what it loads would hold up every other trigger of the process."""
        import airflow_provider_modelarts.triggers.events  # noqa: F401 - loaded here for the same reason
        from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook

        return ModelArtsHook(self.modelarts_conn_id)


class WaitingTask(Protocol):
    """What the operator and the sensor have in common."""

    modelarts_conn_id: str
    timeout: float
    execution_timeout: timedelta | None

    def defer(self, *, trigger: BaseTrigger, method_name: str, timeout: timedelta) -> NoReturn:
        """Give the worker slot back until the trigger speaks."""


def _execution_timeout(task: WaitingTask) -> float:
    return math.inf if task.execution_timeout is None else task.execution_timeout.total_seconds()


def defer_until_active(
    task: WaitingTask, *, image_id: str, poll_interval: float, carry: dict[str, Any] | None = None
) -> NoReturn:
    """
    Hand a task's wait to the triggerer; the task goes on in ``execute_complete``.

    Airflow 3 does not enforce ``execution_timeout`` while a task is deferred, so the deadline does.
    """
    timeout = min(task.timeout, _execution_timeout(task))
    task.defer(
        trigger=NotebookImageTrigger(
            image_id=image_id,
            modelarts_conn_id=task.modelarts_conn_id,
            poll_interval=poll_interval,
            deadline=time.time() + timeout,
            carry=carry,
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
    from airflow_provider_modelarts.client.errors import DeadlinePassed
    from airflow_provider_modelarts.triggers.events import ImageEvent, hand_on

    try:
        return hand_on(context, ImageEvent.read(event).outcome())
    except DeadlinePassed as error:
        if _execution_timeout(task) < task.timeout:
            raise AirflowTaskTimeout(f"execution_timeout: {error}") from error
        raise
