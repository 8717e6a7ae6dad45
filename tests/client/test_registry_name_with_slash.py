"""Images whose name contains a slash, and whose record shows no registry: the organization resembles one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_modelarts.client.image_address import ImageAddress
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.registry import registry_address
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.client.prune_runs import prune
from tests.snapshots import daily
from tests.transports import TransportRunner


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"namespace": "team", "name": "a/b", "tag": "v1"}, ("", "team/a/b", "v1")),
        ({"namespace": "team", "name": "a/b/c", "tag": "v1"}, ("", "team/a/b/c", "v1")),
        ({"swr_path": "team/a/b:v1", "namespace": "team", "name": "a/b"}, ("", "team/a/b", "v1")),
        ({"swr_path": "team/a/b", "namespace": "team", "name": "a/b", "tag": "v1"}, ("", "team/a/b", "v1")),
        ({"swr_path": "host/team/a:v1", "namespace": "team", "name": "a"}, ("host", "team/a", "v1")),
        ({"swr_path": "swr.x/t/n:v1", "namespace": "team", "name": "a"}, ("swr.x", "t/n", "v1")),
        ({"swr_path": "team/a:v1", "name": "team/a"}, ("", "team/a", "v1")),
    ],
)
def test_registry_address_has_whole_name(record: dict[str, Any], expected: tuple[str, str, str]) -> None:
    assert registry_address(Image.model_validate({"id": "i", **record})) == ImageAddress(*expected)


@pytest.mark.parametrize(
    "record",
    [{"namespace": "team"}, {"name": "a/b"}, {"namespace": "team", "name": "a//b"}, {"swr_path": "a"}],
    ids=str,
)
def test_registry_address_is_unknown_without_organization_or_name(record: dict[str, Any]) -> None:
    assert registry_address(Image.model_validate({"id": "i", "tag": "v1", **record})) is None


@pytest.mark.parametrize("swr_path", [None, "team/research/gpu:{tag}"], ids=["no address", "no registry"])
def test_prune_deletes_no_tag_of_another_organization(
    transport: TransportRunner, simulator: Simulator, swr_path: str | None
) -> None:
    """The repository ``gpu`` of the organization ``research`` has tags of the same names."""
    _, old = daily(simulator, 2, name="research/gpu")
    images = [
        image | {"swr_path": swr_path and swr_path.format(tag=image["tag"])} for image in simulator.images
    ]
    for image in images:
        simulator.registry.push(f"{simulator.registry.host}/research/gpu:{image['tag']}")
    body = json.dumps({"data": images, "total": len(images)})
    simulator.inject(Fault("document", "ListImages", times=None, body=body))
    own, other = (
        set(simulator.registry.tags(*path)) for path in (("team", "research/gpu"), ("research", "gpu"))
    )
    assert own == other == {"v0", "v1"}

    result = prune(transport, simulator)

    assert [image.image.id for image in result.deleted] == [old]
    assert set(simulator.registry.tags("team", "research/gpu")) == {"v0"}
    assert set(simulator.registry.tags("research", "gpu")) == {"v0", "v1"}
    assert all("gpu" not in entry.path.split("/") for entry in simulator.journal)
