"""The sensor of a notebook's status, in every mode."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferred,
)

from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.sensors.notebook import NotebookStatusSensor
from airflow_provider_modelarts.simulator import Fault, NotebookBehaviour, Simulator
from tests.airflow_versions import AirflowRescheduleException
from tests.fast_forward import FastForward
from tests.recorder import Rescheduled, TaskInstance, context
from tests.task_runs import run

pytestmark = pytest.mark.usefixtures("quick_polls", "connection")
FACTS = {
    *("notebook_id", "name", "image_name", "status", "owner", "flavor", "workspace_id", "image_id"),
    *("lease_ends_at", "last_snapshot_at", "last_snapshot_id"),
}
MODES: dict[str, dict[str, Any]] = {
    "poke": {},
    "reschedule": {"mode": "reschedule"},
    "deferrable": {"deferrable": True},
}
in_every_mode = pytest.mark.parametrize("mode", MODES)


def sensor(simulator: Simulator, mode: str = "poke", **arguments: Any) -> NotebookStatusSensor:
    given = {"task_id": "wait", "notebook_id": simulator.notebook_id, "poke_interval": 0.02, **MODES[mode]}
    return NotebookStatusSensor(**{**given, **arguments})


def sense(task: NotebookStatusSensor, ti: TaskInstance | None = None) -> Any:
    """Run a sensor to its end, as often as it is rescheduled."""
    ti = ti or Rescheduled()
    for _ in range(10):
        with suppress(AirflowRescheduleException):
            return run(task, ti)
    raise AssertionError("the sensor is rescheduled again and again")


@in_every_mode
@pytest.mark.parametrize("is_there", [True, False], ids=["at the first poll", "later"])
def test_sensor_returns_same_result_in_every_mode(simulator: Simulator, mode: str, is_there: bool) -> None:
    if not is_there:
        simulator.notebook().stop()
        ModelArtsHook().start_notebook(simulator.notebook_id)
    ti = Rescheduled()

    result = sense(sensor(simulator, mode), ti)

    assert result.keys() == FACTS
    assert (result["notebook_id"], result["status"]) == (simulator.notebook_id, "RUNNING")
    assert result["lease_ends_at"] is not None
    assert json.loads(json.dumps(result)) == result
    assert ti.xcom.keys() == {"modelarts_notebook_url", "modelarts_notebooks_url", "notebook_id", "status"}


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("STOPPED", "STOPPED"),
        (["RUNNING", "STOPPED"], "STOPPED"),
        (("stopped",), "STOPPED"),
        ("ERROR", "ERROR"),
        (["SNAPSHOTTING", "FROZEN"], "FROZEN"),
    ],
)
@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_sensor_accepts_one_or_several_statuses(
    simulator: Simulator, mode: str, given: Any, status: str
) -> None:
    simulator.notebook().set_status(status)
    assert sense(sensor(simulator, mode, status=given))["status"] == status


@pytest.mark.parametrize(
    "given", ["RUNING", "", "None", [], None, 7, ["RUNNING", "x"], {"RUNNING": 1}], ids=repr
)
def test_sensor_refuses_unknown_status_before_sending(simulator: Simulator, given: Any) -> None:
    """It would wait until its timeout."""
    with pytest.raises(AirflowFailException, match="status must be one or several of CREATE_FAILED"):
        sense(sensor(simulator, status=given))
    assert simulator.journal == ()


@in_every_mode
@pytest.mark.parametrize("soft_fail", [False, True])
@pytest.mark.parametrize("status", ["START_FAILED", "FROZEN"])
def test_sensor_fails_at_once_for_failed_notebook(
    simulator: Simulator, mode: str, soft_fail: bool, status: str
) -> None:
    simulator.notebook().set_status(status, "no resources left")
    with pytest.raises(AirflowFailException, match=f"is {status}: no resources left"):
        sense(sensor(simulator, mode, soft_fail=soft_fail))


@pytest.mark.parametrize(
    "simulator", [NotebookBehaviour(start_failure="no image")], indirect=True, ids=["start fails"]
)
@pytest.mark.parametrize("soft_fail", [False, True])
def test_sensor_fails_for_notebook_that_fails_while_deferred(simulator: Simulator, soft_fail: bool) -> None:
    simulator.notebook().stop()
    ModelArtsHook().start_notebook(simulator.notebook_id)
    with pytest.raises(AirflowFailException, match="is START_FAILED: no image"):
        sense(sensor(simulator, "deferrable", soft_fail=soft_fail))


@pytest.mark.parametrize(
    ("soft_fail", "error"), [(False, AirflowSensorTimeout), (True, AirflowSkipException)]
)
@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_sensor_timeout_names_notebook_and_status(
    simulator: Simulator, mode: str, soft_fail: bool, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.notebook().set_status("STOPPING")
    if mode == "poke":
        FastForward(monkeypatch)
    with pytest.raises(error, match=rf"waiting for notebook {simulator.notebook_id}.*STOPPING"):
        sense(sensor(simulator, mode, soft_fail=soft_fail, timeout=0.2))


def test_sensor_execution_timeout_of_deferred_wait_is_airflows(simulator: Simulator) -> None:
    simulator.notebook().set_status("STOPPING")
    task = sensor(simulator, "deferrable", execution_timeout=timedelta(seconds=0.2))
    with pytest.raises(AirflowTaskTimeout, match="execution_timeout: Timed out"):
        sense(task)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("error", "ShowNotebook", times=None, status=403, code="ModelArts.0108"), AirflowFailException),
        (Fault("error", "ShowNotebook", status=503, times=3), None),
    ],
    ids=["no permission", "failing service"],
)
@in_every_mode
def test_sensor_outlasts_what_passes(
    simulator: Simulator, mode: str, fault: Fault, error: type[Exception] | None, monkeypatch: Any
) -> None:
    simulator.inject(fault)
    if mode != "deferrable":
        FastForward(monkeypatch)
    if error is None:
        assert sense(sensor(simulator, mode))["status"] == "RUNNING"
        return
    with pytest.raises(error, match=r"ModelArts\.0108"):
        sense(sensor(simulator, mode))


def test_sensor_defers_with_statuses_and_workspace(simulator: Simulator) -> None:
    simulator.notebook().set_status("STOPPING")
    with pytest.raises(TaskDeferred) as deferred:
        sensor(simulator, "deferrable", status=["STOPPED", "RUNNING"]).execute(context(TaskInstance()))

    arguments = deferred.value.trigger.serialize()[1]
    assert arguments["statuses"] == ["STOPPED", "RUNNING"]
    assert arguments["workspace_id"] == "0"
    assert arguments["deadline"] == pytest.approx(simulator.now() + 3600, abs=5)


@pytest.mark.parametrize(("mode", "interval"), [("poke", 10), ("reschedule", 60), ("deferrable", 10)])
def test_sensor_interval_depends_on_mode(simulator: Simulator, mode: str, interval: float) -> None:
    assert sensor(simulator, mode, poke_interval=None).poke_interval == interval
