"""The client of a worker, whose methods block."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from airflow_provider_modelarts.client.client import ModelArtsClient, Pollable
    from airflow_provider_modelarts.client.http_types import Operation
    from airflow_provider_modelarts.client.listing import HasId
    from airflow_provider_modelarts.client.models import Page
    from airflow_provider_modelarts.hooks.connection import Settings

T = TypeVar("T")
Item = TypeVar("Item", bound="HasId")
PollableT = TypeVar("PollableT", bound="Pollable")


class BlockingClient:
    """
    Methods that block until the response has arrived, for a class that has settings and a client.

    What they need is imported when one is called, because DAG files import the hook.
    """

    @property
    def settings(self) -> Settings:
        """The connection's checked fields."""
        raise NotImplementedError

    @property
    def _modelarts(self) -> ModelArtsClient:
        """The client, on a transport that blocks."""
        raise NotImplementedError

    def call(self, operation: Operation[T], *, deadline: float | None = None) -> T:
        """
        Make one call from a worker; errors that are safe to retry are retried for two minutes.

        :param deadline: epoch seconds after which the call is not retried.
        :raises ModelArtsError: the call failed; the class is the kind of failure.
        """
        from airflow_provider_modelarts.transport import block_on

        return block_on(self._modelarts.call(operation, deadline=deadline))

    def list_all(self, operation: Operation[Page[Item]], *, deadline: float | None = None) -> list[Item]:
        """
        Return all items of a list, from all of its pages.

        :param deadline: epoch seconds after which no page is retried.
        :raises ModelArtsError: a page failed, or the list does not end.
        """
        from airflow_provider_modelarts.transport import block_on

        return block_on(self._modelarts.list_all(operation, deadline=deadline))

    def watch(
        self,
        operation: Operation[PollableT],
        *,
        is_done: Callable[[PollableT], bool],
        poll_interval: float,
        deadline: float,
        not_before: float | None = None,
    ) -> PollableT:
        """
        Poll from a worker until a response ends the wait, and return that response.

        :param is_done: whether a response ends the wait.
        :param poll_interval: seconds between polls.
        :param deadline: epoch seconds of the last poll.
        :param not_before: epoch seconds before which there is no poll, as the service requested.
        :raises WaitTimeoutError: the deadline passed first.
        :raises ModelArtsError: a poll failed with an error that no later poll can cure.
        """
        from airflow_provider_modelarts.transport import block_on

        return block_on(
            self._modelarts.watch(
                operation,
                is_done=is_done,
                poll_interval=poll_interval,
                deadline=deadline,
                not_before=not_before,
            )
        )

    def _workspace(self, workspace_id: str | None) -> str | None:
        """Return the connection's workspace if none is given; a blank one is refused later."""
        return self.settings.workspace_id if workspace_id is None else workspace_id
