"""The trigger that waits for a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_modelarts.triggers.wait import TriggererWait

if TYPE_CHECKING:
    from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
    from airflow_provider_modelarts.triggers.events import NotebookEvent


class NotebookStatusTrigger(TriggererWait):
    """
    Wait until a notebook has one of some statuses, has failed, or the deadline has passed; yield one event.

    :param notebook_id: the notebook to wait for.
    :param statuses: of which one ends the wait.
    :param arguments: of :class:`~airflow_provider_modelarts.triggers.wait.TriggererWait`.
    """

    arguments = ("notebook_id", "statuses", *TriggererWait.arguments)

    def __init__(self, *, notebook_id: str, statuses: Sequence[str], **arguments: Any) -> None:
        super().__init__(**arguments)
        self.notebook_id = notebook_id
        self.statuses = list(statuses)

    @property
    def subject(self) -> str:
        """What is waited for, for messages."""
        return f"Waiting for notebook {self.notebook_id}"

    async def wait(self, hook: ModelArtsHook, since: float) -> NotebookEvent:
        """Return the event of a notebook that has one of the statuses."""
        notebook = await hook.await_notebook(
            self.notebook_id,
            self.statuses,
            poll_interval=self.poll_interval,
            deadline=self.deadline,
            not_before=self.not_before,
            workspace_id=self.workspace_id,
        )
        return self.event_class().of_notebook(notebook, self.passthrough, since=since)

    def event_class(self) -> type[NotebookEvent]:
        """Return the class of the events."""
        from airflow_provider_modelarts.triggers.events import NotebookEvent

        return NotebookEvent

    @property
    def what_continues(self) -> str:
        """What ModelArts does when a user ends the task."""
        return f"ModelArts continues what notebook {self.notebook_id} is busy with"
