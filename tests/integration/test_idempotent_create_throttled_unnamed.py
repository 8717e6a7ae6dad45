"""Saves without a name that were refused as throttled, but took effect, while the list does not show them."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.idempotent_create import IdempotentCreate
from airflow_provider_modelarts.client.marker import IdempotencyKey
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.simulator import AfterSeconds, Fault, Simulator
from tests.transports import TransportRunner

KEY = IdempotencyKey("nightly", "save", "run", -1)


def save(transport: TransportRunner, simulator: Simulator) -> tuple[Image, bool]:
    async def scenario(client: ModelArtsClient) -> tuple[Image, bool]:
        creation = IdempotentCreate(client, CLOUDS["otc"], simulator.notebook_id, KEY)
        return await creation.save(check_existing=False)

    return transport.run(simulator, scenario)


def denied(operation: str) -> Fault:
    return Fault("error", operation, status=403, code="ModelArts.0108", times=None)


@pytest.mark.parametrize("list_lag", [0, 120], ids=["no permission to list", "list lags"])
def test_save_without_name_is_found_by_the_image_that_its_notebook_runs(
    list_lag: float, transport: TransportRunner
) -> None:
    """The throttled request took effect, and its save is over before the next one is sent."""
    with Simulator(cloud="otc", save=AfterSeconds(1), list_lag=list_lag) as simulator:
        simulator.inject(Fault("throttle", "CreateImage", takes_effect=True, retry_after=10))
        if not list_lag:
            simulator.inject(denied("ListImages"))

        image, is_adopted = save(transport, simulator)

        assert (image.id, is_adopted) == (simulator.images[0]["id"], False)
        assert simulator.saves == 1


@pytest.mark.parametrize("operation", ["ListImages", "ShowNotebook"])
def test_save_without_name_is_sent_again_although_a_check_is_denied(
    operation: str, transport: TransportRunner
) -> None:
    with Simulator(cloud="otc", save=AfterSeconds(1)) as simulator:
        simulator.inject(Fault("throttle", "CreateImage", retry_after=10))
        simulator.inject(denied(operation))

        _, is_adopted = save(transport, simulator)

        assert (simulator.saves, is_adopted) == (1, False)
