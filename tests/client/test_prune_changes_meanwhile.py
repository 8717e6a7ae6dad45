"""A prune while others change the project: between its plan and a deletion, and between two tries."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.image_removal import Removal, remove_image
from airflow_provider_modelarts.client.prune import Prune, PruneResult
from airflow_provider_modelarts.exceptions import ImageInUseError, ServerError
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.client.prune_runs import prune, rules
from tests.snapshots import DAY, active, daily, snapshot
from tests.transports import TransportRunner

BUSY = Fault("error", "DeleteImage", status=429, code="APIGW.0308", times=7)


def remove(transport: TransportRunner, simulator: Simulator, image_id: str, **given: Any) -> Removal:
    async def scenario(client: ModelArtsClient) -> Removal:
        return await remove_image(client, image_id, workspace_id="0", **given)

    return transport.run(simulator, scenario)


def ids(images: Any) -> list[str]:
    return [image.image.id for image in images]


def path_of(simulator: Simulator, image_id: str) -> str:
    return next(str(image["swr_path"]) for image in simulator.images if image["id"] == image_id)


def use_during_pause(simulator: Simulator, client: ModelArtsClient, image_id: str) -> None:
    """Let a notebook use an image from the first pause that ends half a minute later."""
    began, used = simulator.now(), list[str]()
    transport: Any = client._transport
    pause = transport.sleep

    async def sleep(seconds: float) -> None:
        await pause(seconds)
        if simulator.now() - began > 31 and not used:
            used.append(simulator.add_notebook(image_id=image_id, status="STOPPED"))

    transport.sleep = sleep


def use_by_digest(simulator: Simulator, image_id: str) -> None:
    """Let the lists show a notebook whose image is given by its digest."""
    path = path_of(simulator, image_id)
    image = {"swr_path": f"{path.rpartition(':')[0]}@{simulator.registry.digest(path)}"}
    body = json.dumps({"data": [{"id": "n1", "status": "STOPPED", "image": image}], "total": 1})
    simulator.inject(Fault("document", "ListAllNotebooks", times=None, body=body))


def test_prune_skips_image_whose_tag_moves_after_the_plan(
    transport: TransportRunner, simulator: Simulator
) -> None:
    """DeleteImage would delete the new content with the tag."""
    _, *old = daily(simulator, 3)
    path = path_of(simulator, old[1])

    result = prune(transport, simulator, store=lambda _: simulator.registry.push(path, "a new layer"))

    assert (ids(result.deleted), ids(result.skipped)) == ([old[0]], [old[1]])
    assert "its tag names other content" in result.skipped[0].reasons[-1]
    assert path in simulator.swr_paths


def test_prune_reads_notebooks_again_while_a_deletion_is_delayed(
    transport: TransportRunner, simulator: Simulator
) -> None:
    _, old = daily(simulator, 2)
    simulator.inject(BUSY)

    async def scenario(client: ModelArtsClient) -> PruneResult:
        use_during_pause(simulator, client, old)
        return await Prune(client, rules(), workspace_id="0").run()

    result = transport.run(simulator, scenario)

    assert (ids(result.deleted), ids(result.skipped), result.failed) == ([], [old], [])
    assert "used by notebook" in result.skipped[0].reasons[-1]
    assert old in active(simulator)


def test_delete_reads_notebooks_again_while_the_deletion_is_delayed(
    transport: TransportRunner, simulator: Simulator
) -> None:
    _, old = daily(simulator, 2)
    simulator.inject(BUSY)

    async def scenario(client: ModelArtsClient) -> Removal:
        use_during_pause(simulator, client, old)
        return await remove_image(client, old, workspace_id="0")

    with pytest.raises(ImageInUseError, match="used by notebook"):
        transport.run(simulator, scenario)

    assert old in active(simulator)


def test_prune_of_a_retry_removes_nothing_that_was_not_planned(
    transport: TransportRunner, simulator: Simulator
) -> None:
    newest, old, oldest = daily(simulator, 3)
    simulator.inject(Fault("error", "DeleteImage", skip=1))
    stored: list[Any] = []
    first = prune(transport, simulator, store=stored.extend)
    snapshot(simulator, "fresh", age=timedelta(0))

    second = prune(transport, simulator, earlier=stored)

    assert (ids(first.deleted), ids(first.failed)) == ([oldest], [old])
    assert isinstance(first.error, ServerError)
    assert ids(second.deleted) == [oldest, old]
    assert ids(second.skipped) == [newest]
    assert "left to the next run" in second.skipped[0].reasons[-1]


def test_prune_never_deletes_tag_of_image_that_an_earlier_try_unregistered(
    transport: TransportRunner, simulator: Simulator
) -> None:
    """Somebody changes the mode and clears the task."""
    _, old, oldest = daily(simulator, 3)
    paths = {image_id: path_of(simulator, image_id) for image_id in (old, oldest)}
    simulator.inject(Fault("error", "DeleteImage", skip=1))
    stored: list[Any] = []
    prune(transport, simulator, rules("unregister"), store=stored.extend)

    prune(transport, simulator, rules("delete"), earlier=stored)

    assert paths[oldest] in simulator.swr_paths
    assert paths[old] not in simulator.swr_paths


def test_delete_leaves_tag_that_is_registered_again_in_its_workspace(
    transport: TransportRunner, simulator: Simulator
) -> None:
    """Which need not be the connection's."""
    image_id = snapshot(simulator, "v1", age=DAY, workspace_id="w1")
    path = path_of(simulator, image_id)
    stored: list[Any] = []
    simulator.inject(Fault("error", "DeleteImage", times=None))
    with pytest.raises(ServerError):
        remove(transport, simulator, image_id, delete_swr_image=True, store=stored.extend)
    simulator.clear_faults()
    remove(transport, simulator, image_id)
    snapshot(simulator, "v1", age=DAY, workspace_id="w1")

    remove(transport, simulator, image_id, delete_swr_image=True, earlier=stored)

    assert path in simulator.swr_paths


