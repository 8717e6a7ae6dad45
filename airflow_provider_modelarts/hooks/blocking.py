"""ModelArts for code that waits for each answer, such as a task."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from airflow_provider_modelarts.client.modelarts import HasId, ModelArts, Watched
from airflow_provider_modelarts.client.models import Page
from airflow_provider_modelarts.client.wire import Call
from airflow_provider_modelarts.transport import block_on

T = TypeVar("T")
Item = TypeVar("Item", bound=HasId)
Seen = TypeVar("Seen", bound=Watched)


class BlockingClient:
    """
    A client whose methods return when the answer is there.

    :param modelarts: the client to step through, on a transport that blocks.
    """

    def __init__(self, modelarts: ModelArts) -> None:
        self._modelarts = modelarts

    def call(self, call: Call[T], *, deadline: float | None = None) -> T:
        """
        Make one call; what fails and is safe to repeat is tried again for two minutes.

        :param deadline: epoch seconds after which it is not tried again.
        :raises ModelArtsError: the class says what a caller can do about it.
        """
        return block_on(self._modelarts.call(call, deadline=deadline))

    def list_all(self, call: Call[Page[Item]], *, deadline: float | None = None) -> list[Item]:
        """
        Return all items of a list, from all of its pages.

        :param deadline: epoch seconds after which no page is tried again.
        :raises ModelArtsError: a page failed, or the list does not end.
        """
        return block_on(self._modelarts.collect(call, deadline=deadline))

    def watch(
        self,
        call: Call[Seen],
        *,
        is_over: Callable[[Seen], bool],
        poll_interval: float,
        deadline: float,
        not_before: float | None = None,
    ) -> Seen:
        """
        Poll until it is over, and return the last reply.

        :param poll_interval: seconds between polls.
        :param deadline: epoch seconds of the last poll.
        :param not_before: epoch seconds before which the service wants no poll.
        :raises DeadlinePassed: it was not over by then.
        """
        return block_on(
            self._modelarts.watch(
                call, is_over=is_over, poll_interval=poll_interval, deadline=deadline, not_before=not_before
            )
        )
