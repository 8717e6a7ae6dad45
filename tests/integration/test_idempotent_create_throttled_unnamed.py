"""Saves without a name that were refused as throttled, but took effect."""

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


@pytest.mark.parametrize(
    ("list_lag", "is_denied"),
    [
        pytest.param(0, False, id="listed"),
        pytest.param(120, False, id="list lags"),
        pytest.param(0, True, id="no permission to list"),
    ],
)
def test_save_without_name_is_found_in_list_or_by_the_image_that_its_notebook_runs(
    list_lag: float, is_denied: bool, transport: TransportRunner
) -> None:
    """The save is over before create-image is sent again, and no tag conflict would prevent a second one."""
    with Simulator(cloud="otc", save=AfterSeconds(1), list_lag=list_lag) as simulator:
        simulator.inject(Fault("throttle", "CreateImage", takes_effect=True, retry_after=10))
        if is_denied:
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
