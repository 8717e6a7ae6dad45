"""What the sensor does, without a scheduler."""

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


def test_a_deferral_looks_first(image_id: str, simulator: Simulator) -> None:
    """And its deadline is absolute."""
    with pytest.raises(TaskDeferred) as deferred:
        sensor(image_id, deferrable=True, poke_interval=20, timeout=600).execute(context(TaskInstance()))

    arguments = deferred.value.trigger.serialize()[1]
    assert [entry.operation for entry in simulator.journal] == ["CreateImage", "ShowImage"]
    assert (arguments["image_id"], arguments["poll_interval"]) == (image_id, 20)
    assert arguments["deadline"] == pytest.approx(simulator.now() + 600, abs=5)


@pytest.mark.parametrize("simulator", [AfterReads(1)], indirect=True)
def test_what_is_active_already_is_not_deferred(image_id: str) -> None:
    """And its result is there all the same."""
    ti = TaskInstance()

    result = sensor(image_id, deferrable=True).execute(context(ti))

    assert result["image_id"] == ti.xcom["image_id"] == image_id
    assert result["swr_path"] == ti.xcom["swr_path"]
    assert ti.xcom["modelarts_image_url"].startswith("https://console-intl.huaweicloud.com/swr/")


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("soft_fail", [True, False])
@pytest.mark.parametrize(
    ("status", "match"),
    [("CREATE_FAILED", "ended as CREATE_FAILED: disk full"), ("ERROR", "ended as ERROR")],
)
def test_a_failed_image_is_neither_retried_nor_skipped(
    deferrable: bool, soft_fail: bool, status: str, match: str, image_id: str, simulator: Simulator
) -> None:
    """The same image would fail again, and nobody should miss it."""
    simulator.set_image_status(image_id, status, "disk full")

    with pytest.raises(AirflowFailException, match=match):
        sensor(image_id, deferrable=deferrable, soft_fail=soft_fail).execute(context(TaskInstance()))


@pytest.mark.parametrize("bad", ["", "   ", "../notebooks", "a/b", "a%2Fb", "a b", "a\nb", ".hidden"])
def test_an_id_that_is_none_is_refused_before_anything_is_sent(
    bad: str, simulator: Simulator, connection: str
) -> None:
    """It must not reach another path, and a template that rendered to nothing is told so."""
    with pytest.raises(AirflowFailException, match="image_id"):
        sensor(bad, modelarts_conn_id=connection).execute(context(TaskInstance()))

    assert simulator.journal == ()


def test_a_look_that_fails_is_followed_by_another(image_id: str, simulator: Simulator) -> None:
    """In poke mode as in the triggerer."""
    simulator.inject(Fault("html", "ShowImage", times=2))
    wait = sensor(image_id)

    looks = [wait.poke(context(TaskInstance())).is_done for _ in range(5)]

    assert looks == [False, False, False, False, True]


def resume(wait: NotebookImageSensor, event: Any) -> Any:
    return wait.resume_execution("execute_complete", {"event": event}, context(TaskInstance()))


def test_a_resumed_sensor_hands_on_what_the_trigger_saw() -> None:
    """The image is not looked at again."""
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
def test_a_time_out_says_whose_it_was(limits: dict[str, Any], error: type[BaseException]) -> None:
    """A sensor's timeout is not retried, an execution_timeout is."""
    with pytest.raises(error, match="still CREATING"):
        resume(sensor("i", timeout=600, **limits), {"status": "timeout", "message": "still CREATING"})


@pytest.mark.parametrize("soft_fail", [True, False])
@pytest.mark.parametrize("error", ["ImageFailedError", "NotFoundError"])
def test_a_resumed_failure_is_neither_retried_nor_skipped(soft_fail: bool, error: str) -> None:
    """As at the first look."""
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
def test_an_event_that_says_nothing_is_a_failure(event: Any) -> None:
    """With soft_fail as well."""
    with pytest.raises(ModelArtsError, match="cannot be read"):
        resume(sensor("i", soft_fail=True), event)


def test_sensible_defaults() -> None:
    """A look every 15 seconds, for an hour: not Airflow's week."""
    wait = sensor("i")

    assert (wait.poke_interval, wait.timeout, wait.deferrable) == (15, 3600, False)
    assert set(NotebookImageSensor.template_fields) == {"image_id", "modelarts_conn_id"}
