"""A new tag that is the tag of another image: moving it would take that image's content."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.image_changes import TaggedImage, tag_image
from airflow_provider_modelarts.exceptions import PERMANENT, ServerError, TagConflictError
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.snapshots import DAY, OTHER, snapshot
from tests.transports import TransportRunner


def tag(
    transport: TransportRunner, simulator: Simulator, image_id: str, *, override: bool = True
) -> TaggedImage:
    async def scenario(client: ModelArtsClient) -> TaggedImage:
        return await tag_image(client, CLOUDS["huaweicloud"], image_id, "v1", override=override)

    return transport.run(simulator, scenario)


def sent(simulator: Simulator) -> list[str]:
    return [entry.operation for entry in simulator.journal if entry.method != "GET"]


@pytest.mark.parametrize("override", [True, False])
@pytest.mark.parametrize("is_in_registry", [True, False])
@pytest.mark.parametrize("status", ["ACTIVE", "CREATING", "ERROR"])
def test_tag_of_another_snapshot_is_not_moved(
    transport: TransportRunner, simulator: Simulator, status: str, is_in_registry: bool, override: bool
) -> None:
    other = snapshot(simulator, "v1", age=DAY, notebook_id=OTHER, status=status)
    image_id = snapshot(simulator, "v2", age=DAY)
    path = f"{simulator.registry.host}/team/research:v1"
    simulator.registry.push(path, "what it contains")
    digest = simulator.registry.digest(path)
    if not is_in_registry:
        simulator.registry.delete(path)

    with pytest.raises(
        TagConflictError, match=f"{image_id} gets no tag 'v1': .* {other}, .* {OTHER}"
    ) as raised:
        tag(transport, simulator, image_id, override=override)

    assert isinstance(raised.value, PERMANENT)
    assert sent(simulator) == []
    assert not is_in_registry or simulator.registry.digest(path) == digest


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"description": "by hand"}, id="registered by hand"),
        pytest.param({"status": "CREATE_FAILED"}, id="of a save that failed"),
        pytest.param({"name": "vision"}, id="of another repository"),
        pytest.param({"namespace": "others"}, id="of another organization"),
    ],
)
def test_tag_that_no_other_snapshot_has_is_moved(
    transport: TransportRunner, simulator: Simulator, other: dict[str, str]
) -> None:
    simulator.registry.push(f"{simulator.registry.host}/team/research:v1", "what was promoted before")
    snapshot(simulator, "v1", age=DAY, **other)
    image_id = snapshot(simulator, "v2", age=DAY)

    tagged = tag(transport, simulator, image_id)

    tags = simulator.registry.tags("team", "research")
    assert tags["v1"]["digest"] == tags["v2"]["digest"] == (tagged.content and tagged.content.digest)


def test_image_gets_its_own_tag(transport: TransportRunner, simulator: Simulator) -> None:
    image_id = snapshot(simulator, "v1", age=DAY)
    assert tag(transport, simulator, image_id).image.id == image_id


def test_image_gets_no_tag_if_images_cannot_be_listed(
    transport: TransportRunner, simulator: Simulator
) -> None:
    image_id = snapshot(simulator, "v2", age=DAY)
    simulator.inject(Fault("error", "ListImages", status=500, times=None))

    with pytest.raises(ServerError):
        tag(transport, simulator, image_id)

    assert sent(simulator) == []
