"""A deletion whose tag gets other content, or whose image gets used, while it is delayed: that stays."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client.image_removal import remove_image
from airflow_provider_modelarts.exceptions import ImageInUseError, TagConflictError
from airflow_provider_modelarts.simulator import Fault
from tests.client.pruned_project import Project, keep_tags_of_deleted_records, prune
from tests.snapshots import active


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
