"""A try that was killed between the record and the tag of one of several images with the same content."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client import prune as module
from airflow_provider_modelarts.simulator import Simulator
from tests.client.prune_runs import prune
from tests.snapshots import active, daily
from tests.transports import TransportRunner


class Killed(BaseException):
    pass


@pytest.fixture
def _leaving_tags(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let DeleteImage delete records only, as one that honours no flag."""
    store = simulator._projects.home
    delete = store.delete_image
    monkeypatch.setattr(store, "delete_image", lambda image_id, _: delete(image_id, force=False))


@pytest.mark.usefixtures("_leaving_tags")
@pytest.mark.parametrize("addressed", [True, False], ids=["address", "name only"])
def test_prune_retry_removes_left_tag_of_content_that_it_removes_too(
    transport: TransportRunner, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, addressed: bool
) -> None:
    """The record that is still there keeps nothing: it is removed as well."""
    newest, *old = daily(simulator, 4)
    path = {image["id"]: image["swr_path"] for image in simulator.images}
    for image_id in old[1:]:
        simulator.registry.copy(path[old[0]], path[image_id])
    stored: list[Any] = []

    async def kill(*_: Any, **__: Any) -> bool:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, "delete_tag", kill)
        with pytest.raises(Killed):
            prune(transport, simulator, store=stored.extend)
    assert len(active(simulator)) == 3
    if not addressed:
        stored = [{**entry, "swr_path": None} for entry in stored]

    result = prune(transport, simulator, earlier=stored)

    assert {image.image.id for image in result.deleted} == set(old)
    assert (result.skipped, result.failed) == ([], [])
    assert set(simulator.registry.tags("team", "research")) == {path[newest].rpartition(":")[2]}


@pytest.mark.usefixtures("_leaving_tags")
def test_prune_retry_leaves_tag_of_content_that_stays(
    transport: TransportRunner, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest, old = daily(simulator, 2)
    path = {image["id"]: image["swr_path"] for image in simulator.images}
    stored: list[Any] = []

    async def kill(*_: Any, **__: Any) -> bool:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, "delete_tag", kill)
        with pytest.raises(Killed):
            prune(transport, simulator, store=stored.extend)
    simulator.registry.copy(path[old], path[newest])

    result = prune(transport, simulator, earlier=stored)

    assert "which is kept" in result.skipped[0].reasons[-1]
    assert path[old] in simulator.swr_paths
