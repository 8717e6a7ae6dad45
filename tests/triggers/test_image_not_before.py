"""``not_before``: Retry-After of the poll before the deferral, and what the trigger serializes of it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from airflow_provider_modelarts.client import client
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import AfterReads, Fault, Simulator
from airflow_provider_modelarts.triggers.image import NotebookImageTrigger

IMAGE_ID = "4e0d1854-63e5-4517-b683-a0ee97a692a1"
OLD = {"image_id": IMAGE_ID, "modelarts_conn_id": "modelarts_default", "poll_interval": 1, "deadline": 0.0}


def trigger(**arguments: Any) -> NotebookImageTrigger:
    return NotebookImageTrigger(**{**OLD, "deadline": time.time() + 600, **arguments})


async def run(trigger: NotebookImageTrigger) -> dict[str, Any]:
    (event,) = [event.payload async for event in trigger.run()]
    return event  # type: ignore[no-any-return]


@pytest.fixture
def image_id(simulator: Simulator, connection: str) -> str:
    hook = ModelArtsHook(connection)
    return hook.create_image(simulator.notebook_id, name="research", namespace="team", tag="nightly").id


@pytest.mark.parametrize("arguments", [OLD, {**OLD, "passthrough": {"notebook_id": "n"}}])
def test_trigger_accepts_arguments_of_older_version(arguments: dict[str, Any]) -> None:
    stored = NotebookImageTrigger(**arguments).serialize()[1]

    assert (stored["not_before"], stored["since"]) == (None, None)
    assert arguments.items() <= stored.items()


def test_trigger_serializes_retry_after_date() -> None:
    stored = json.loads(json.dumps(trigger(not_before=7.5, since=3.5).serialize()[1]))

    assert (stored["not_before"], stored["since"]) == (7.5, 3.5)
    assert NotebookImageTrigger(**stored).serialize()[1] == stored


@pytest.mark.parametrize("simulator", [AfterReads(1)], indirect=True, ids=["at once"])
def test_trigger_polls_no_sooner_than_retry_after_date(image_id: str, simulator: Simulator) -> None:
    not_before = time.time() + 0.7

    event = asyncio.run(run(trigger(image_id=image_id, not_before=not_before)))

    assert event["status"] == "success"
    assert time.time() >= not_before
    assert [entry.operation for entry in simulator.journal] == ["CreateImage", "ShowImage"]


def test_trigger_failure_names_image_and_wait(image_id: str, simulator: Simulator) -> None:
    simulator.inject(Fault("error", "ShowImage", status=403, code="ModelArts.0108"))

    event = asyncio.run(run(trigger(image_id=image_id, since=time.time() - 3600)))

    assert (event["status"], event["error"]) == ("failed", "PermissionDeniedError")
    began, _, cause = event["message"].partition(" s: ")
    assert began.startswith(f"Waiting for image {image_id} ended after 36")
    assert "ModelArts.0108" in cause


def test_trigger_failure_names_image_for_invalid_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps({"conn_type": "modelarts"}))

    event = asyncio.run(run(trigger(since=time.time() + 60)))

    assert event["message"].startswith(f"Waiting for image {IMAGE_ID} ended after 0 s: ")


def test_min_poll_interval_of_trigger_equals_that_of_sensor() -> None:
    from airflow_provider_modelarts.tasks import sensor

    assert sensor.MIN_INTERVAL == client.MIN_POLL_INTERVAL
