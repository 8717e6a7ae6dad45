"""A project whose older image is deleted, with something that happens at one of the requests."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.http_types import Request
from airflow_provider_modelarts.client.prune import Prune, PruneResult
from airflow_provider_modelarts.client.prune_rules import PruneRules, Scope
from airflow_provider_modelarts.client.retention import Policy
from airflow_provider_modelarts.hooks.clients import create_client
from airflow_provider_modelarts.simulator import Simulator
from airflow_provider_modelarts.transport import block_on
from tests.direct_transport import DirectTransport
from tests.snapshots import daily
from tests.transports import SimulatorClock, settings

RULES = PruneRules(Scope.of(all_of_project=True), Policy(keep_last=1), "delete")


class Project:
    """
    A project whose older image is deleted, and what happens at one of the requests.

    :param operation: of the request.
    :param number: which one of that operation, from 1.
    :param happens: before it is answered.
    """

    def __init__(self, operation: str, number: int, happens: Callable[[Project], object]) -> None:
        self.simulator = Simulator(port=1, refuse_delete_in_use=False)
        self.simulator.freeze()
        _, self.old = daily(self.simulator, 2)
        self.path = next(image["swr_path"] for image in self.simulator.images if image["id"] == self.old)
        self._operation, self._left, self._happens = operation, number, happens

    def run(self, use: Callable[[ModelArtsClient], Coroutine[Any, Any, Any]]) -> Any:
        transport = DirectTransport(self.simulator, after=self._after)
        client = create_client(settings(self.simulator), transport, clock=SimulatorClock(self.simulator))
        return block_on(use(client))

    def _after(self, _: Request) -> None:
        self._left -= self.simulator.journal[-1].operation == self._operation
        if self._left == 0:
            self._left = -1
            self._happens(self)

    def push(self) -> None:
        """Give the tag other content, and let time pass."""
        self.simulator.registry.push(self.path, "what somebody else pushed")
        self.simulator.advance(31)

    def use(self) -> None:
        """Let a notebook use the image, and let time pass."""
        self.simulator.add_notebook(image_id=self.old, status="STOPPED")
        self.simulator.advance(31)

    @property
    def requests(self) -> list[str]:
        return [entry.operation for entry in self.simulator.journal]


def prune(client: ModelArtsClient) -> Coroutine[Any, Any, PruneResult]:
    return Prune(client, RULES, workspace_id="0").run()


def keep_tags_of_deleted_records(simulator: Simulator) -> None:
    """Let DeleteImage leave the tag to DeleteRepoTag."""
    store = simulator._projects.home
    delete = store.delete_image
    store.delete_image = lambda image_id, _: delete(image_id, force=False)  # type: ignore[method-assign, assignment]
