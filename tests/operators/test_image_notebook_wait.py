"""How a save waits for its notebook after the image is ACTIVE, and that the image decides the outcome."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowTaskTimeout, Asset, TaskDeferred

from airflow_provider_modelarts.exceptions import WaitTimeoutError
from airflow_provider_modelarts.simulator import (
    AfterReads,
    AfterSeconds,
    Fault,
    NotebookBehaviour,
    Simulator,
)
from airflow_provider_modelarts.simulator.request_log import JournalEntry
from airflow_provider_modelarts.triggers.notebook import NotebookStatusTrigger
from tests.fast_forward import FastForward
from tests.operators.saves import in_both, is_seen_active, operator, save, sent, simulated, warnings
from tests.recorder import TaskInstance, context
from tests.task_runs import run_trigger

pytestmark = pytest.mark.usefixtures("quick_polls", "connection")
FACTS = {"notebook_id", "adopted", "duration_seconds"}
IMAGE_FACTS = {"image_id", "swr_path", "status", "name", "namespace", "tag", "workspace_id", "arch", "size"}
snapshotting = pytest.mark.parametrize(
    "simulator", [NotebookBehaviour(snapshotting=AfterReads(3))], indirect=True, ids=["snapshotting"]
)
NOT_OVER = NotebookBehaviour(snapshotting=AfterReads(10**6))
never_over = pytest.mark.parametrize("simulator", [NOT_OVER], indirect=True, ids=["never over"])


def waits(simulator: Simulator, ti: TaskInstance | None = None, **arguments: Any) -> Any:
    return save(simulator, ti, **{"wait_for_completion": True, **arguments})


@in_both
@snapshotting
def test_save_ends_when_notebook_runs_again(
    simulator: Simulator, deferrable: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ti = TaskInstance()

    result = waits(simulator, ti, deferrable=deferrable)

    assert simulator.notebook().status == "RUNNING"
    assert result.keys() == FACTS | IMAGE_FACTS | {"created_at", "updated_at"}
    assert (result["status"], result["adopted"]) == ("ACTIVE", False)
    assert (ti.xcom["image_id"], ti.xcom["swr_path"]) == (result["image_id"], result["swr_path"])
    assert warnings(caplog) == []
    assert [line for line in caplog.messages if "waiting for its notebook" in line]
    assert f"Image {result['image_id']} is ACTIVE after" in caplog.messages[-1]


@in_both
@snapshotting
@pytest.mark.parametrize("how", [{"wait_for_notebook": False}, {"wait_for_completion": False}], ids=str)
def test_save_does_not_wait_for_notebook_when_a_wait_is_off(
    simulator: Simulator, deferrable: bool, how: dict[str, Any]
) -> None:
    waits(simulator, deferrable=deferrable, **how)
    assert simulator.notebook().status == "SNAPSHOTTING"


def test_notebook_that_runs_at_once_costs_one_read_and_no_second_deferral(simulator: Simulator) -> None:
    given = context(TaskInstance())
    task = operator(simulator, wait_for_completion=True, deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(given)
    event = run_trigger(deferred.value.trigger)
    before = len(simulator.journal)

    task.resume_execution("execute_complete", {"event": event}, given)

    assert sent(simulator)[before:] == ["ShowNotebook"]


@pytest.mark.parametrize(
    ("status", "deferrable"),
    [
        *((status, False) for status in ("STOPPED", "STOPPING", "ERROR", "FROZEN", "DELETED", "DELETING")),
        *((status, True) for status in ("STOPPED", "ERROR")),
    ],
)
@pytest.mark.parametrize("is_late", [False, True], ids=["right after ACTIVE", "during the wait"])
def test_notebook_that_does_not_run_again_is_one_warning(
    status: str,
    deferrable: bool,
    is_late: bool,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def when(simulator: Simulator, entry: JournalEntry) -> bool:
        is_active = simulator.images[-1]["status"] == "ACTIVE"
        return (
            is_active and entry.operation == "ShowNotebook" if is_late else is_seen_active(simulator, entry)
        )

    with simulated(
        monkeypatch,
        when=when,
        do=lambda simulator: simulator.notebook().set_status(status, "why"),
        notebooks=NOT_OVER,
    ) as simulator:
        result = waits(simulator, deferrable=deferrable)

    assert result["status"] == "ACTIVE"
    (line,) = warnings(caplog)
    assert f"Image {result['image_id']} is ACTIVE, but its notebook {simulator.notebook_id}" in line
    assert f"is {status}" in line


@in_both
@pytest.mark.parametrize(
    "fault",
    [
        Fault("error", "ShowNotebook", times=None, status=403, code="ModelArts.0108"),
        Fault("error", "ShowNotebook", times=None, status=400, code="ModelArts.6404"),
    ],
    ids=["forbidden", "gone"],
)
@snapshotting
def test_notebook_that_may_not_be_read_is_one_warning_and_no_wait(
    simulator: Simulator, deferrable: bool, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.inject(fault)

    result = waits(simulator, deferrable=deferrable)

    assert result["status"] == "ACTIVE"
    (line,) = warnings(caplog)
    assert fault.code in line  # type: ignore[operator]
    assert simulator.notebook().status == "SNAPSHOTTING"


@in_both
@snapshotting
def test_failed_polls_of_notebook_do_not_end_the_wait(simulator: Simulator, deferrable: bool) -> None:
    simulator.inject(Fault("html", "ShowNotebook", status=502, times=3))
    assert waits(simulator, deferrable=deferrable)["adopted"] is False
    assert simulator.notebook().status == "RUNNING"


@in_both
@never_over
def test_notebook_that_is_still_being_saved_at_the_deadline_is_a_retryable_timeout(
    simulator: Simulator, deferrable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The retry reuses the image, and waits again."""
    FastForward(monkeypatch)
    ti = TaskInstance()
    with pytest.raises(WaitTimeoutError, match="is SNAPSHOTTING") as timeout:
        waits(simulator, ti, deferrable=deferrable, poll_interval=15, timeout=600)

    (image,) = simulator.images
    assert f"Image {image['id']} is ACTIVE and in XCom; a retry reuses it" in str(timeout.value)
    assert (ti.xcom["image_id"], ti.xcom["swr_path"]) == (image["id"], image["swr_path"])

    simulator.notebook().set_status("RUNNING")
    again = waits(simulator, TaskInstance(try_number=2), deferrable=deferrable, poll_interval=15)
    assert (again["image_id"], again["adopted"]) == (image["id"], True)
    assert "duration_seconds" not in again
    assert simulator.saves == 1


