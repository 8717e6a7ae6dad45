"""A prune of a whole project through a transport, which keeps the newest image of each group."""

from __future__ import annotations

from typing import Any

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.prune import Prune, PruneResult
from airflow_provider_modelarts.client.prune_rules import PruneRules, Scope
from airflow_provider_modelarts.client.retention import Policy
from airflow_provider_modelarts.simulator import Simulator
from tests.transports import TransportRunner


def rules(mode: Any = "delete", **given: Any) -> PruneRules:
    """Return the rules of a prune that keeps the newest image."""
    return PruneRules(Scope.of(all_of_project=True), Policy(keep_last=1), mode, **given)


def prune(
    transport: TransportRunner,
    simulator: Simulator,
    given: PruneRules | None = None,
    *,
    workspace_id: str = "0",
    extra: dict[str, Any] | None = None,
    **arguments: Any,
) -> PruneResult:
    """Prune a simulator's project, by default with deletions; the arguments are those of the prune."""

    async def scenario(client: ModelArtsClient) -> PruneResult:
        return await Prune(client, given or rules(), workspace_id=workspace_id, **arguments).run()

    return transport.run(simulator, scenario, extra=extra)
