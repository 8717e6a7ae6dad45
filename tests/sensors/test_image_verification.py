"""The sensor that also verifies that SWR has the image, in every mode."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

from airflow_provider_modelarts.client import image_verification
from airflow_provider_modelarts.exceptions import ImageNotInRegistryError
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.sensors.image import NotebookImageSensor
from airflow_provider_modelarts.simulator import AfterReads, Fault, Simulator
from tests import task_runs
from tests.airflow_versions import AirflowRescheduleException
from tests.recorder import Rescheduled, context

MODES: dict[str, dict[str, Any]] = {
    "poke": {"mode": "poke"},
    "reschedule": {"mode": "reschedule"},
    "deferrable": {"deferrable": True},
}
VERIFIED = {"digest", "size_bytes", "layers", "unchanged"}
LIST_TAGS = "ListRepositoryTags"
FORGOTTEN = Fault("error", LIST_TAGS, status=404, code="SVCSTG.SWR.4040115", envelope="swr", times=None)
in_every_mode = pytest.mark.parametrize("mode", MODES)
at_first_poll_or_later = pytest.mark.parametrize(
    "simulator", [AfterReads(1), AfterReads(2)], indirect=True, ids=["at the first poll", "later"]
)

pytestmark = pytest.mark.usefixtures("quick_polls")


@pytest.fixture(autouse=True)
def _checks_follow_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_verification, "CHECK_INTERVAL", 0.01)


@pytest.fixture
def image_id(simulator: Simulator, connection: str) -> str:
    hook = ModelArtsHook(connection)
    return hook.create_image(simulator.notebook_id, name="research", namespace="team", tag="nightly").id


def sensor(image_id: str, mode: str, **arguments: Any) -> NotebookImageSensor:
    given = {"poke_interval": 0.01, **MODES[mode], "verify_in_registry": True, **arguments}
    return NotebookImageSensor(task_id="wait", image_id=image_id, **given)


def run(image_id: str, mode: str, **arguments: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a sensor to its end, and return its result and XComs; each reschedule is a process of its own."""
    ti = Rescheduled()
    for _ in range(10):
        with suppress(AirflowRescheduleException):
            return task_runs.run(sensor(image_id, mode, **arguments), ti), ti.xcom
    raise AssertionError("the sensor is rescheduled again and again")


@in_every_mode
@at_first_poll_or_later
def test_sensor_returns_what_registry_has_in_every_mode(
    mode: str, image_id: str, simulator: Simulator
) -> None:
    result, xcom = run(image_id, mode)

    item = simulator.registry.tags("team", "research")["nightly"]
    assert {key: result[key] for key in ("digest", "size_bytes", "unchanged")} == {
        "digest": item["digest"],
        "size_bytes": item["size"],
        "unchanged": False,
    }
    assert result["layers"] == len(json.loads(item["manifest"])["layers"])
    assert (xcom["image_id"], result["status"]) == (image_id, "ACTIVE")
    assert [entry.operation for entry in simulator.journal].count(LIST_TAGS) == 1


@in_every_mode
@pytest.mark.parametrize("simulator", [AfterReads(1)], indirect=True)
def test_sensor_does_not_ask_registry_by_default(mode: str, image_id: str, simulator: Simulator) -> None:
    result, _ = run(image_id, mode, verify_in_registry=False)

    assert not VERIFIED & result.keys()
    assert LIST_TAGS not in [entry.operation for entry in simulator.journal]


@in_every_mode
@pytest.mark.parametrize("arguments", [{}, {"soft_fail": True}, {"never_fail": True}], ids=str)
@at_first_poll_or_later
def test_sensor_fails_retryably_for_image_that_registry_lacks(
    mode: str, arguments: dict[str, Any], image_id: str, simulator: Simulator
) -> None:
    """Neither a permanent failure, as lists may lag for longer, nor skipped."""
    simulator.inject(FORGOTTEN)

    with pytest.raises(ImageNotInRegistryError, match="3 checks"):
        run(image_id, mode, **arguments)

    assert [entry.operation for entry in simulator.journal].count(LIST_TAGS) == 3


@in_every_mode
@at_first_poll_or_later
def test_sensor_continues_after_transient_errors_of_registry(
    mode: str, image_id: str, simulator: Simulator
) -> None:
    simulator.inject(Fault("html", LIST_TAGS, status=404, times=4), Fault("garbage", LIST_TAGS))

    result, _ = run(image_id, mode)

    assert result.keys() >= VERIFIED


@pytest.mark.parametrize("mode", ["poke", "deferrable"])
@pytest.mark.parametrize(
    ("soft_fail", "error"), [(False, AirflowSensorTimeout), (True, AirflowSkipException)]
)
@pytest.mark.parametrize("simulator", [AfterReads(1)], indirect=True)
def test_sensor_times_out_if_registry_fails(
    mode: str, soft_fail: bool, error: type[Exception], image_id: str, simulator: Simulator
) -> None:
    simulator.inject(Fault("html", LIST_TAGS, status=404, times=None))

    with pytest.raises(error, match=r"ACTIVE.*HTTP 404"):
        run(image_id, mode, timeout=0.05, soft_fail=soft_fail)


@in_every_mode
@pytest.mark.parametrize("simulator", [AfterReads(1)], indirect=True)
def test_sensor_succeeds_with_one_warning_without_permission(
    mode: str, image_id: str, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.revoke("swr:repo:listRepoTags")

    result, _ = run(image_id, mode)

    assert not VERIFIED & result.keys()
    assert caplog.text.count("Grant swr:repo:listRepoTags") == 1


@in_every_mode
def test_sensor_fails_before_it_waits_without_endpoint_of_registry(
    mode: str, image_id: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent to the region's SWR beside another host of ModelArts."""
    given = simulator.connection
    given["extra"].pop("swr_endpoint")
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(given))

    with pytest.raises(AirflowFailException, match="swr_endpoint of the connection is missing"):
        run(image_id, mode)

    assert [entry.operation for entry in simulator.journal] == ["CreateImage"]


@pytest.mark.parametrize("simulator", [AfterReads(2)], indirect=True)
def test_sensor_defers_verification_to_trigger(image_id: str) -> None:
    """The triggerer may restart between the image and its verification."""
    with pytest.raises(TaskDeferred) as deferred:
        sensor(image_id, "deferrable").execute(context(Rescheduled()))

    trigger = deferred.value.trigger
    assert trigger.serialize()[1]["verify_in_registry"] is True
    event = task_runs.run_trigger(trigger)
    assert event["content"].keys() == VERIFIED
    assert "digest" not in event["image"]


def test_sensor_reads_event_of_trigger_that_knows_no_verification() -> None:
    event = {"status": "success", "image": {"image_id": "i", "swr_path": "s", "status": "ACTIVE"}}

    wait = sensor("i", "deferrable")

    assert (
        wait.resume_execution("execute_complete", {"event": event}, context(Rescheduled())) == event["image"]
    )