@pytest.mark.parametrize("status", ["CREATE_FAILED", "DELETED"])
def test_prune_removes_image_whose_tag_a_failed_record_has_too(
    transport: TransportRunner, simulator: Simulator, status: str
) -> None:
    """A retry saves the image again under the same tag."""
    _, old = daily(simulator, 2)
    path = path_of(simulator, old)
    snapshot(simulator, path.rpartition(":")[2], age=3 * DAY, status=status)

    result = prune(transport, simulator)

    assert ids(result.deleted) == [old]
    assert path not in simulator.swr_paths


@pytest.mark.parametrize("mode", ["unregister", "delete"])
def test_prune_spares_image_in_use_by_digest_while_tags_cannot_be_read(
    transport: TransportRunner, simulator: Simulator, mode: str
) -> None:
    _, old = daily(simulator, 2)
    use_by_digest(simulator, old)
    simulator.inject(Fault("error", "ListRepositoryTags", status=404, code="", times=None))

    result = prune(transport, simulator, rules(mode))

    assert (ids(result.deleted), ids(result.skipped)) == ([], [old])


@pytest.mark.parametrize("deletes_tag", [True, False])
def test_delete_refuses_image_in_use_by_digest(
    transport: TransportRunner, simulator: Simulator, deletes_tag: bool
) -> None:
    other, old = daily(simulator, 2)
    use_by_digest(simulator, old)

    with pytest.raises(ImageInUseError):
        remove(transport, simulator, old, delete_swr_image=deletes_tag)
    assert old in active(simulator)

    remove(transport, simulator, other, delete_swr_image=deletes_tag)
    assert other not in active(simulator)


def test_prune_keeps_image_of_another_workspace(transport: TransportRunner, simulator: Simulator) -> None:
    """A service may ignore the filter of its list."""
    _, *old = daily(simulator, 3)
    images = [image | {"workspace_id": "w1" if image["id"] == old[0] else "0"} for image in simulator.images]
    body = json.dumps({"data": images, "total": len(images)})
    simulator.inject(Fault("document", "ListImages", times=None, body=body))

    result = prune(transport, simulator)

    assert ids(result.deleted) == [old[1]]
    assert result.kept[1].reasons == ("is in another workspace, w1",)


@pytest.mark.parametrize("begins", ["before the plan", "after the plan"])
def test_prune_skips_content_that_a_notebook_uses_by_another_tag(
    transport: TransportRunner, simulator: Simulator, begins: str
) -> None:
    """Even if no image of this workspace has that tag."""
    _, *old = daily(simulator, 3)
    path = path_of(simulator, old[0])
    stable = f"{path.rpartition(':')[0]}:stable"
    simulator.registry.copy(path, stable)

    def use(_: object = None) -> None:
        simulator.advance(31)
        body = {"data": [{"id": "n1", "status": "STOPPED", "image": {"swr_path": stable}}], "total": 1}
        simulator.inject(Fault("document", "ListAllNotebooks", times=None, body=json.dumps(body)))

    if begins == "before the plan":
        use()
        result = prune(transport, simulator)
    else:
        result = prune(transport, simulator, store=use)

    assert (ids(result.deleted), ids(result.skipped)) == ([old[1]], [old[0]])
    assert result.skipped[0].reasons[-1] == "used by notebook n1"
