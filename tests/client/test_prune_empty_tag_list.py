"""A prune where SWR lists no tag of a repository of which ModelArts has ACTIVE images."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.client.prune_runs import prune, rules
from tests.snapshots import active, daily
from tests.transports import TransportRunner


@pytest.mark.parametrize("mode", ["report", "unregister", "delete"])
def test_prune_removes_no_image_by_an_empty_list_in_which_a_kept_tag_may_be_missing(
    transport: TransportRunner, simulator: Simulator, mode: str
) -> None:
    """SWR may hide the tags for a while, and so that one of the images was promoted."""
    found = daily(simulator, 3)
    path = next(str(image["swr_path"]) for image in simulator.images if image["id"] == found[1])
    simulator.registry.copy(path, f"{path.rpartition(':')[0]}:stable")
    simulator.inject(Fault("document", "ListRepositoryTags", times=None, body="[]"))

    result = prune(transport, simulator, rules(mode, keep_tags=("stable",)))

    assert active(simulator) == set(found)
    assert (result.deleted, result.failed) == ([], [])
    assert {image.image.id for image in result.skipped} == set(found[1:])
    assert {image.reasons for image in result.skipped} == {("the tags of its repository could not be read",)}


def test_prune_removes_records_by_an_empty_list_if_no_tag_is_kept(
    transport: TransportRunner, simulator: Simulator
) -> None:
    """Their tags stay, if there are any."""
    newest, *old = daily(simulator, 3)
    paths = simulator.swr_paths
    simulator.inject(Fault("document", "ListRepositoryTags", times=None, body="[]"))

    result = prune(transport, simulator)

    assert {image.image.id for image in result.deleted} == set(old)
    assert active(simulator) == {newest}
    assert simulator.swr_paths == paths
