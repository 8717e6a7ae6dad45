"""The trigger of a notebook's status, run as the triggerer runs it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Fault, Simulator
from airflow_provider_modelarts.triggers.events import NotebookEvent
from airflow_provider_modelarts.triggers.notebook import NotebookStatusTrigger

pytestmark = pytest.mark.usefixtures("quick_polls", "connection")
PASSTHROUGH = {"deadline": 1.0, "is_last": True}


def trigger(notebook_id: str, *statuses: str, timeout: float = 60, **arguments: Any) -> NotebookStatusTrigger:
    return NotebookStatusTrigger(
        notebook_id=notebook_id,
        statuses=statuses or ("RUNNING",),
        modelarts_conn_id="modelarts_default",
        deadline=time.time() + timeout,
        **{"poll_interval": 0.05, "passthrough": PASSTHROUGH, **arguments},
    )


async def payloads(trigger: NotebookStatusTrigger) -> list[dict[str, Any]]:
    return [event.payload async for event in trigger.run()]


def one_event(trigger: NotebookStatusTrigger) -> dict[str, Any]:
    (event,) = asyncio.run(payloads(trigger))
    return event


def test_trigger_yields_one_event_with_notebook_and_passthrough(simulator: Simulator) -> None:
    event = one_event(trigger(simulator.notebook_id))

    assert (event["status"], event["passthrough"]) == ("success", PASSTHROUGH)
    assert event["notebook"]["id"] == simulator.notebook_id
    assert event["notebook"]["status"] == "RUNNING"
    assert json.loads(json.dumps(event)) == event
    assert not [secret for secret in simulator.secrets if secret in json.dumps(event)]
    notebook = NotebookEvent.read(event).result()
    assert notebook.lease is not None
    assert notebook.lease.ends_at == int((simulator.notebook().lease_ends_at or 0) * 1000)


@pytest.mark.parametrize(
    ("fault", "timeout", "end"),
    [
        (None, 0.1, ("timeout", "WaitTimeoutError")),
        (None, -3600, ("timeout", "WaitTimeoutError")),
        (
            Fault("error", "*", times=None, status=403, code="ModelArts.0108"),
            60,
            ("failed", "PermissionDeniedError"),
        ),
    ],
    ids=["soon", "long ago", "no permission"],
)
def test_trigger_yields_event_for_wait_that_fails(
    simulator: Simulator, fault: Fault | None, timeout: float, end: tuple[str, str]
) -> None:
    simulator.notebook().set_status("STOPPING")
    simulator.inject(*([fault] if fault else []))

    event = one_event(trigger(simulator.notebook_id, "STOPPED", timeout=timeout))

    assert (event["status"], event["error"]) == end


@pytest.mark.parametrize(("statuses", "status"), [(("RUNNING",), "failed"), (("ERROR",), "success")])
def test_trigger_yields_event_for_failed_notebook(
    simulator: Simulator, statuses: tuple[str, ...], status: str
) -> None:
    simulator.notebook().set_status("ERROR", "disk full")

    event = one_event(trigger(simulator.notebook_id, *statuses))

    assert event["status"] == status
    if status == "failed":
        assert event["error"] == "NotebookFailedError"
        assert "disk full" in event["message"]


def test_trigger_of_failed_notebook_gets_reason_that_list_lacks(simulator: Simulator) -> None:
    ids = [simulator.notebook_id, simulator.add_notebook()]
    for notebook_id in ids:
        simulator.notebook(notebook_id).set_status("ERROR", "disk full")

    async def both() -> list[list[dict[str, Any]]]:
        return await asyncio.gather(*(payloads(trigger(notebook_id)) for notebook_id in ids))

    assert all("disk full" in event["message"] for (event,) in asyncio.run(both()))


def test_triggers_share_polls(simulator: Simulator) -> None:
    """Also those that wait for another status of the same notebook."""
    hook = ModelArtsHook()
    started = [simulator.add_notebook(name=f"n{n}") for n in range(15)]
    for notebook_id in started:
        simulator.notebook(notebook_id).stop()
        hook.start_notebook(notebook_id)
    running = simulator.notebook_id
    before = len(simulator.journal)
    waits = [trigger(notebook_id, poll_interval=0.3) for notebook_id in started]
    waits += [trigger(running, *statuses, poll_interval=0.3) for statuses in (("RUNNING", "STOPPED"), ())]

    async def all_of_them() -> list[list[dict[str, Any]]]:
        return await asyncio.gather(*map(payloads, waits))

    events = asyncio.run(all_of_them())

    polls = simulator.journal[before:]
    assert {event["status"] for (event,) in events} == {"success"}
    assert {event["notebook"]["status"] for (event,) in events} == {"RUNNING"}
    assert {entry.operation for entry in polls} == {"ListNotebooks"}
    assert len(polls) <= 6


def test_trigger_on_kill_logs_what_continues(
    simulator: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(trigger(simulator.notebook_id).on_kill())
    assert f"continues what notebook {simulator.notebook_id} is busy with" in capsys.readouterr().out


@pytest.mark.parametrize(
    "event",
    [None, {}, {"status": "success"}, {"status": "success", "notebook": {}}, {"status": "done"}],
    ids=str,
)
def test_event_that_cannot_be_read_is_an_error(event: Any) -> None:
    with pytest.raises(Exception, match="cannot be read"):
        NotebookEvent.read(event)
