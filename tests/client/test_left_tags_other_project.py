"""A retry whose connection or workspace was edited: nothing is gone because another project lacks it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.image_removal import Removal, remove_image
from airflow_provider_modelarts.exceptions import ServerError
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.client.prune_runs import prune
from tests.snapshots import DAY, active, daily, snapshot
from tests.transports import TransportRunner


def test_prune_of_a_retry_in_another_project_deletes_nothing_of_the_first(
    transport: TransportRunner, simulator: Simulator
) -> None:
    """Both projects share the organizations of SWR, so the tags of the records are within reach."""
    _, *old = daily(simulator, 3)
    paths = simulator.swr_paths
    simulator.inject(Fault("error", "DeleteImage", times=None))
    stored: list[Any] = []
    prune(transport, simulator, store=stored.extend)
    simulator.clear_faults()
    other = simulator.add_project("cn-north-4_team")

    result = prune(transport, simulator, extra={"project_id": other}, earlier=stored)

    assert simulator.swr_paths == paths
    assert set(old) <= active(simulator)
    assert (result.deleted, result.failed) == ([], [])


def test_prune_of_a_retry_in_another_workspace_deletes_no_tag_of_the_first(
    transport: TransportRunner, simulator: Simulator
) -> None:
    """Somebody registered the image again, in a workspace that the retry does not list."""
    snapshot(simulator, "new", age=DAY * 2, workspace_id="w1")
    old = snapshot(simulator, "v1", age=DAY * 3, workspace_id="w1")
    path = next(str(image["swr_path"]) for image in simulator.images if image["id"] == old)
    simulator.inject(Fault("error", "DeleteImage", times=None))
    stored: list[Any] = []
    prune(transport, simulator, workspace_id="w1", store=stored.extend)
    simulator.clear_faults()
    simulator.set_image_status(old, "DELETED")
    snapshot(simulator, "v1", age=DAY, workspace_id="w1")

    prune(transport, simulator, workspace_id="w2", earlier=stored)

    assert path in simulator.swr_paths


@pytest.mark.parametrize("is_other", [True, False])
def test_delete_of_a_retry_deletes_left_tag_in_the_first_project_only(
    transport: TransportRunner, simulator: Simulator, is_other: bool
) -> None:
    image_id = snapshot(simulator, "v1", age=DAY)
    path = next(str(image["swr_path"]) for image in simulator.images if image["id"] == image_id)
    stored: list[Any] = []

    def remove(extra: dict[str, Any] | None = None, **given: Any) -> Removal:
        async def scenario(client: ModelArtsClient) -> Removal:
            return await remove_image(client, image_id, workspace_id="0", delete_swr_image=True, **given)

        return transport.run(simulator, scenario, extra=extra)

    simulator.inject(Fault("error", "DeleteImage", times=None))
    with pytest.raises(ServerError):
        remove(store=stored.extend)
    simulator.clear_faults()
    if is_other:
        remove({"project_id": simulator.add_project("cn-north-4_team")}, earlier=stored)
    else:
        simulator.set_image_status(image_id, "DELETED")
        remove(earlier=stored)

    assert (path in simulator.swr_paths) is is_other
