"""The workspace of an image, from the task to the list that its trigger reads."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import parse_qs

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.sensors.image import NotebookImageSensor
from airflow_provider_modelarts.simulator import Fault, Simulator
from airflow_provider_modelarts.triggers.image import NotebookImageTrigger
from tests import virtual_loop
from tests.recorder import TaskInstance, context

pytestmark = pytest.mark.usefixtures("connection")

SAVE: dict[str, Any] = {
    "name": "research",
    "namespace": "team",
    "wait_for_completion": True,
    "deferrable": True,
}


def deferred(task: Any) -> dict[str, Any]:
    """Return the arguments of the trigger to which a task defers."""
    with pytest.raises(TaskDeferred) as raised:
        task.execute(context(TaskInstance()))
    arguments: dict[str, Any] = raised.value.trigger.serialize()[1]
    return arguments


@pytest.mark.parametrize("workspace_id", ["w2", None])
@pytest.mark.parametrize("poll", ["succeeds", "fails"])
def test_operator_defers_with_the_workspace_of_its_save(
    workspace_id: str | None, poll: str, simulator: Simulator
) -> None:
    if poll == "fails":
        simulator.inject(Fault("error", "ShowImage", status=503))
    given: dict[str, Any] = {"workspace_id": workspace_id} if workspace_id else {}

    save = CreateNotebookImageOperator(task_id="s", notebook_id=simulator.notebook_id, **given, **SAVE)

    assert deferred(save)["workspace_id"] == (workspace_id or "0")


def test_sensor_defers_with_the_workspace_of_the_image(simulator: Simulator) -> None:
    image_id = simulator.add_image(name="n", status="CREATING", workspace_id="w2")

    assert (
        deferred(NotebookImageSensor(task_id="w", image_id=image_id, deferrable=True))["workspace_id"] == "w2"
    )


def test_sensor_defers_without_a_workspace_after_a_failed_poll(simulator: Simulator) -> None:
    simulator.inject(Fault("error", "ShowImage", status=503))

    arguments = deferred(NotebookImageSensor(task_id="w", image_id="i", deferrable=True))

    assert arguments["workspace_id"] is None


@pytest.mark.parametrize(
    ("arguments", "connected", "workspace_id"),
    [
        pytest.param({"workspace_id": "w2"}, {}, "w2", id="named"),
        pytest.param(
            {"workspace_id": "w2"}, {"workspace_id": "w3"}, "w2", id="named before the connection's"
        ),
        pytest.param({}, {"workspace_id": "w3"}, "w3", id="an older trigger: the connection's"),
        pytest.param({"workspace_id": None}, {}, "0", id="neither"),
        pytest.param({"workspace_id": " "}, {}, "0", id="blank"),
    ],
)
def test_trigger_reads_the_list_of_its_workspace(
    arguments: dict[str, Any],
    connected: dict[str, Any],
    workspace_id: str,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = {**simulator.connection, "extra": {**simulator.connection["extra"], **connected}}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(given))
    ids = [simulator.add_image(name=f"n{n}", status="ACTIVE", workspace_id=workspace_id) for n in range(2)]

    async def run(image_id: str) -> dict[str, Any]:
        trigger = NotebookImageTrigger(
            image_id=image_id,
            modelarts_conn_id="modelarts_default",
            poll_interval=10,
            deadline=time.time() + 600,
            **arguments,
        )
        (event,) = [event.payload async for event in trigger.run()]
        return event  # type: ignore[no-any-return]

    async def both() -> list[dict[str, Any]]:
        return await asyncio.gather(*map(run, ids))

    assert {event["image"]["workspace_id"] for event in virtual_loop.run(both())} == {workspace_id}
    (entry,) = simulator.journal
    assert entry.operation == "ListImages"
    assert parse_qs(entry.query)["workspace_id"] == [workspace_id]
