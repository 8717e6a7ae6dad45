"""A deletion of one image that must not take the content of another one, or of a save that goes on."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.image_removal import Removal, remove_image
from airflow_provider_modelarts.exceptions import PERMANENT, ModelArtsError, ServerError
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.snapshots import DAY, active, snapshot
from tests.transports import TransportRunner


def remove(transport: TransportRunner, simulator: Simulator, image_id: str, **given: Any) -> Removal:
    async def scenario(client: ModelArtsClient) -> Removal:
        return await remove_image(
            client, image_id, **{"workspace_id": "0", "delete_swr_image": True, **given}
        )

    return transport.run(simulator, scenario)


def path_of(simulator: Simulator, image_id: str) -> str:
    return next(str(image["swr_path"]) for image in simulator.images if image["id"] == image_id)


def sent(simulator: Simulator) -> list[str]:
    return [entry.operation for entry in simulator.journal if entry.method != "GET"]


@pytest.mark.parametrize("status", ["CREATE_FAILED", "ERROR", "ACTIVE"])
@pytest.mark.parametrize("workspace", [None, "w1"])
def test_delete_leaves_tag_that_another_image_has(
    transport: TransportRunner,
    simulator: Simulator,
    caplog: pytest.LogCaptureFixture,
    status: str,
    workspace: str | None,
) -> None:
    """A save that failed was repeated with the same tag, and its record is cleared away."""
    given = {} if workspace is None else {"workspace_id": workspace}
    other = snapshot(simulator, "v1", age=DAY, **given)
    image_id = snapshot(simulator, "v1", age=2 * DAY, status=status, **given)
    path = path_of(simulator, other)
    stored: list[Any] = []

    removal = remove(transport, simulator, image_id, store=stored.extend)

    assert removal == Removal(path, is_changed=True)
    assert image_id not in {image["id"] for image in simulator.images if image["status"] != "DELETED"}
    assert other in active(simulator)
    assert path in simulator.swr_paths
    why = "and has no content: a tag" if status == "CREATE_FAILED" else f"stays: image {other} has it too"
    assert why in caplog.text

    assert remove(transport, simulator, image_id, earlier=stored) == Removal(path, is_changed=False)
    assert path in simulator.swr_paths


@pytest.mark.parametrize("deletes_tag", [True, False])
def test_delete_removes_record_of_failed_save_whose_repetition_is_in_use(
    transport: TransportRunner, simulator: Simulator, deletes_tag: bool
) -> None:
    """It is at the same address, which is no use of the failed record."""
    other = snapshot(simulator, "v1", age=DAY)
    simulator.add_notebook(image_id=other, status="STOPPED")
    image_id = snapshot(simulator, "v1", age=2 * DAY, status="CREATE_FAILED")

    assert remove(transport, simulator, image_id, delete_swr_image=deletes_tag).is_changed

    assert path_of(simulator, other) in simulator.swr_paths


def test_delete_removes_record_of_failed_save_in_organization_without_images(
    transport: TransportRunner, simulator: Simulator
) -> None:
    image_id = snapshot(simulator, "v1", age=DAY, status="CREATE_FAILED", namespace="nothing")
    assert remove(transport, simulator, image_id).is_changed


@pytest.mark.parametrize("other", [{"tag": "v2"}, {"name": "vision"}, {"status": "CREATE_FAILED"}], ids=str)
def test_delete_removes_tag_that_no_other_image_has(
    transport: TransportRunner, simulator: Simulator, other: dict[str, Any]
) -> None:
    image_id = snapshot(simulator, "v1", age=DAY)
    path = path_of(simulator, image_id)
    snapshot(simulator, **{"tag": "v1", "age": 2 * DAY, **other})

    remove(transport, simulator, image_id)

    assert path not in simulator.swr_paths


def test_delete_sends_nothing_if_other_images_cannot_be_listed(
    transport: TransportRunner, simulator: Simulator
) -> None:
    image_id = snapshot(simulator, "v1", age=DAY)
    simulator.inject(Fault("error", "ListImages", status=500, times=None))

    with pytest.raises(ServerError):
        remove(transport, simulator, image_id)

    assert sent(simulator) == []


@pytest.mark.parametrize("status", ["INIT", "CREATING"])
def test_delete_refuses_image_that_is_being_saved(
    transport: TransportRunner, simulator: Simulator, status: str
) -> None:
    """When it is ACTIVE its notebook runs it, so that the retry is refused; it goes if the save fails."""
    image_id = snapshot(simulator, "v1", age=DAY, status=status)

    with pytest.raises(ModelArtsError, match=f"{image_id} is {status}: nothing was sent") as raised:
        remove(transport, simulator, image_id)

    assert not isinstance(raised.value, PERMANENT)
    assert sent(simulator) == []
    simulator.set_image_status(image_id, "CREATE_FAILED")
    assert remove(transport, simulator, image_id).is_changed
