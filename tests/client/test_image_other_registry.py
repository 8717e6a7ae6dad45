"""An image whose registry is not the one that SWR shows, while SWR has a namesake of it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.clouds import HUAWEI_CLOUD
from airflow_provider_modelarts.client.image_changes import TaggedImage, tag_image
from airflow_provider_modelarts.client.image_verification import verify_image
from airflow_provider_modelarts.client.operations import show_image
from airflow_provider_modelarts.exceptions import RequestValidationError
from airflow_provider_modelarts.simulator import Simulator
from tests.snapshots import DAY, snapshot
from tests.transports import TransportRunner

ELSEWHERE = "images.example.com"
INTERNAL = "10.125.0.198:20202"


def saved_in(simulator: Simulator, registry: str) -> str:
    """Add a snapshot in a registry, with a namesake in SWR, and return its id."""
    simulator.registry.push(f"{simulator.registry.host}/team/research:v1", "layer")
    return snapshot(simulator, "v1", age=DAY, swr_path=f"{registry}/team/research:v1")


def test_tag_is_not_given_to_the_namesake(transport: TransportRunner, simulator: Simulator) -> None:
    image_id = saved_in(simulator, ELSEWHERE)
    before = simulator.swr_paths

    async def scenario(client: ModelArtsClient) -> TaggedImage:
        return await tag_image(client, HUAWEI_CLOUD, image_id, "stable")

    with pytest.raises(RequestValidationError, match=f"Enterprise registry, {ELSEWHERE}"):
        transport.run(simulator, scenario)
    assert simulator.swr_paths == before


def test_namesake_is_not_verified(
    transport: TransportRunner, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    image_id = saved_in(simulator, ELSEWHERE)

    async def scenario(client: ModelArtsClient) -> dict[str, Any]:
        return await verify_image(client, await client.call(show_image(image_id)))

    assert transport.run(simulator, scenario) == {}
    assert f"{ELSEWHERE}/team/research:v1 is in an Enterprise registry" in caplog.text


def test_image_at_an_internal_address_is_tagged_and_verified(
    transport: TransportRunner, simulator: Simulator
) -> None:
    """Inside of the cloud, an address names no domain."""
    image_id = saved_in(simulator, INTERNAL)

    async def scenario(client: ModelArtsClient) -> tuple[TaggedImage, dict[str, Any]]:
        tagged = await tag_image(client, HUAWEI_CLOUD, image_id, "stable")
        return tagged, await verify_image(client, await client.call(show_image(image_id)))

    tagged, verified = transport.run(simulator, scenario)
    assert tagged.content is not None
    assert tagged.content.digest == verified["digest"]
