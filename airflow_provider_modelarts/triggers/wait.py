"""What all triggers that wait for one resource do."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_modelarts.hooks.imports import import_in_thread
from airflow_provider_modelarts.triggers.task_state import is_still_deferred

if TYPE_CHECKING:
    from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
    from airflow_provider_modelarts.triggers.events import WaitEvent

log = logging.getLogger(__name__)

MIN_WAIT_BEFORE_EVENT = 7.0
"""
Seconds before an event at least: the worker of a deferred task lives for up to five more seconds, and Airflow
fails a task that resumes before its worker has ended.
"""


class TriggererWait(BaseTrigger):
    """
    Wait until a resource is done, has failed, or the deadline has passed, and yield one event.

    It only reads, so it may run twice or restart elsewhere. Transient errors are retried until the deadline.

    :param poll_interval: seconds between polls.
    :param deadline: epoch seconds of the last poll.
    :param passthrough: plain values that the event returns to the task.
    :param since: epoch seconds at which the wait began; by default the trigger's start.
    :param not_before: epoch seconds before which nothing is polled, because of a ``Retry-After``.
    :param workspace_id: the workspace of the resource; by default the connection's.
    :param unknown: arguments of a later version of this provider, which stored them before a rollback or in a
        rolling upgrade. They are ignored, with a warning: the wait itself goes on.
    """

    arguments: tuple[str, ...] = (
        *("modelarts_conn_id", "poll_interval", "deadline", "passthrough", "since"),
        *("not_before", "workspace_id"),
    )

    def __init__(
        self,
        *,
        modelarts_conn_id: str,
        poll_interval: float,
        deadline: float,
        passthrough: dict[str, Any] | None = None,
        since: float | None = None,
        not_before: float | None = None,
        workspace_id: str | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self.modelarts_conn_id = modelarts_conn_id
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.passthrough = passthrough or {}
        self.since = since
        self.not_before = not_before
        self.workspace_id = workspace_id
        self._unknown = sorted(unknown)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments, with which any triggerer can continue this wait."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {name: getattr(self, name) for name in self.arguments}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the one event of this wait."""
        began = time.monotonic()
        since = time.time() if self.since is None else self.since
        await import_in_thread(f"{__package__}.events", "airflow_provider_modelarts.hooks.modelarts")
        from airflow_provider_modelarts.exceptions import ModelArtsError
        from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook

        if self._unknown:
            log.warning(
                "Ignoring %s, which another version of this provider stored: install the same version on "
                "workers and triggerers",
                ", ".join(self._unknown),
            )
        try:
            event = await self.wait(ModelArtsHook(self.modelarts_conn_id), since)
        except ModelArtsError as error:
            wait = f"{self.subject} ended after {max(0.0, time.time() - since):.0f} s"
            event = self.event_class().of_error(error, self.passthrough, wait=wait)
        if self.task_instance is not None:  # else it runs in line, as in dag.test()
            await asyncio.sleep(began + MIN_WAIT_BEFORE_EVENT - time.monotonic())
        yield TriggerEvent(event.model_dump(mode="json"))

    @property
    def subject(self) -> str:
        """The wait, for messages, such as ``Waiting for image 4e0d…``."""
        raise NotImplementedError

    async def wait(self, hook: ModelArtsHook, since: float) -> WaitEvent:
        """Return the event of a wait that succeeds."""
        raise NotImplementedError

    def event_class(self) -> type[WaitEvent]:
        """Return the class of the events, which is imported in a thread before."""
        raise NotImplementedError

    @property
    def what_continues(self) -> str:
        """What ModelArts does when a user ends the task, for the log."""
        raise NotImplementedError

    async def on_kill(self) -> None:
        """Log what continues when a user ends the task (Airflow 3.3 and later)."""
        # Up to 3.3.2 Airflow also calls this when a wait moves to another triggerer.
        if await asyncio.to_thread(is_still_deferred, self.task_instance):
            return
        self.log.warning("%s", self.what_continues)