@never_over
def test_deferred_wait_for_notebook_ends_at_execution_timeout(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    FastForward(monkeypatch)
    limit = timedelta(seconds=100)
    with pytest.raises(AirflowTaskTimeout, match="is ACTIVE and in XCom"):
        waits(simulator, deferrable=True, poll_interval=15, execution_timeout=limit)


@in_both
@pytest.mark.parametrize("status", ["STARTING", "RUNNING"])
def test_notebook_in_another_status_at_the_deadline_is_no_failure(
    deferrable: bool, status: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it began to run between the last poll and the end."""
    FastForward(monkeypatch)
    began = time.time()
    with simulated(
        monkeypatch,
        when=lambda _, entry: entry.operation == "ShowNotebook" and entry.at > began + 595,
        do=lambda simulator: simulator.notebook().set_status(status),
        notebooks=NOT_OVER,
    ) as simulator:
        assert waits(simulator, deferrable=deferrable, poll_interval=60, timeout=600)["status"] == "ACTIVE"
    assert len(warnings(caplog)) == (status == "STARTING")


def test_service_that_fails_until_the_deadline_is_one_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    FastForward(monkeypatch)
    with simulated(
        monkeypatch,
        when=is_seen_active,
        do=lambda simulator: simulator.inject(Fault("html", "ShowNotebook", status=502, times=None)),
    ) as simulator:
        assert waits(simulator, poll_interval=60, timeout=600)["status"] == "ACTIVE"
    assert [line for line in warnings(caplog) if "may not be RUNNING: Timed out after" in line]


def test_both_waits_in_the_triggerer_have_one_deadline(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FastForward(monkeypatch)
    given = context(TaskInstance())
    task = operator(simulator, wait_for_completion=True, deferrable=True, timeout=600, poll_interval=15)
    with pytest.raises(TaskDeferred) as first:
        task.execute(given)
    deadline = first.value.trigger.serialize()[1]["deadline"]
    simulator.set_image_status(simulator.images[0]["id"], "ACTIVE")
    simulator.notebook().set_status("SNAPSHOTTING")
    event = run_trigger(first.value.trigger)
    clock.sleep(60)

    with pytest.raises(TaskDeferred) as second:
        task.resume_execution("execute_complete", {"event": event}, given)

    trigger: Any = second.value.trigger
    assert isinstance(trigger, NotebookStatusTrigger)
    assert trigger.deadline == pytest.approx(deadline, abs=0.001)
    assert second.value.timeout is not None
    assert second.value.timeout < first.value.timeout


@snapshotting
def test_asset_event_is_filled_once_in_the_last_leg(simulator: Simulator) -> None:
    asset = Asset("swr://swr.cn-north-4.myhuaweicloud.com/team/research")
    filled: list[Any] = []

    class Event:
        def __init__(self) -> None:
            self._extra: dict[str, Any] = {}

        @property
        def extra(self) -> dict[str, Any]:
            return self._extra

        @extra.setter
        def extra(self, value: dict[str, Any]) -> None:
            filled.append(value["image_id"])
            self._extra = value

    class Events:
        # An asset has no hash on every Airflow.
        event = Event()

        def __getitem__(self, outlet: Any) -> Event:
            assert outlet == asset
            return self.event

    given = context(TaskInstance(), outlet_events=Events())
    task = operator(simulator, wait_for_completion=True, deferrable=True, outlets=[asset])
    with pytest.raises(TaskDeferred) as first:
        task.execute(given)
    with pytest.raises(TaskDeferred) as second:
        task.resume_execution("execute_complete", {"event": run_trigger(first.value.trigger)}, given)
    assert (filled, task.ended_with) == ([], None)

    result = task.resume_execution("execute_complete", {"event": run_trigger(second.value.trigger)}, given)

    assert filled == [result["image_id"]]
    assert task.ended_with == result


@snapshotting
def test_kill_between_the_legs_saves_nothing_twice(simulator: Simulator) -> None:
    """The next try reuses the image, and waits for the notebook that the killed one did not wait for."""
    task = operator(simulator, wait_for_completion=True, deferrable=True)
    ti = TaskInstance()
    with pytest.raises(TaskDeferred) as first:
        task.execute(context(ti))
    run_trigger(first.value.trigger)  # and nobody resumes

    again = waits(simulator, TaskInstance(try_number=2), deferrable=True)

    assert (again["image_id"], again["adopted"], simulator.saves) == (ti.xcom["image_id"], True, 1)
    assert simulator.notebook().status == "RUNNING"


@pytest.mark.parametrize("value", ["False", "", None, 0], ids=repr)
def test_wait_for_notebook_that_is_no_bool_is_refused(simulator: Simulator, value: Any) -> None:
    with pytest.raises(AirflowFailException, match="wait_for_notebook must be True or False"):
        waits(simulator, wait_for_notebook=value)
    assert simulator.journal == ()


@in_both
@pytest.mark.parametrize("after", [0.001, 500], ids=["notebook runs at once", "notebook runs later"])
def test_duration_is_from_acceptance_to_first_active_poll_in_every_mode(
    deferrable: bool, after: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It survives the deferral, and does not count the wait for the notebook."""
    FastForward(monkeypatch)
    behaviour = NotebookBehaviour(snapshotting=AfterSeconds(after))
    with simulated(monkeypatch, save=AfterSeconds(1000), notebooks=behaviour) as simulator:
        result = waits(simulator, deferrable=deferrable, poll_interval=100, timeout=7200)

    assert 990 <= result["duration_seconds"] <= 1300
