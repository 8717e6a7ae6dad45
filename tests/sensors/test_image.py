"""The sensor, without a scheduler."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowTaskTimeout,
    TaskDeferred,
)

from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.sensors.image import NotebookImageSensor
from airflow_provider_modelarts.simulator import AfterReads, Fault, Simulator
from tests.recorder import TaskInstance, context


def sensor(image_id: str, **arguments: Any) -> NotebookImageSensor:
    return NotebookImageSensor(task_id="wait", image_id=image_id, **arguments)


@pytest.fixture
def image_id(simulator: Simulator, connection: str) -> str:
    """An image that is being saved."""
    hook = ModelArtsHook(connection)
    return hook.create_image(simulator.notebook_id, name="research", namespace="team", tag="nightly").id


def test_sensor_polls_once_then_defers_until_deadline(image_id: str, simulator: Simulator) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        sensor(image_id, deferrable=True, poke_interval=20, timeout=600).execute(context(TaskInstance()))

    arguments = deferred.value.trigger.serialize()[1]
    assert [entry.operation for entry in simulator.journal] == ["CreateImage", "ShowImage"]
    assert (arguments["image_id"], arguments["poll_interval"]) == (image_id, 20)
    assert arguments["deadline"] == pytest.approx(simulator.now() + 600, abs=5)


@pytest.mark.parametrize("simulator", [AfterReads(1)], indirect=True)
def test_sensor_does_not_defer_active_image(image_id: str) -> None:
    ti = TaskInstance()

    result = sensor(image_id, deferrable=True).execute(context(ti))

    assert result["image_id"] == ti.xcom["image_id"] == image_id
    assert result["swr_path"] == ti.xcom["swr_path"]
    assert ti.xcom["modelarts_images_url"].startswith("https://console-intl.huaweicloud.com/swr/")


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("soft_fail", [True, False])
@pytest.mark.parametrize(
    ("status", "match"),
    [("CREATE_FAILED", "ended as CREATE_FAILED: disk full"), ("ERROR", "ended as ERROR")],
)
def test_sensor_does_not_retry_or_skip_failed_image(
    deferrable: bool, soft_fail: bool, status: str, match: str, image_id: str, simulator: Simulator
) -> None:
    simulator.set_image_status(image_id, status, "disk full")

    with pytest.raises(AirflowFailException, match=match):
        sensor(image_id, deferrable=deferrable, soft_fail=soft_fail).execute(context(TaskInstance()))


@pytest.mark.parametrize("bad", ["", "   ", "../notebooks", "a/b", "a%2Fb", "a b", "a\nb", ".hidden"])
def test_sensor_rejects_invalid_image_id_before_sending(
    bad: str, simulator: Simulator, connection: str
) -> None:
    """It must not reach another path."""
    with pytest.raises(AirflowFailException, match="image_id"):
        sensor(bad, modelarts_conn_id=connection).execute(context(TaskInstance()))

    assert simulator.journal == ()


def test_sensor_polls_again_after_failed_poll(image_id: str, simulator: Simulator) -> None:
    simulator.inject(Fault("html", "ShowImage", times=2))
    wait = sensor(image_id)

    polls = [wait.poke(context(TaskInstance())).is_done for _ in range(5)]

    assert polls == [False, False, False, False, True]


def resume(wait: NotebookImageSensor, event: Any) -> Any:
    return wait.resume_execution("execute_complete", {"event": event}, context(TaskInstance()))


def test_sensor_returns_event_of_trigger_without_polling() -> None:
    image = {"image_id": "i", "swr_path": "s", "status": "ACTIVE"}

    assert resume(sensor("i"), {"status": "success", "image": image}) == image


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        pytest.param({}, AirflowSensorTimeout, id="its own timeout"),
        pytest.param(
            {"execution_timeout": timedelta(seconds=60)}, AirflowTaskTimeout, id="execution_timeout"
        ),
    ],
)
def test_sensor_timeout_and_execution_timeout_raise_different_errors(
    limits: dict[str, Any], error: type[BaseException]
) -> None:
    """The sensor's timeout is not retried, an execution_timeout is."""
    with pytest.raises(error, match="still CREATING"):
        resume(sensor("i", timeout=600, **limits), {"status": "timeout", "message": "still CREATING"})


@pytest.mark.parametrize("soft_fail", [True, False])
@pytest.mark.parametrize("error", ["ImageFailedError", "NotFoundError"])
def test_sensor_does_not_retry_or_skip_failure_of_trigger(soft_fail: bool, error: str) -> None:
    with pytest.raises(AirflowFailException, match="gone"):
        resume(sensor("i", soft_fail=soft_fail), {"status": "failed", "error": error, "message": "gone"})


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        {"status": "ACTIVE"},
        {"status": "success", "image": {}},
        {"status": "success", "image": {"image_id": None, "swr_path": None}},
        {"status": "success", "image": {"image_id": "", "swr_path": None}},
    ],
)
def test_sensor_fails_for_event_without_content(event: Any) -> None:
    with pytest.raises(ModelArtsError, match="cannot be read"):
        resume(sensor("i", soft_fail=True), event)


def test_sensor_defaults_are_10_seconds_and_one_hour() -> None:
    """Airflow's own default timeout is a week."""
    wait = sensor("i")

    assert (wait.poke_interval, wait.timeout, wait.deferrable) == (10, 3600, False)
    assert set(NotebookImageSensor.template_fields) == {"image_id", "modelarts_conn_id"}
