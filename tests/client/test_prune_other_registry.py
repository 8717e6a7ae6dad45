"""Deletions of images whose registry is not the one that the connection's SWR shows, by whatever domain."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.image_address import parse_address
from airflow_provider_modelarts.client.image_removal import Removal, remove_image
from airflow_provider_modelarts.client.registry import RegistryTag
from airflow_provider_modelarts.simulator import Simulator
from tests.client.prune_runs import prune, rules
from tests.snapshots import DAY, active, snapshot
from tests.transports import TransportRunner

ELSEWHERE = "images.example.com"
INTERNAL = "10.125.0.198:20202"
OTHER_INTERNAL = "10.125.0.199:20202"


def saved_in(simulator: Simulator, registry: str) -> list[str]:
    """Add snapshots in a registry, whose namesakes in SWR may be other images; return them newest first."""
    images = []
    for number in range(3):
        tag = f"v{number}"
        simulator.registry.push(f"{simulator.registry.host}/team/research:{tag}", f"layer {number}")
        swr_path = f"{registry}/team/research:{tag}".lstrip("/")
        images.append(snapshot(simulator, tag, age=(number + 2) * DAY, swr_path=swr_path))
    return images


def remove(transport: TransportRunner, simulator: Simulator, image_id: str) -> Removal:
    async def scenario(client: ModelArtsClient) -> Removal:
        return await remove_image(client, image_id, workspace_id="0", delete_swr_image=True)

    return transport.run(simulator, scenario)


@pytest.mark.parametrize("mode", ["delete", "unregister"])
def test_prune_keeps_images_of_another_registry(
    transport: TransportRunner, simulator: Simulator, mode: str
) -> None:
    images = saved_in(simulator, ELSEWHERE)
    before = simulator.swr_paths

    result = prune(transport, simulator, rules(mode))

    assert (active(simulator), simulator.swr_paths) == (set(images), before)
    assert result.deleted == []
    assert f"its registry {ELSEWHERE} is not the one whose tags SWR shows" in result.kept[-1].reasons[-1]


def test_prune_keeps_image_of_another_registry_whose_tag_swr_does_not_have(
    transport: TransportRunner, simulator: Simulator
) -> None:
    """Its tag is not gone: it is where nobody has read."""
    here = simulator.registry.host
    simulator.registry.push(f"{here}/team/research:other", "layer")
    images = [
        snapshot(simulator, f"v{n}", age=n * DAY, swr_path=f"{ELSEWHERE}/team/research:v{n}") for n in (2, 3)
    ]

    assert prune(transport, simulator).deleted == []
    assert active(simulator) == set(images)


@pytest.mark.parametrize("registry", ["", INTERNAL, OTHER_INTERNAL, "host", "host with port"])
def test_prune_removes_images_whatever_address_of_swr_they_have(
    registry: str, transport: TransportRunner, simulator: Simulator
) -> None:
    here = simulator.registry.host
    host = {"host": here, "host with port": f"{here}:443"}.get(registry, registry)
    newest, *_ = saved_in(simulator, host)

    prune(transport, simulator)

    assert active(simulator) == {newest}


def test_remove_image_of_another_registry_leaves_tag_of_its_namesake(
    transport: TransportRunner, simulator: Simulator
) -> None:
    _, old, _ = saved_in(simulator, ELSEWHERE)
    namesake = f"{simulator.registry.host}/team/research:v1"

    removal = remove(transport, simulator, old)

    assert removal.is_changed
    assert old not in active(simulator)
    assert namesake in simulator.swr_paths


@pytest.mark.parametrize(
    ("registry", "path", "internal_path", "is_elsewhere"),
    [
        ("swr.a.com", "swr.a.com/o/n:t", None, False),
        ("SWR.a.com", "swr.A.com/o/n:t", None, False),
        ("10.0.0.1:20202", "swr.a.com/o/n:t", "10.0.0.1:20202/o/n:t", False),
        ("images.b.com", "swr.a.com/o/n:t", "10.0.0.1:20202/o/n:t", True),
        ("10.0.0.2:20202", "swr.a.com/o/n:t", "10.0.0.1:20202/o/n:t", False),
        ("swr.a.com:443", "swr.a.com/o/n:t", None, False),
        ("swr.a.com", "swr.a.com:443/o/n:t", None, False),
        ("images.b.com", None, "10.0.0.1:20202/o/n:t", False),
        ("images.b.com", None, None, False),
        ("images.b.com", "o/n:t", None, False),
        ("images.b.com", "o/n/with/slash:t", None, False),
        ("o", "swr.a.com/o/n/with/slash:t", None, False),
    ],
)
def test_address_is_elsewhere_only_if_both_registries_are_known(
    registry: str, path: str | None, internal_path: str | None, is_elsewhere: bool
) -> None:
    tag = RegistryTag.model_validate({"Tag": "t", "path": path, "internal_path": internal_path})
    address = parse_address(f"{registry}/o/n:t")
    assert address is not None
    assert address.is_elsewhere(tag.domains) is is_elsewhere
