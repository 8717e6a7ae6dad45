"""A prune on a machine whose clock is wrong: no image gets older than it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.prune import Prune, PruneResult
from airflow_provider_modelarts.client.prune_rules import PruneRules, Scope
from airflow_provider_modelarts.client.retention import Policy
from airflow_provider_modelarts.simulator import Simulator
from tests.snapshots import DAY, active, snapshot
from tests.transports import TransportRunner

TOKEN: dict[str, Any] = {"login": "snapshot-user", "password": "simulator-password"}
"""Keys are refused where the clocks differ by more than a quarter of an hour, a token is not."""
EXTRA = {"auth": "password", "domain_name": "research-account"}


def prune(transport: TransportRunner, simulator: Simulator, clock_skew: timedelta) -> PruneResult:
    async def scenario(client: ModelArtsClient) -> PruneResult:
        rules = PruneRules(Scope.of(all_of_project=True), Policy(keep_last=1), "delete")
        return await Prune(client, rules, workspace_id="0").run()

    skew: Any = clock_skew.total_seconds()
    return transport.run(simulator, scenario, clock_skew=skew, extra=EXTRA, **TOKEN)


@pytest.mark.parametrize("ahead", [timedelta(0), 3 * DAY, -3 * DAY], ids=["right", "ahead", "behind"])
def test_prune_keeps_image_below_min_age_whatever_the_clock_of_the_machine(
    transport: TransportRunner, simulator: Simulator, ahead: timedelta
) -> None:
    newest = snapshot(simulator, "new", age=timedelta(hours=1))
    young = snapshot(simulator, "young", age=timedelta(hours=12))
    old = snapshot(simulator, "old", age=2 * DAY)

    result = prune(transport, simulator, ahead)

    # By a clock that is three days behind, all of them are of the future.
    gone = [] if ahead < timedelta(0) else [old]
    assert [image.image.id for image in result.deleted] == gone
    assert active(simulator) == {newest, young, old} - set(gone)


def test_prune_warns_of_clock_that_is_ahead(
    transport: TransportRunner, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    prune(transport, simulator, timedelta(hours=1))
    assert "s ahead of ModelArts, whose time is used" in caplog.text
    caplog.clear()
    prune(transport, simulator, timedelta(minutes=4))
    assert "ahead of ModelArts" not in caplog.text
