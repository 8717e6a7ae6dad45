"""A failed save whose tag another image has in SWR: a retry never takes the tag away from that image."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.idempotent_create import IdempotentCreate
from airflow_provider_modelarts.client.marker import IdempotencyKey
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.simulator import Simulator
from tests.transports import TransportRunner

NAMED: dict[str, Any] = {"name": "research", "namespace": "team", "tag": "nightly"}
KEY = IdempotencyKey("nightly", "save", "run", -1)


def retry(simulator: Simulator, transport: TransportRunner) -> tuple[Image, bool]:
    """Save as the next try does."""

    async def scenario(modelarts: ModelArtsClient) -> tuple[Image, bool]:
        cloud = CLOUDS["huaweicloud"]
        return await IdempotentCreate(modelarts, cloud, simulator.notebook_id, KEY, **NAMED).save(
            check_existing=True
        )

    return transport.run(simulator, scenario)


def add_failed(simulator: Simulator) -> str:
    description = KEY.append_to(None, simulator.notebook_id)
    return simulator.add_image(**NAMED, description=description, status="CREATE_FAILED")


@pytest.mark.parametrize("workspace_id", ["0", "1a2b"], ids=["same workspace", "another workspace"])
def test_tag_of_image_saved_after_failed_image_is_kept(
    workspace_id: str, simulator: Simulator, transport: TransportRunner
) -> None:
    """As when somebody saves the notebook by hand after the task failed."""
    add_failed(simulator)
    theirs = simulator.add_image(**NAMED, workspace_id=workspace_id)
    with pytest.raises(ModelArtsError, match="'nightly'"):
        retry(simulator, transport)
    assert "nightly" in simulator.registry.tags("team", "research")
    assert [image["status"] for image in simulator.images if image["id"] == theirs] == ["ACTIVE"]


def test_tag_without_record_is_kept_when_failed_image_is_removed(
    simulator: Simulator, transport: TransportRunner
) -> None:
    """Somebody may have pushed it, or another project has saved it."""
    failed = add_failed(simulator)
    path = next(image["swr_path"] for image in simulator.images if image["id"] == failed)
    simulator.registry.push(path, "a layer")
    saved, adopted = retry(simulator, transport)
    assert (saved.tag, adopted) == ("nightly", False)
    assert "nightly" in simulator.registry.tags("team", "research")
    assert [e.operation for e in simulator.journal].count("DeleteImage") == 1
