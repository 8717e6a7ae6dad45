"""Tries of a task whose create-image was refused as throttled, but took effect, while lists lag."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.idempotent_create import IdempotentCreate
from airflow_provider_modelarts.client.marker import IdempotencyKey
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import PERMANENT, ModelArtsError
from airflow_provider_modelarts.simulator import AfterSeconds, Fault, Simulator
from tests.transports import TransportRunner

THROTTLED = Fault("throttle", "CreateImage", takes_effect=True, retry_after=10)
KEY = IdempotencyKey("nightly", "save", "run", -1)


def save(transport: TransportRunner, simulator: Simulator, *, is_retry: bool) -> tuple[Image, bool]:
    async def scenario(client: ModelArtsClient) -> tuple[Image, bool]:
        creation = IdempotentCreate(
            client, CLOUDS["huaweicloud"], simulator.notebook_id, KEY, name="research", namespace="team"
        )
        return await creation.save(check_existing=is_retry)

    return transport.run(simulator, scenario)


@pytest.mark.parametrize("duration", [1, 3600], ids=["save is over", "save runs"])
def test_tries_save_once_although_throttled_request_took_effect(
    duration: float, transport: TransportRunner
) -> None:
    """Whether the next request finds the tag in use or the notebook busy."""
    with Simulator(save=AfterSeconds(duration), list_lag=120) as simulator:
        simulator.inject(THROTTLED)
        for is_retry in (False, True):
            with pytest.raises(ModelArtsError) as caught:
                save(transport, simulator, is_retry=is_retry)
            assert not isinstance(caught.value, PERMANENT)
        simulator.advance(120)

        image, is_adopted = save(transport, simulator, is_retry=True)

        assert (image.id, is_adopted) == (simulator.images[0]["id"], True)
        assert simulator.saves == 1
