"""A deletion whose tag gets other content, or whose image gets used, while it is delayed: that stays."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.http_types import Request
from airflow_provider_modelarts.client.image_removal import remove_image
from airflow_provider_modelarts.client.prune import Prune, PruneResult
from airflow_provider_modelarts.client.prune_rules import PruneRules, Scope
from airflow_provider_modelarts.client.retention import Policy
from airflow_provider_modelarts.exceptions import ImageInUseError, TagConflictError
from airflow_provider_modelarts.hooks.clients import create_client
from airflow_provider_modelarts.simulator import Fault, Simulator
from airflow_provider_modelarts.transport import block_on
from tests.direct_transport import DirectTransport
from tests.snapshots import active, daily
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


def test_prune_skips_image_whose_tag_moves_while_its_deletion_is_repeated() -> None:
    project = Project("DeleteImage", 1, Project.push)
    project.simulator.inject(Fault("throttle", "DeleteImage"))

    result = project.run(prune)

    assert ([*result.deleted], [*result.failed]) == ([], [])
    assert result.skipped[0].reasons[-1].startswith("its tag names other content")
    assert project.old in active(project.simulator)
    assert project.path in project.simulator.swr_paths
    assert project.requests.count("DeleteImage") == 1


def test_prune_skips_image_whose_tag_moves_while_notebooks_are_read_again() -> None:
    """The tag is read after them."""
    # Its third list of notebooks is the one before the deletion, as the second is of the free ones.
    project = Project(
        "ListAllNotebooks", 3, lambda project: project.simulator.registry.push(project.path, "other")
    )
    project.simulator.inject(Fault("error", "ListRetentions", status=429, code="APIGW.0308", times=6))

    result = project.run(prune)

    assert project.requests.count("ListAllNotebooks") == 4
    assert result.skipped[0].reasons[-1].startswith("its tag names other content")
    assert project.path in project.simulator.swr_paths


def test_prune_reads_notebooks_again_after_a_slow_read_of_the_tag() -> None:
    project = Project("ListRepositoryTags", 2, Project.use)

    result = project.run(prune)

    assert "used by notebook" in result.skipped[0].reasons[-1]
    assert project.old in active(project.simulator)


def test_prune_leaves_tag_that_moves_while_its_deletion_is_repeated() -> None:
    project = Project("DeleteRepoTag", 1, Project.push)
    keep_tags_of_deleted_records(project.simulator)
    project.simulator.inject(Fault("throttle", "DeleteRepoTag"))

    project.run(prune)

    assert project.path in project.simulator.swr_paths
    assert project.requests.count("DeleteRepoTag") == 1


def test_prune_sends_three_requests_to_delete_an_image() -> None:
    project = Project("none", 1, Project.push)

    project.run(prune)

    begin = project.requests.index("ListRetentions") + 1
    assert project.requests[begin:] == ["ListRepositoryTags", "DeleteImage", "ListRepositoryTags"]


@pytest.mark.parametrize(
    ("operation", "number"),
    [
        pytest.param("DeleteImage", 1, id="while its deletion is repeated"),
        pytest.param("ListRepositoryTags", 1, id="after a slow read of the tag"),
    ],
)
@pytest.mark.parametrize(
    ("happens", "error", "words"),
    [
        (Project.push, TagConflictError, "names other content"),
        (Project.use, ImageInUseError, "used by notebook"),
    ],
    ids=["other content", "a user"],
)
def test_delete_refuses_image_that_changes(
    operation: str, number: int, happens: Any, error: type[Exception], words: str
) -> None:
    project = Project(operation, number, happens)
    project.simulator.inject(Fault("throttle", "DeleteImage"))

    with pytest.raises(error, match=words):
        project.run(lambda client: remove_image(client, project.old, workspace_id="0", delete_swr_image=True))

    assert project.old in active(project.simulator)
    assert project.path in project.simulator.swr_paths


def test_delete_leaves_tag_that_is_pushed_after_it_was_missing() -> None:
    """The flag would delete it with the record."""
    project = Project("ListRepositoryTags", 1, Project.push)
    project.simulator.registry.delete(project.path)

    project.run(lambda client: remove_image(client, project.old, workspace_id="0", delete_swr_image=True))

    assert project.old not in active(project.simulator)
    assert project.path in project.simulator.swr_paths


def test_delete_leaves_tag_that_moves_while_its_deletion_is_repeated() -> None:
    project = Project("DeleteRepoTag", 1, Project.push)
    keep_tags_of_deleted_records(project.simulator)
    project.simulator.inject(Fault("throttle", "DeleteRepoTag"))

    project.run(lambda client: remove_image(client, project.old, workspace_id="0", delete_swr_image=True))

    assert project.path in project.simulator.swr_paths
