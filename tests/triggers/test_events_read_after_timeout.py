"""What an operator reads after its wait in the triggerer has timed out, or its event came late."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowTaskTimeout, TaskDeferred

from airflow_provider_modelarts.exceptions import (
    ImageFailedError,
    ModelArtsError,
    NotebookFailedError,
    WaitTimeoutError,
)
from airflow_provider_modelarts.operators.notebook import (
    RestoreNotebookOperator,
    StartNotebookOperator,
    StopNotebookOperator,
)
from airflow_provider_modelarts.simulator import AfterReads, Fault, NotebookBehaviour, Simulator
from tests.operators.saves import operator, simulated
from tests.recorder import TaskInstance, context

pytestmark = pytest.mark.usefixtures("quick_polls")

NEVER = AfterReads(1_000_000)
OTHER_ID = "16fd2706-8baf-433b-82eb-8c7fada847da"


def time_out(task: Any, ti: TaskInstance, meanwhile: Callable[[], Any]) -> Any:
    """Defer a task, resume it after its wait has timed out, and return its result."""
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context(ti))
    meanwhile()
    event = {
        "status": "timeout",
        "error": "WaitTimeoutError",
        "message": "Timed out after 60 s: CREATING",
        "passthrough": deferred.value.trigger.serialize()[1]["passthrough"],
    }
    task.notebook_id = OTHER_ID  # rendered again, to another notebook
    return task.resume_execution("execute_complete", {"event": event}, context(ti))


def last_sent(simulator: Simulator) -> list[str]:
    return [entry.operation for entry in simulator.journal][-1:]


@pytest.mark.parametrize("verify", [False, True])
def test_save_returns_image_that_is_active_after_its_wait_timed_out(
    verify: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ti = TaskInstance()
    with simulated(monkeypatch, save=NEVER) as simulator:
        task = operator(simulator, wait_for_completion=True, deferrable=True, verify_in_registry=verify)

        result = time_out(task, ti, lambda: simulator.set_image_status(simulator.images[0]["id"], "ACTIVE"))

        assert (result["image_id"], result["status"]) == (simulator.images[0]["id"], "ACTIVE")
        assert (result["notebook_id"], result["adopted"]) == (simulator.notebook_id, False)
        assert result["duration_seconds"] >= 0
        assert ("digest" in result) is verify
        assert (ti.xcom["swr_path"], simulator.saves) == (result["swr_path"], 1)


@pytest.mark.parametrize(
    ("status", "fault", "error"),
    [
        pytest.param("CREATING", None, WaitTimeoutError, id="pending"),
        pytest.param("CREATE_FAILED", None, ImageFailedError, id="failed"),
        pytest.param("ACTIVE", {"status": 503}, WaitTimeoutError, id="503"),
        pytest.param("ACTIVE", {"status": 403, "code": "ModelArts.0108"}, WaitTimeoutError, id="denied"),
    ],
)
def test_save_that_timed_out_ends_by_the_image_itself(
    status: str,
    fault: dict[str, Any] | None,
    error: type[ModelArtsError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Airflow retries each: the next try reuses the image, or saves again."""
    with simulated(monkeypatch, save=NEVER) as simulator:

        def meanwhile() -> None:
            simulator.set_image_status(simulator.images[0]["id"], status)
            if fault:
                simulator.inject(Fault("error", "ShowImage", **fault))

        with pytest.raises(error):
            time_out(
                operator(simulator, wait_for_completion=True, deferrable=True), TaskInstance(), meanwhile
            )

        assert last_sent(simulator) == ["ShowImage"]


def test_save_that_timed_out_does_not_begin_another_wait_for_its_notebook(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its one deadline is over."""
    with simulated(monkeypatch, save=NEVER) as simulator:

        def meanwhile() -> None:
            simulator.set_image_status(simulator.images[0]["id"], "ACTIVE")
            simulator.notebook().set_status("SNAPSHOTTING")

        task = operator(simulator, wait_for_completion=True, deferrable=True)
        with pytest.raises(TaskDeferred) as deferred:
            time_out(task, TaskInstance(), meanwhile)

        assert deferred.value.timeout <= timedelta(minutes=10)


def change(simulator: Simulator, kind: type[Any], **arguments: Any) -> Any:
    return kind(task_id="change", notebook_id=simulator.notebook_id, deferrable=True, **arguments)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A service whose notebooks neither start nor stop by themselves."""
    behaviour = NotebookBehaviour(starting=NEVER, stopping=NEVER)
    with simulated(monkeypatch, notebooks=behaviour) as simulator:
        yield simulator


@pytest.mark.parametrize(
    ("status", "error"),
    [("RUNNING", None), ("STARTING", WaitTimeoutError), ("START_FAILED", NotebookFailedError)],
)
def test_start_that_timed_out_ends_by_the_notebook_itself(
    status: str, error: type[ModelArtsError] | None, slow: Simulator
) -> None:
    slow.set_notebook_status(slow.notebook_id, "STOPPED")
    ti = TaskInstance()
    task = change(slow, StartNotebookOperator)

    def meanwhile() -> None:
        slow.set_notebook_status(slow.notebook_id, status)

    if error is None:
        result = time_out(task, ti, meanwhile)
        assert (result["notebook_id"], result["status"], result["changed"]) == (
            slow.notebook_id,
            status,
            True,
        )
        assert ti.xcom["status"] == status
    else:
        with pytest.raises(error):
            time_out(task, ti, meanwhile)
    assert last_sent(slow) == ["ShowNotebook"]


def test_stop_returns_notebook_that_is_stopped_after_its_wait_timed_out(slow: Simulator) -> None:
    task = change(slow, StopNotebookOperator, discard_environment=True)

    result = time_out(task, TaskInstance(), lambda: slow.set_notebook_status(slow.notebook_id, "STOPPED"))

    assert (result["notebook_id"], result["status"]) == (slow.notebook_id, "STOPPED")


def test_restore_that_timed_out_before_its_last_step_sends_no_other(slow: Simulator) -> None:
    image_id = slow.add_image(name="research", namespace="team", tag="1", status="ACTIVE")
    task = change(
        slow, RestoreNotebookOperator, image_id=image_id, stop_running=True, discard_environment=True
    )

    with pytest.raises(WaitTimeoutError):
        time_out(task, TaskInstance(), lambda: slow.set_notebook_status(slow.notebook_id, "STOPPED"))

    assert last_sent(slow) == ["StopNotebook"]


def test_start_that_reached_its_execution_timeout_says_so(slow: Simulator) -> None:
    slow.set_notebook_status(slow.notebook_id, "STOPPED")
    task = change(slow, StartNotebookOperator, execution_timeout=timedelta(seconds=30))

    with pytest.raises(AirflowTaskTimeout):
        time_out(task, TaskInstance(), lambda: None)


def test_save_whose_event_names_no_image_times_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Another version of this provider has begun the wait."""
    caplog.set_level(logging.INFO)
    with simulated(monkeypatch) as simulator:
        event = {"status": "timeout", "message": "Timed out", "passthrough": {"adopted": False}}
        task = operator(simulator, wait_for_completion=True, deferrable=True)

        with pytest.raises(WaitTimeoutError):
            task.resume_execution("execute_complete", {"event": event}, context(TaskInstance()))

        assert last_sent(simulator) == []
