"""ModelArts for code that waits for each answer, such as a task."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from airflow_provider_modelarts.client.client import HasId, ModelArtsClient, Pollable
from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.models import Page
from airflow_provider_modelarts.transport import block_on

T = TypeVar("T")
Item = TypeVar("Item", bound=HasId)
PollableT = TypeVar("PollableT", bound=Pollable)


class BlockingClient:
    """
    A client whose methods return when the answer is there.

    :param modelarts: the client to step through, on a transport that blocks.
    """

    def __init__(self, modelarts: ModelArtsClient) -> None:
        self._modelarts = modelarts

    def call(self, operation: Operation[T], *, deadline: float | None = None) -> T:
        """
        Make one call; what fails and is safe to repeat is tried again for two minutes.

        :param deadline: epoch seconds after which it is not tried again.
        :raises ModelArtsError: the class says what a caller can do about it.
        """
        return block_on(self._modelarts.call(operation, deadline=deadline))

    def list_all(self, operation: Operation[Page[Item]], *, deadline: float | None = None) -> list[Item]:
        """
        Return all items of a list, from all of its pages.

        :param deadline: epoch seconds after which no page is tried again.
        :raises ModelArtsError: a page failed, or the list does not end.
        """
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
        Poll until it is over, and return the last reply.

        :param poll_interval: seconds between polls.
        :param deadline: epoch seconds of the last poll.
        :param not_before: epoch seconds before which the service wants no poll.
        :raises WaitTimeoutError: it was not over by then.
        """
        return block_on(
            self._modelarts.watch(
                operation,
                is_done=is_done,
                poll_interval=poll_interval,
                deadline=deadline,
                not_before=not_before,
            )
        )
