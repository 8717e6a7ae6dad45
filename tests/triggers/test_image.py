"""The trigger, run as the triggerer runs it."""

from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.triggers.base import TriggerEvent

from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import AfterReads, Fault, Simulator
from airflow_provider_modelarts.triggers import image
from airflow_provider_modelarts.triggers.image import NotebookImageTrigger

pytestmark = pytest.mark.usefixtures("quick_polls")

CARRY = {"notebook_id": "n", "adopted": False}


def trigger(
    image_id: str, *, timeout: float = 60, poll_interval: float = 0.05, **arguments: Any
) -> NotebookImageTrigger:
    return NotebookImageTrigger(
        image_id=image_id,
        modelarts_conn_id="modelarts_default",
        poll_interval=poll_interval,
        deadline=time.time() + timeout,
        **arguments,
    )


async def payloads(trigger: NotebookImageTrigger) -> list[dict[str, Any]]:
    events: list[TriggerEvent] = [event async for event in trigger.run()]
    return [event.payload for event in events]


@pytest.fixture
def image_id(simulator: Simulator, connection: str) -> str:
    """An image that is being saved."""
    hook = ModelArtsHook(connection)
    return hook.create_image(simulator.notebook_id, name="research", namespace="team", tag="nightly").id


def test_a_wait_ends_with_one_event(image_id: str, simulator: Simulator) -> None:
    """It holds all that the task hands on, and what the task gave along."""
    (event,) = asyncio.run(payloads(trigger(image_id, passthrough=CARRY)))

    (image,) = simulator.images
    assert event["status"] == "success"
    assert event["passthrough"] == CARRY
    assert (event["image"]["image_id"], event["image"]["swr_path"]) == (image["id"], image["swr_path"])
    assert json.loads(json.dumps(event)) == event


def test_a_failed_image_is_an_event_too(image_id: str, simulator: Simulator) -> None:
    """With its reason; the task raises it."""
    simulator.set_image_status(image_id, "CREATE_FAILED", "disk full")

    (event,) = asyncio.run(payloads(trigger(image_id)))

    assert (event["status"], event["error"]) == ("failed", "ImageFailedError")
    assert "disk full" in event["message"]


@pytest.mark.parametrize("timeout", [0.2, -3600], ids=["soon", "long ago"])
def test_a_deadline_is_an_event_after_a_last_look(
    timeout: float, image_id: str, simulator: Simulator
) -> None:
    """Also when the triggerer was away while it passed."""
    (event,) = asyncio.run(payloads(trigger(image_id, timeout=timeout, poll_interval=60)))

    assert (event["status"], event["error"]) == ("timeout", "WaitTimeoutError")
    looks = [entry for entry in simulator.journal if entry.operation == "ShowImage"]
    # The first look comes after a random part of the interval, which may be before this deadline.
    assert 1 <= len(looks) <= 2


@pytest.mark.parametrize("simulator", [AfterReads(1)], indirect=True)
def test_an_image_that_was_saved_while_nobody_looked_is_a_success(image_id: str) -> None:
    """Although the deadline is over."""
    (event,) = asyncio.run(payloads(trigger(image_id, timeout=-3600)))

    assert event["status"] == "success"


def test_a_refused_look_is_an_event_at_once(image_id: str, simulator: Simulator) -> None:
    """Once, and not a thousand times a second."""
    simulator.inject(Fault("error", "ShowImage", times=None, status=403, code="ModelArts.0108"))

    (event,) = asyncio.run(payloads(trigger(image_id)))

    assert (event["status"], event["error"]) == ("failed", "PermissionDeniedError")
    assert len(simulator.journal) == 2


def test_a_connection_that_cannot_be_used_is_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names what is missing."""
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps({"conn_type": "modelarts"}))

    (event,) = asyncio.run(payloads(trigger("i")))

    assert event["error"] == "InvalidConnectionError"
    assert "extra region is missing" in event["message"]


@pytest.mark.parametrize("simulator", [AfterReads(1)], indirect=True)
def test_an_end_is_not_told_before_airflow_can_take_it(
    image_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that goes on while the worker that deferred it is still there has failed, to Airflow."""
    monkeypatch.setattr(image, "MIN_WAIT_BEFORE_EVENT", 0.5)

    began = time.monotonic()
    (event,) = asyncio.run(payloads(of_a_task(trigger(image_id, timeout=0))))

    assert event["status"] == "success"
    assert time.monotonic() - began >= 0.5


def test_another_triggerer_can_go_on(image_id: str) -> None:
    """From what is stored, through Airflow's own encoder."""
    from airflow.sdk.serde import deserialize, serialize

    path, arguments = trigger(image_id, passthrough=CARRY).serialize()
    stored = deserialize(json.loads(json.dumps(serialize(arguments))))

    assert path == "airflow_provider_modelarts.triggers.image.NotebookImageTrigger"
    assert stored == arguments
    (event,) = asyncio.run(payloads(NotebookImageTrigger(**stored)))
    assert event["status"] == "success"


