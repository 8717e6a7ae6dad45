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
from airflow_provider_modelarts.triggers import wait
from airflow_provider_modelarts.triggers.image import NotebookImageTrigger
from tests.airflow_versions import deserialized, serialized

pytestmark = pytest.mark.usefixtures("quick_polls")

PASSTHROUGH = {"notebook_id": "n", "adopted": False}


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


def test_trigger_yields_one_event_with_result_and_passthrough(image_id: str, simulator: Simulator) -> None:
    (event,) = asyncio.run(payloads(trigger(image_id, passthrough=PASSTHROUGH)))

    (image,) = simulator.images
    assert event["status"] == "success"
    assert event["passthrough"] == PASSTHROUGH
    assert (event["image"]["image_id"], event["image"]["swr_path"]) == (image["id"], image["swr_path"])
    assert json.loads(json.dumps(event)) == event


def test_trigger_yields_event_for_failed_image(image_id: str, simulator: Simulator) -> None:
    simulator.set_image_status(image_id, "CREATE_FAILED", "disk full")

    (event,) = asyncio.run(payloads(trigger(image_id)))

    assert (event["status"], event["error"]) == ("failed", "ImageFailedError")
    assert "disk full" in event["message"]


@pytest.mark.parametrize("timeout", [0.2, -3600], ids=["soon", "long ago"])
def test_trigger_yields_timeout_event_after_last_poll(
    timeout: float, image_id: str, simulator: Simulator
) -> None:
    """Also when the triggerer was down at the deadline."""
    (event,) = asyncio.run(payloads(trigger(image_id, timeout=timeout, poll_interval=60)))

    assert (event["status"], event["error"]) == ("timeout", "WaitTimeoutError")
    polls = [entry for entry in simulator.journal if entry.operation == "ShowImage"]
    # The first poll comes after a random part of the interval, which may be before this deadline.
    assert 1 <= len(polls) <= 2


@pytest.mark.parametrize("simulator", [AfterReads(1)], indirect=True)
def test_trigger_yields_success_for_image_saved_during_downtime(image_id: str) -> None:
    (event,) = asyncio.run(payloads(trigger(image_id, timeout=-3600)))

    assert event["status"] == "success"


def test_trigger_yields_event_at_once_for_refused_poll(image_id: str, simulator: Simulator) -> None:
    simulator.inject(Fault("error", "ShowImage", times=None, status=403, code="ModelArts.0108"))

    (event,) = asyncio.run(payloads(trigger(image_id)))

    assert (event["status"], event["error"]) == ("failed", "PermissionDeniedError")
    assert len(simulator.journal) == 2


def test_trigger_yields_event_for_invalid_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps({"conn_type": "modelarts"}))

    (event,) = asyncio.run(payloads(trigger("i")))

    assert event["error"] == "InvalidConnectionError"
    assert "extra region is missing" in event["message"]


@pytest.mark.parametrize("simulator", [AfterReads(1)], indirect=True)
def test_trigger_yields_no_event_before_min_wait(image_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow fails a task that resumes while the worker that deferred it still runs."""
    monkeypatch.setattr(wait, "MIN_WAIT_BEFORE_EVENT", 0.5)

    began = time.monotonic()
    (event,) = asyncio.run(payloads(of_a_task(trigger(image_id, timeout=0))))

    assert event["status"] == "success"
    assert time.monotonic() - began >= 0.5


def test_trigger_continues_in_other_triggerer_after_serialization(image_id: str) -> None:
    path, arguments = trigger(image_id, passthrough=PASSTHROUGH).serialize()
    stored = deserialized(json.loads(json.dumps(serialized(arguments))))

    assert path == "airflow_provider_modelarts.triggers.image.NotebookImageTrigger"
    assert stored == arguments
    (event,) = asyncio.run(payloads(NotebookImageTrigger(**stored)))
    assert event["status"] == "success"


def test_trigger_may_run_twice(image_id: str, simulator: Simulator) -> None:
    """As when a triggerer was wrongly considered dead."""

    async def both() -> list[list[dict[str, Any]]]:
        return await asyncio.gather(*[payloads(trigger(image_id)) for _ in range(2)])

    (one,), (two,) = asyncio.run(both())

    assert one["status"] == two["status"] == "success"
    assert simulator.saves == 1


@pytest.mark.parametrize("simulator", [AfterReads(2)], indirect=True, ids=["two polls each"])
@pytest.mark.usefixtures("connection")
def test_triggers_share_polls_and_connections(simulator: Simulator) -> None:
    """Not a request nor a connection per wait."""
    hook = ModelArtsHook()
    ids = []
    for n in range(200):
        notebook_id = simulator.add_notebook(name=f"n{n}")
        ids.append(hook.create_image(notebook_id, name=f"n{n}", namespace="team", tag="nightly").id)
    before = simulator.connections

    async def all_of_them() -> list[list[dict[str, Any]]]:
        return await asyncio.gather(*(payloads(trigger(image_id, poll_interval=0.5)) for image_id in ids))

    events = asyncio.run(all_of_them())

    polls = [entry for entry in simulator.journal if entry.method == "GET"]
    assert {event["status"] for (event,) in events} == {"success"}
    assert sorted(event["image"]["image_id"] for (event,) in events) == sorted(ids)
    assert {entry.operation for entry in polls} == {"ListImages"}
    assert len(polls) <= 4
    assert simulator.connections - before <= 2


def test_cancelled_trigger_leaves_nothing_open(image_id: str, simulator: Simulator) -> None:
    """A triggerer that stops cancels its triggers; the save continues."""

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
    ("state", "is_logged"),
    [
        pytest.param("failed", True, id="marked failed"),
        pytest.param("success", True, id="marked success"),
        pytest.param("removed", True, id="removed"),
        pytest.param("deferred", False, id="only moved to another triggerer, or cleared and deferred again"),
    ],
)
@pytest.mark.parametrize("map_index", [-1, 3])
def test_on_kill_logs_image_that_continues(
    state: str,
    is_logged: bool,
    map_index: int,
    image_id: str,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Airflow 3.3 calls it; it sends no request."""
    asked = answer_task_states(monkeypatch, {"run-1": {"wait" if map_index < 0 else "wait_3": state}})
    ended = of_a_task(trigger(image_id), map_index)
    before = len(simulator.journal)

    asyncio.run(ended.on_kill())

    (question,) = asked
    assert question == {
        "dag_id": "nightly",
        "run_ids": ["run-1"],
        "task_ids": ["wait"],
        "map_index": map_index,
    }
    assert (f"cannot cancel a save; it continues as image {image_id}" in capsys.readouterr().out) is is_logged
    assert len(simulator.journal) == before


def test_on_kill_ignores_unreadable_task_state(
    image_id: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Airflow is ending the task already."""
    answer_task_states(monkeypatch, RuntimeError("the supervisor is away"))
    ended = of_a_task(trigger(image_id))

    asyncio.run(ended.on_kill())

    assert "cannot cancel a save" in capsys.readouterr().out


def test_cleanup_sends_no_request(image_id: str, simulator: Simulator) -> None:
    """A triggerer that stops, or passes its triggers on, calls it for each of them."""
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
    task: Any = SimpleNamespace(dag_id="nightly", task_id="wait", run_id="run-1", map_index=map_index)
    trigger.task_instance = task
    return trigger


def answer_task_states(
    monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any] | Exception
) -> list[dict[str, Any]]:
    """Answer in place of Airflow's supervisor, and record the requests."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    asked: list[dict[str, Any]] = []

    def get_task_states(**question: Any) -> dict[str, Any]:
        asked.append(question)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", get_task_states)
    return asked
