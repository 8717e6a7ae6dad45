"""A deletion whose record is gone, and whose tag gets used again before its own deletion is repeated."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.image_address import parse_address
from airflow_provider_modelarts.client.image_deletion import delete_tag, read_uses
from airflow_provider_modelarts.client.image_removal import remove_image
from airflow_provider_modelarts.exceptions import ImageInUseError
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.client.pruned_project import Project, keep_tags_of_deleted_records, prune
from tests.transports import TransportRunner


def use_again(project: Project) -> None:
    """Register the tag again and let a notebook use it, and let time pass."""
    image_id = project.simulator.add_image(swr_path=project.path, origin="CUSTOMIZE")
    project.simulator.add_notebook(image_id=image_id, status="STOPPED")
    project.simulator.advance(31)


def deleting() -> Project:
    """Return a project in which the deletion of the tag is throttled once."""
    project = Project("DeleteRepoTag", 1, use_again)
    keep_tags_of_deleted_records(project.simulator)
    project.simulator.inject(Fault("throttle", "DeleteRepoTag"))
    return project


def test_prune_leaves_tag_that_is_used_again_while_its_deletion_is_repeated() -> None:
    project = deleting()

    result = project.run(prune)

    assert "used by notebook" in result.skipped[0].reasons[-1]
    assert project.path in project.simulator.swr_paths
    assert project.requests.count("DeleteRepoTag") == 1


def test_delete_leaves_tag_that_is_used_again_while_its_deletion_is_repeated() -> None:
    project = deleting()

    with pytest.raises(ImageInUseError, match="used by notebook"):
        project.run(lambda client: remove_image(client, project.old, workspace_id="0", delete_swr_image=True))

    assert project.path in project.simulator.swr_paths
    assert project.requests.count("DeleteRepoTag") == 1


@pytest.mark.parametrize("has_tag", [True, False])
def test_delete_tag_returns_whether_there_was_one(
    has_tag: bool, transport: TransportRunner, simulator: Simulator
) -> None:
    path = f"{simulator.registry.host}/team/research"
    simulator.registry.push(f"{path}:other", "layer")
    if has_tag:
        simulator.registry.push(f"{path}:v1", "layer")
    address: Any = parse_address(f"{path}:v1")

    async def scenario(client: ModelArtsClient) -> bool:
        return await delete_tag(client, address)

    assert transport.run(simulator, scenario) is has_tag


def test_read_uses_leaves_out_notebook_that_is_gone_since_the_list(
    transport: TransportRunner, simulator: Simulator
) -> None:
    """It showed no image in the list, and so would have kept every image."""
    notebook = {"id": "6b1c2d3e-4f50-4a61-8b72-9c83ad94be06", "status": "STOPPED"}
    simulator.inject(Fault("document", "ListAllNotebooks", body=json.dumps({"data": [notebook], "total": 1})))

    uses = transport.run(simulator, read_uses)

    assert uses.unclear == ()