def test_a_trigger_that_runs_twice_does_no_harm(image_id: str, simulator: Simulator) -> None:
    """As it may when a triggerer was thought dead."""

    async def both() -> list[list[dict[str, Any]]]:
        return await asyncio.gather(*[payloads(trigger(image_id)) for _ in range(2)])

    (one,), (two,) = asyncio.run(both())

    assert one["status"] == two["status"] == "success"
    assert simulator.saves == 1


@pytest.mark.parametrize("simulator", [AfterReads(2)], indirect=True, ids=["two looks each"])
@pytest.mark.usefixtures("connection")
def test_200_waits_share_a_handful_of_connections(simulator: Simulator) -> None:
    """One request a look; not a connection a wait, let alone a look."""
    hook = ModelArtsHook()
    ids = []
    for n in range(200):
        notebook_id = simulator.add_notebook(name=f"n{n}")
        ids.append(hook.create_image(notebook_id, name=f"n{n}", namespace="team", tag="nightly").id)
    before = simulator.connections

    async def all_of_them() -> list[list[dict[str, Any]]]:
        return await asyncio.gather(*(payloads(trigger(image_id)) for image_id in ids))

    events = asyncio.run(all_of_them())

    looks = [entry for entry in simulator.journal if entry.operation == "ShowImage"]
    assert {event["status"] for (event,) in events} == {"success"}
    assert sorted(event["image"]["image_id"] for (event,) in events) == sorted(ids)
    assert len(looks) == 2 * 200
    assert simulator.connections - before <= 8
    assert len({entry.client for entry in looks}) <= 8


def test_a_cancelled_wait_leaves_nothing_behind(image_id: str, simulator: Simulator) -> None:
    """A triggerer that stops cancels its triggers; the save goes on."""

    async def start_and_stop() -> int:
        running = asyncio.create_task(payloads(trigger(image_id, timeout=600)))
        while len(simulator.journal) < 2 and not running.done():
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return len(asyncio.all_tasks()) - 1

    assert asyncio.run(start_and_stop()) == 0
    assert simulator.saves == 1


@pytest.mark.parametrize(
    ("state", "is_said"),
    [
        pytest.param("failed", True, id="marked failed"),
        pytest.param("success", True, id="marked success"),
        pytest.param("removed", True, id="removed"),
        pytest.param("deferred", False, id="only moved to another triggerer, or cleared and deferred again"),
    ],
)
@pytest.mark.parametrize("map_index", [-1, 3])
def test_a_user_who_ends_the_task_is_told_what_goes_on(
    state: str,
    is_said: bool,
    map_index: int,
    image_id: str,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Airflow 3.3 calls it; nothing remote is touched."""
    asked = answer_task_states(monkeypatch, {"night": {"wait" if map_index < 0 else "wait_3": state}})
    ended = of_a_task(trigger(image_id), map_index)
    before = len(simulator.journal)

    asyncio.run(ended.on_kill())

    (question,) = asked
    assert question == {
        "dag_id": "nightly",
        "run_ids": ["night"],
        "task_ids": ["wait"],
        "map_index": map_index,
    }
    assert (f"cannot cancel a save; it continues as image {image_id}" in capsys.readouterr().out) is is_said
    assert len(simulator.journal) == before


def test_a_state_that_cannot_be_read_is_no_reason_to_be_silent(
    image_id: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor to fail: Airflow is ending the task already."""
    answer_task_states(monkeypatch, RuntimeError("the supervisor is away"))
    ended = of_a_task(trigger(image_id))

    asyncio.run(ended.on_kill())

    assert "cannot cancel a save" in capsys.readouterr().out


def test_cleaning_up_touches_nothing_remote(image_id: str, simulator: Simulator) -> None:
    """A triggerer that stops, or hands its waits over, cleans up each of them."""
    before = list(simulator.images)

    async def stop() -> None:
        moved = trigger(image_id)
        running = asyncio.create_task(payloads(moved))
        while len(simulator.journal) < 2 and not running.done():
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await moved.cleanup()

    asyncio.run(stop())

    assert {entry.method for entry in simulator.journal[1:]} == {"GET"}
    assert [image["id"] for image in simulator.images] == [image["id"] for image in before]


def of_a_task(trigger: NotebookImageTrigger, map_index: int = -1) -> NotebookImageTrigger:
    """Give a trigger its task, as the triggerer does."""
    task: Any = SimpleNamespace(dag_id="nightly", task_id="wait", run_id="night", map_index=map_index)
    trigger.task_instance = task
    return trigger


def answer_task_states(
    monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any] | Exception
) -> list[dict[str, Any]]:
    """Answer in place of Airflow's supervisor, and keep what was asked."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    asked: list[dict[str, Any]] = []

    def get_task_states(**question: Any) -> dict[str, Any]:
        asked.append(question)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", get_task_states)
    return asked
