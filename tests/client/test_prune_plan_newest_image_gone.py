"""Which image of a group is kept as its newest, if SWR no longer has the one of the newest record."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client.prune import Prune, PruneResult
from airflow_provider_modelarts.client.prune_rules import PruneRules, Scope
from airflow_provider_modelarts.client.retention import Policy
from airflow_provider_modelarts.hooks.clients import create_client
from airflow_provider_modelarts.simulator import Fault, Simulator
from airflow_provider_modelarts.transport import block_on
from tests.direct_transport import DirectTransport
from tests.snapshots import active, daily
from tests.transports import SimulatorClock, settings

STILL_HAS = "is the newest image of its group that SWR still has"


def prune(simulator: Simulator, mode: Any) -> PruneResult:
    client = create_client(settings(simulator), DirectTransport(simulator), clock=SimulatorClock(simulator))
    rules = PruneRules(Scope.of(all_of_project=True), Policy(keep_last=1), mode)
    return block_on(Prune(client, rules, workspace_id="0").run())


def project(count: int, *, gone: int) -> tuple[Simulator, list[str]]:
    """Return a project with snapshots and their ids, newest first; the tags of the newest are gone."""
    simulator = Simulator(port=1)
    simulator.freeze()
    found = daily(simulator, count)
    paths = {image["id"]: image["swr_path"] for image in simulator.images}
    for image_id in found[:gone]:
        simulator.registry.delete(paths[image_id])
    return simulator, found


@pytest.mark.parametrize("mode", ["report", "unregister", "delete"])
@pytest.mark.parametrize(
    ("gone", "kept"),
    [(0, [0]), (1, [0, 1]), (2, [0, 2]), (4, [0])],
    ids=["none", "the newest", "the two newest", "all"],
)
def test_prune_keeps_newest_image_that_exists(mode: str, gone: int, kept: list[int]) -> None:
    simulator, found = project(4, gone=gone)

    result = prune(simulator, mode)

    assert [image.image.id for image in result.kept] == [found[n] for n in kept]
    assert result.kept[0].reasons[0] == "is the newest ACTIVE image of its group"
    assert [image.reasons for image in result.kept[1:]] == [(STILL_HAS,)] * (len(kept) - 1)
    if mode != "report":
        assert active(simulator) == {found[n] for n in kept}


def test_prune_keeps_only_the_newest_record_if_tags_cannot_be_read() -> None:
    """Which of them exist is unknown then; and none is removed."""
    simulator, found = project(3, gone=1)
    simulator.inject(Fault("error", "ListRepositoryTags", status=500, times=None))

    result = prune(simulator, "delete")

    assert [image.image.id for image in result.kept] == found[:1]
    assert active(simulator) == set(found)
