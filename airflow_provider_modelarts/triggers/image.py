"""The trigger that waits for an image."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_modelarts.hooks.imports import import_in_thread

MIN_WAIT_BEFORE_EVENT = 7.0
"""
Seconds that a trigger waits at least before its event. The worker of a deferred task lives for up to five
more seconds, and Airflow fails a task that resumes before its worker has ended.
"""

KWARGS = (
    *("image_id", "modelarts_conn_id", "poll_interval", "deadline", "passthrough", "since", "not_before"),
    "workspace_id",
)


class NotebookImageTrigger(BaseTrigger):
    """
    Wait until an image is ACTIVE, has failed, or the deadline has passed, and yield one event.

    It only reads, so it may run twice or restart in another triggerer. Polls that fail with a transient
    error are retried until the deadline.

    :param image_id: the image to wait for.
    :param modelarts_conn_id: the Airflow connection to use.
    :param poll_interval: seconds between polls.
    :param deadline: epoch seconds of the last poll.
    :param passthrough: plain values that the event returns to the task.
    :param since: epoch seconds at which the wait began, for messages; by default the trigger's start.
    :param not_before: epoch seconds before which the service wants no poll.
    :param workspace_id: the workspace of the image; by default the connection's.
    """

    def __init__(
        self,
        *,
        image_id: str,
        modelarts_conn_id: str,
        poll_interval: float,
        deadline: float,
        passthrough: dict[str, Any] | None = None,
        since: float | None = None,
        not_before: float | None = None,
        workspace_id: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self.image_id = image_id
        self.modelarts_conn_id = modelarts_conn_id
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.passthrough = passthrough or {}
        self.since = since
        self.not_before = not_before
        self.workspace_id = workspace_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments, with which any triggerer can continue this wait."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {name: getattr(self, name) for name in KWARGS}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the one event of this wait."""
        began = time.monotonic()
        since = time.time() if self.since is None else self.since
        await import_in_thread(f"{__package__}.events", "airflow_provider_modelarts.hooks.modelarts")
        from airflow_provider_modelarts.exceptions import ModelArtsError
        from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
        from airflow_provider_modelarts.triggers.events import ImageEvent

        try:
            image = await ModelArtsHook(self.modelarts_conn_id).await_image(
                self.image_id,
                poll_interval=self.poll_interval,
                deadline=self.deadline,
                not_before=self.not_before,
                workspace_id=self.workspace_id,
            )
            event = ImageEvent.of_image(image, self.passthrough, since=since)
        except ModelArtsError as error:
            waited = max(0.0, time.time() - since)
            wait = f"Waiting for image {self.image_id} ended after {waited:.0f} s"
            event = ImageEvent.of_error(error, self.passthrough, wait=wait)
        if self.task_instance is not None:  # else it runs in line, as in dag.test()
            await asyncio.sleep(began + MIN_WAIT_BEFORE_EVENT - time.monotonic())
        yield TriggerEvent(event.model_dump(mode="json"))

    async def on_kill(self) -> None:
        """Log that the save continues when a user ends the task (Airflow 3.3 and later)."""
        # Up to 3.3.2 Airflow also calls this when a wait moves to another triggerer.
        if await asyncio.to_thread(self._is_still_deferred):
            return
        self.log.warning(
            "ModelArts cannot cancel a save; it continues as image %s. A retry of the save will reuse it",
            self.image_id,
        )

    def _is_still_deferred(self) -> bool:
        ti = self.task_instance
        if ti is None:
            return False
        try:
            from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

            states = RuntimeTaskInstance.get_task_states(
                dag_id=ti.dag_id, run_ids=[ti.run_id], task_ids=[ti.task_id], map_index=ti.map_index
            )
        except Exception as error:  # noqa: BLE001 - whatever Airflow raises, one log line too many is harmless
            self.log.debug("Cannot read the task's state, assuming that it is not deferred: %s", error)
            return False
        return "deferred" in states.get(ti.run_id, {}).values()
