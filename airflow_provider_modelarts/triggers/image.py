"""The trigger that waits for an image."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow_provider_modelarts.triggers.wait import TriggererWait

if TYPE_CHECKING:
    from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
    from airflow_provider_modelarts.triggers.events import ImageEvent


class NotebookImageTrigger(TriggererWait):
    """
    Wait until an image is ACTIVE, has failed, or the deadline has passed, and yield one event.

    :param image_id: the image to wait for.
    :param verify_in_registry: also check that its tag is in SWR, and return what SWR has of it.
    :param arguments: of :class:`~airflow_provider_modelarts.triggers.wait.TriggererWait`.
    """

    arguments = ("image_id", "verify_in_registry", *TriggererWait.arguments)

    def __init__(self, *, image_id: str, verify_in_registry: bool = False, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.image_id = image_id
        self.verify_in_registry = verify_in_registry

    @property
    def subject(self) -> str:
        """What is waited for, for messages."""
        return f"Waiting for image {self.image_id}"

    async def wait(self, hook: ModelArtsHook, since: float) -> ImageEvent:
        """Return the event of an image that is ACTIVE."""
        image = await hook.await_image(
            self.image_id,
            poll_interval=self.poll_interval,
            deadline=self.deadline,
            not_before=self.not_before,
            workspace_id=self.workspace_id,
        )
        seen_at = time.time()
        content = None
        if self.verify_in_registry:
            content = await hook.await_verification(
                image,
                poll_interval=self.poll_interval,
                deadline=self.deadline,
                workspace_id=self.workspace_id,
            )
        return self.event_class().of_image(
            image, self.passthrough, since=since, seen_at=seen_at, content=content
        )

    def event_class(self) -> type[ImageEvent]:
        """Return the class of the events."""
        from airflow_provider_modelarts.triggers.events import ImageEvent

        return ImageEvent

    @property
    def what_continues(self) -> str:
        """What ModelArts does when a user ends the task."""
        return (
            f"ModelArts cannot cancel a save; it continues as image {self.image_id}. A retry of the save "
            "will reuse it"
        )
