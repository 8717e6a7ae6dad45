"""The steps of tasks on notebooks, where the notebook changes between a read and a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_modelarts.client import notebook_steps
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.notebook_steps import SETTLED_STATUSES, NotebookSteps, Step, StopRule
from airflow_provider_modelarts.exceptions import NotFoundError, StopRefusedError
from airflow_provider_modelarts.simulator import Simulator
from tests.transports import TransportRunner

Change = Callable[[Simulator], None]


def step(transport: TransportRunner, simulator: Simulator, name: str, *arguments: Any) -> Step:
    """Make one step, a coroutine of NotebookSteps."""

    async def scenario(modelarts: ModelArtsClient) -> Step:
        result: Step = await getattr(NotebookSteps(modelarts, simulator.notebook_id), name)(*arguments)
        return result

    return transport.run(simulator, scenario)


def on_first(operation: str, change: Change) -> Simulator:
    """Return a simulator that changes when it has answered an operation for the first time."""
    seen: list[str] = []

    def observe(entry: Any) -> None:
        if entry.operation == operation and operation not in seen:
            seen.append(operation)
            change(simulator)

    simulator = Simulator(observer=observe)
    return simulator


def add_snapshot(simulator: Simulator) -> str:
    marker = f"[airflow:0123456789abcdef notebook:{simulator.notebook_id}]"
    return simulator.add_image(status="ACTIVE", description=marker)


def sent(simulator: Simulator) -> list[str]:
    return [entry.operation for entry in simulator.journal if entry.method != "GET"]


def become(status: str) -> Change:
    return lambda simulator: simulator.notebook().set_status(status)


def test_stop_is_not_sent_to_notebook_that_became_busy(transport: TransportRunner) -> None:
    with on_first("ListImages", become("SNAPSHOTTING")) as simulator:
        add_snapshot(simulator)
        found = step(transport, simulator, "stop", StopRule())
    assert (found.wait_for, found.is_last, found.changed) == (SETTLED_STATUSES, False, False)
    assert sent(simulator) == []


def test_stop_is_checked_with_last_start_before_request(transport: TransportRunner) -> None:
    """Somebody restarts the notebook while the images are read, and installs more."""

    def restart(simulator: Simulator) -> None:
        simulator.notebook().stop()
        simulator.advance(600)
        simulator.notebook().start()

    with on_first("ListImages", restart) as simulator:
        add_snapshot(simulator)
        with pytest.raises(StopRefusedError, match="began before the notebook was started"):
            step(transport, simulator, "stop", StopRule())
    assert sent(simulator) == []


@pytest.mark.parametrize("name", ["start", "restore"])
def test_start_is_not_sent_twice_if_somebody_starts_notebook(transport: TransportRunner, name: str) -> None:
    with on_first("ShowNotebook", lambda simulator: simulator.notebook().start()) as simulator:
        image_id = add_snapshot(simulator)
        simulator.notebook().stop()
        if name == "restore":
            simulator._projects.home.update_notebook(simulator.notebook_id, {"image_id": image_id})
        found = step(transport, simulator, name)
    assert (found.wait_for, found.is_last, found.changed) == ((), True, False)
    assert sent(simulator) == []


@pytest.mark.parametrize("status", ["STOPPING", "SNAPSHOTTING", "INIT", "MIGRATING"])
@pytest.mark.parametrize(("name", "arguments"), [("start", ()), ("stop", (StopRule(),)), ("restore", ())])
def test_step_waits_for_busy_notebook(
    transport: TransportRunner, name: str, arguments: tuple[Any, ...], status: str
) -> None:
    if (name, status) == ("stop", "STOPPING"):
        return
    with Simulator() as simulator:
        add_snapshot(simulator)
        simulator.notebook().set_status(status)
        found = step(transport, simulator, name, *arguments)
    assert (found.wait_for, found.is_last) == (SETTLED_STATUSES, False)
    assert sent(simulator) == []


@pytest.mark.parametrize("reads", range(1, 5))
def test_stop_waits_some_seconds_for_lists_that_lag(transport: TransportRunner, reads: int) -> None:
    lag = notebook_steps.CHECK_INTERVAL * (reads - 1) - 1
    with Simulator(list_lag=max(0.0, lag)) as simulator:
        add_snapshot(simulator)
        if reads > notebook_steps.CHECK_ATTEMPTS:
            with pytest.raises(StopRefusedError):
                step(transport, simulator, "stop", StopRule())
        else:
            assert step(transport, simulator, "stop", StopRule()).changed
        lists = sum(entry.operation == "ListImages" for entry in simulator.journal)
    assert lists == min(reads, notebook_steps.CHECK_ATTEMPTS)


def test_restore_keeps_to_image_for_which_notebook_is_stopped(transport: TransportRunner) -> None:
    async def scenario(modelarts: ModelArtsClient) -> Step:
        steps = NotebookSteps(modelarts, simulator.notebook_id)
        return await steps.restore(rule=StopRule())

    with Simulator() as simulator:
        image_id = add_snapshot(simulator)
        found = transport.run(simulator, scenario)
    assert (found.wait_for, found.is_last) == (("STOPPED",), False)
    assert found.restored is not None
    assert found.restored.id == image_id
    assert sent(simulator) == ["StopNotebook"]


def test_restore_prefers_marked_image_to_newer_one_that_notebook_has(transport: TransportRunner) -> None:
    with Simulator() as simulator:
        image_id = add_snapshot(simulator)
        simulator.notebook().stop()
        newer = simulator.add_image(status="ACTIVE")
        simulator._projects.home.update_notebook(simulator.notebook_id, {"image_id": newer})
        step(transport, simulator, "restore")
        assert simulator.notebook().image_id == image_id


def test_restore_without_snapshot_sends_nothing(transport: TransportRunner) -> None:
    with Simulator() as simulator:
        simulator.notebook().stop()
        with pytest.raises(NotFoundError, match="has no ACTIVE snapshot to restore"):
            step(transport, simulator, "restore")
    assert sent(simulator) == []
