"""What a sensor reads after its wait in the triggerer has timed out, where the list may have lagged."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)

from airflow_provider_modelarts.sensors.image import NotebookImageSensor
from airflow_provider_modelarts.sensors.notebook import NotebookStatusSensor
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.recorder import TaskInstance, context

pytestmark = pytest.mark.usefixtures("connection")

TIMEOUT = {"status": "timeout", "error": "WaitTimeoutError", "message": "Timed out after 60 s: CREATING"}


def resume(task: Any, ti: TaskInstance) -> Any:
    return task.resume_execution("execute_complete", {"event": TIMEOUT}, context(ti))


def image_sensor(image_id: str, **arguments: Any) -> NotebookImageSensor:
    return NotebookImageSensor(task_id="wait", image_id=image_id, deferrable=True, **arguments)


def test_sensor_returns_image_that_is_active_after_its_wait_timed_out(simulator: Simulator) -> None:
    image_id = simulator.add_image(name="research", namespace="team", tag="1", status="ACTIVE")
    ti = TaskInstance()

    result = resume(image_sensor(image_id), ti)

    assert (result["image_id"], result["status"]) == (image_id, "ACTIVE")
    assert (ti.xcom["image_id"], ti.xcom["swr_path"]) == (image_id, result["swr_path"])
    assert [entry.operation for entry in simulator.journal] == ["ShowImage"]


@pytest.mark.parametrize(
    ("status", "fault", "soft_fail", "error"),
    [
        pytest.param("CREATING", None, False, AirflowSensorTimeout, id="pending"),
        pytest.param("CREATING", None, True, AirflowSkipException, id="pending, soft_fail"),
        pytest.param("CREATE_FAILED", None, True, AirflowFailException, id="failed, soft_fail"),
        pytest.param("ACTIVE", {"status": 503}, False, AirflowSensorTimeout, id="503"),
        pytest.param(
            "ACTIVE",
            {"status": 403, "code": "ModelArts.0108"},
            True,
            AirflowSkipException,
            id="denied, soft_fail",
        ),
    ],
)
def test_sensor_that_timed_out_ends_by_the_image_itself(
    status: str,
    fault: dict[str, Any] | None,
    soft_fail: bool,
    error: type[Exception],
    simulator: Simulator,
) -> None:
    """A failed image is never skipped; a failed request leaves the timeout as it is."""
    image_id = simulator.add_image(name="research", namespace="team", tag="1", status=status)
    if fault:
        simulator.inject(Fault("error", "ShowImage", **fault))

    with pytest.raises(error):
        resume(image_sensor(image_id, soft_fail=soft_fail), TaskInstance())

    assert [entry.operation for entry in simulator.journal] == ["ShowImage"]


def test_sensor_verifies_image_that_is_active_after_its_wait_timed_out(simulator: Simulator) -> None:
    image_id = simulator.add_image(name="research", namespace="team", tag="1", status="ACTIVE")

    result = resume(image_sensor(image_id, verify_in_registry=True), TaskInstance())

    assert result["digest"].startswith("sha256:")


@pytest.mark.parametrize(
    ("status", "error"),
    [("RUNNING", None), ("STARTING", AirflowSensorTimeout), ("FROZEN", AirflowFailException)],
)
def test_sensor_that_timed_out_ends_by_the_notebook_itself(
    status: str, error: type[Exception] | None, simulator: Simulator
) -> None:
    simulator.set_notebook_status(simulator.notebook_id, status)
    task = NotebookStatusSensor(task_id="wait", notebook_id=simulator.notebook_id, deferrable=True)

    if error is None:
        assert resume(task, TaskInstance())["status"] == status
    else:
        with pytest.raises(error):
            resume(task, TaskInstance())
    assert [entry.operation for entry in simulator.journal] == ["ShowNotebook"]
