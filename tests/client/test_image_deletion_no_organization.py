"""Deletions whose tags are not known, because SWR has no such organization; ModelArts has images there."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.error_codes import NO_ORGANIZATION
from airflow_provider_modelarts.client.image_removal import Removal, remove_image
from airflow_provider_modelarts.client.prune import Prune, PruneResult
from airflow_provider_modelarts.client.prune_rules import PruneRules, Scope
from airflow_provider_modelarts.client.retention import Policy
from airflow_provider_modelarts.exceptions import NotFoundError
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.snapshots import active, daily
from tests.transports import TransportRunner

RULES = PruneRules(Scope.of(all_of_project=True), Policy(keep_last=1), "delete", keep_tags=("stable",))


def absent(simulator: Simulator, code: str) -> None:
    error = Fault("error", "ListRepositoryTags", status=404, code=code, envelope="swr", times=None)
    simulator.inject(error)


def pruned(transport: TransportRunner, simulator: Simulator) -> PruneResult:
    async def scenario(client: ModelArtsClient) -> PruneResult:
        return await Prune(client, RULES, workspace_id="0").run()

    return transport.run(simulator, scenario)


@pytest.mark.parametrize("code", NO_ORGANIZATION)
def test_prune_leaves_images_of_unknown_organization(
    transport: TransportRunner, simulator: Simulator, code: str
) -> None:
    newest, *old = daily(simulator, 3)
    absent(simulator, code)

    result = pruned(transport, simulator)

    assert {image.image.id for image in result.skipped} == set(old)
    assert "could not be read" in result.skipped[0].reasons[-1]
    assert active(simulator) == {newest, *old}


@pytest.mark.parametrize("code", NO_ORGANIZATION)
def test_delete_fails_in_unknown_organization(
    transport: TransportRunner, simulator: Simulator, code: str
) -> None:
    _, old = daily(simulator, 2)
    absent(simulator, code)

    async def scenario(client: ModelArtsClient) -> Removal:
        return await remove_image(client, old, workspace_id="0", delete_swr_image=True)

    with pytest.raises(NotFoundError, match="no such organization"):
        transport.run(simulator, scenario)
    assert old in active(simulator)


@pytest.mark.parametrize("code", ["SVCSTG.SWR.4040009", "SVCSTG.SWR.4040113"])
def test_prune_removes_records_of_repository_that_is_gone(
    transport: TransportRunner, simulator: Simulator, code: str
) -> None:
    newest, *_ = daily(simulator, 3)
    absent(simulator, code)

    pruned(transport, simulator)

    assert active(simulator) == {newest}
