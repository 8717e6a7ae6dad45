"""How the sensor waits in poke and reschedule mode, on a clock that only the test moves."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from copy import copy
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    BaseSensorOperator,
    TaskDeferred,
)

from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.sensors.image import NotebookImageSensor
from airflow_provider_modelarts.simulator import AfterReads, Fault, Simulator
from airflow_provider_modelarts.tasks import failures
from airflow_provider_modelarts.tasks import sensor as sensor_module
from tests.airflow_versions import AirflowRescheduleException
from tests.recorder import Rescheduled, TaskInstance, context

NOT_FOUND = Fault("error", "ShowImage", status=400, code="ModelArts.6404")
BARE_403 = Fault("html", "ShowImage", status=403)
NEVER = AfterReads(1_000_000)

never = pytest.mark.parametrize("simulator", [NEVER], indirect=True, ids=["never"])
at_once = pytest.mark.parametrize("simulator", [AfterReads(1)], indirect=True, ids=["at once"])


class Clock:
    """A time that passes only in sleeps; some of them may be cut short."""

    def __init__(self) -> None:
        self.sleeps: list[float] = []
        self._now = 1000.0
        self.interrupt: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self._now

    def time(self) -> float:
        return time.time() + self._now - 1000.0

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self._now += seconds
        self.interrupt()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sys.modules[BaseSensorOperator.__module__], "time", clock)
    monkeypatch.setattr(sensor_module, "time", clock)
    monkeypatch.setattr(failures, "time", clock)
    return clock


@pytest.fixture
def image_id(simulator: Simulator, connection: str) -> str:
    hook = ModelArtsHook(connection)
    return hook.create_image(simulator.notebook_id, name="research", namespace="team", tag="nightly").id


def sensor(image_id: str, **arguments: Any) -> NotebookImageSensor:
    return NotebookImageSensor(task_id="wait", image_id=image_id, **{"poke_interval": 2, **arguments})


def run(wait: NotebookImageSensor, *, since: float = 0) -> Any:
    return wait.execute(context(Rescheduled(since=since)))


def polls(simulator: Simulator) -> int:
    return sum(entry.operation == "ShowImage" for entry in simulator.journal)


@at_once
@pytest.mark.parametrize(
    ("poke_interval", "timeout", "slept"),
    [
        pytest.param(2, 3600, 20, id="the longer one is the service's"),
        pytest.param(60, 3600, 60, id="the longer one is the sensor's"),
        pytest.param(2, 10, 10, id="bounded by the timeout"),
    ],
)
def test_sensor_sleeps_for_retry_after_in_poke_mode(
    poke_interval: float, timeout: float, slept: float, image_id: str, simulator: Simulator, clock: Clock
) -> None:
    simulator.inject(Fault("error", "ShowImage", status=429, code="ModelArts.6101", retry_after=20))

    run(sensor(image_id, poke_interval=poke_interval, timeout=timeout))

    assert clock.sleeps == [slept]
    assert polls(simulator) == 2


@at_once
def test_sensor_clears_retry_after_after_successful_poke(
    image_id: str, simulator: Simulator, clock: Clock
) -> None:
    simulator.inject(
        Fault("error", "ShowImage", status=503, retry_after=20), Fault("error", "ShowImage", status=503)
    )

    run(sensor(image_id))

    assert clock.sleeps == [20, 2]


@never
def test_sensor_polls_at_most_once_a_second_without_interval(
    image_id: str, simulator: Simulator, clock: Clock
) -> None:
    with pytest.raises(AirflowSensorTimeout):
        run(sensor(image_id, poke_interval=0, timeout=5))

    assert set(clock.sleeps) == {1}
    assert polls(simulator) <= 7


@pytest.mark.parametrize(("retry_after", "expected"), [(120, 120), (1, 30)])
def test_sensor_is_rescheduled_to_date_of_retry_after(
    retry_after: int, expected: float, image_id: str, simulator: Simulator
) -> None:
    simulator.inject(Fault("error", "ShowImage", status=503, retry_after=retry_after))
    began = datetime.now(tz=timezone.utc)

    with pytest.raises(AirflowRescheduleException) as rescheduled:
        run(sensor(image_id, mode="reschedule", poke_interval=30))

    wait = (rescheduled.value.reschedule_date - began).total_seconds()
    assert expected <= wait <= expected + 60


@pytest.mark.parametrize(("retry_after", "timeout", "expected"), [(120, 3600, 120), (120, 60, 60)])
def test_sensor_passes_retry_after_date_to_trigger(
    retry_after: int, timeout: float, expected: float, image_id: str, simulator: Simulator
) -> None:
    simulator.inject(Fault("error", "ShowImage", status=503, retry_after=retry_after))

    with pytest.raises(TaskDeferred) as deferred:
        run(sensor(image_id, deferrable=True, timeout=timeout))

    arguments = deferred.value.trigger.serialize()[1]
    assert arguments["not_before"] - arguments["since"] == pytest.approx(expected)


def test_sensor_passes_no_date_to_trigger_after_successful_poke(image_id: str) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        run(sensor(image_id, deferrable=True))

    assert deferred.value.trigger.serialize()[1]["not_before"] is None


@never
@pytest.mark.parametrize(
    ("soft_fail", "error"), [(False, AirflowSensorTimeout), (True, AirflowSkipException)]
)
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param(None, "last status CREATING", id="pending"),
        pytest.param(
            Fault("error", "ShowImage", times=None, status=503),
            "no poll succeeded. Last error: ",
            id="never answered",
        ),
    ],
)
def test_sensor_timeout_names_wait_in_poke_mode(
    soft_fail: bool,
    error: type[Exception],
    fault: Fault | None,
    reason: str,
    image_id: str,
    simulator: Simulator,
    clock: Clock,
) -> None:
    simulator.inject(*([fault] if fault else []))

    with pytest.raises(error) as caught:
        run(sensor(image_id, timeout=30, soft_fail=soft_fail))

    assert f"Timed out after 30 s waiting for image {image_id}: {reason}" in str(caught.value)
    assert clock.sleeps


@never
@pytest.mark.parametrize(
    ("soft_fail", "error"), [(False, AirflowSensorTimeout), (True, AirflowSkipException)]
)
def test_sensor_timeout_names_wait_in_reschedule_mode(
    soft_fail: bool, error: type[Exception], image_id: str, simulator: Simulator
) -> None:
    simulator.inject(Fault("error", "ShowImage", status=503))

    with pytest.raises(error) as caught:
        run(sensor(image_id, mode="reschedule", timeout=3600, soft_fail=soft_fail), since=4000)

    text = str(caught.value)
    assert f"Timed out after 3600 s waiting for image {image_id}: no poll succeeded. Last error: " in text
    assert "HTTP 503" in text


@never
@pytest.mark.parametrize("soft_fail", [True, False])
def test_sensor_execution_timeout_names_wait(soft_fail: bool, image_id: str, clock: Clock) -> None:
    def interrupt() -> None:
        raise AirflowTaskTimeout("Timeout, PID: 7")

    clock.interrupt = interrupt
    with pytest.raises(AirflowTaskTimeout) as caught:
        run(sensor(image_id, poke_interval=50, soft_fail=soft_fail))

    assert f"execution_timeout: Timed out after 50 s waiting for image {image_id}: last status " in str(
        caught.value
    )


@never
@pytest.mark.parametrize("soft_fail", [True, False])
def test_sensor_execution_timeout_during_poke_does_not_skip(
    soft_fail: bool, image_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise AirflowTaskTimeout("Timeout, PID: 7")

    wait = sensor(image_id, soft_fail=soft_fail)
    monkeypatch.setattr(wait.hook, "call", interrupted)

    with pytest.raises(AirflowTaskTimeout, match=f"waiting for image {image_id}: no poll succeeded"):
        run(wait)


@at_once
@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([NOT_FOUND] * 2, id="two not-founds"),
        pytest.param([NOT_FOUND] * 12, id="not-founds within less than 30 s"),
        pytest.param([BARE_403] * 2, id="two bare 403"),
        pytest.param([BARE_403, NOT_FOUND] * 2, id="both in turn"),
        pytest.param([Fault("html", "ShowImage", status=404)] * 40, id="pages of a gateway"),
        pytest.param(
            [Fault("error", "ShowImage", status=400, code="ModelArts.9999")] * 40, id="a code nobody knows"
        ),
    ],
)
@pytest.mark.parametrize("silent_fail", [True, False])
def test_sensor_survives_transient_refusals_in_poke_mode(
    faults: list[Fault], silent_fail: bool, image_id: str, simulator: Simulator, clock: Clock
) -> None:
    simulator.inject(*faults)

    assert run(sensor(image_id, silent_fail=silent_fail))["status"] == "ACTIVE"
    assert clock.sleeps == [2] * len(faults)


@never
@pytest.mark.parametrize(
    "skip", [{}, {"soft_fail": True}, {"never_fail": True}, {"silent_fail": True}], ids=str
)
@pytest.mark.parametrize(
    ("fault", "least"),
    [
        pytest.param({"status": 400, "code": "ModelArts.6404"}, 30, id="not found"),
        pytest.param({"kind": "html", "status": 403}, 4, id="bare 403"),
        pytest.param({"status": 403, "code": "ModelArts.0108"}, 0, id="no permission"),
        pytest.param({"status": 401, "code": "APIGW.0301"}, 0, id="a wrong key"),
        pytest.param({"status": 401, "code": "ModelArts.6201"}, 0, id="a suspended account"),
        pytest.param({"status": 400, "code": "ModelArts.6400"}, 0, id="a bad request"),
    ],
)
def test_sensor_fails_without_retry_or_skip_on_permanent_error(
    skip: dict[str, bool],
    fault: dict[str, Any],
    least: float,
    image_id: str,
    simulator: Simulator,
    clock: Clock,
) -> None:
    simulator.inject(Fault(**{"kind": "error", "operation": "ShowImage", "times": None, **fault}))

    with pytest.raises(AirflowFailException):
        run(sensor(image_id, **skip))

    assert sum(clock.sleeps) == least


@never
def test_sensor_accepts_not_found_at_once_for_known_image(
    image_id: str, simulator: Simulator, clock: Clock
) -> None:
    clock.interrupt = lambda: simulator.inject(NOT_FOUND)

    with pytest.raises(AirflowFailException):
        run(sensor(image_id))

    assert polls(simulator) == 2


@pytest.mark.parametrize(
    ("since", "poke_interval", "is_believed"),
    [(0, 15, False), (15, 15, False), (31, 15, True), (100, 60, False), (121, 60, True)],
)
@pytest.mark.parametrize("soft_fail", [True, False])
def test_sensor_accepts_not_found_by_age_of_wait_in_reschedule_mode(
    since: float,
    poke_interval: float,
    is_believed: bool,
    soft_fail: bool,
    image_id: str,
    simulator: Simulator,
) -> None:
    simulator.inject(NOT_FOUND)
    wait = sensor(image_id, mode="reschedule", poke_interval=poke_interval, soft_fail=soft_fail)

    with pytest.raises(AirflowFailException if is_believed else AirflowRescheduleException):
        run(wait, since=since)

    assert polls(simulator) == 1


@at_once
def test_sensor_polls_again_after_forbidden_poll_in_reschedule_mode(
    image_id: str, simulator: Simulator, clock: Clock
) -> None:
    simulator.inject(BARE_403, BARE_403)

    assert run(sensor(image_id, mode="reschedule"), since=1000)["status"] == "ACTIVE"
    assert clock.sleeps == [1, 1]


def test_sensor_accepts_forbidden_after_three_polls_in_reschedule_mode(
    image_id: str, simulator: Simulator, clock: Clock
) -> None:
    simulator.inject(Fault("html", "ShowImage", times=None, status=403))

    with pytest.raises(AirflowFailException, match="failed with HTTP 403"):
        run(sensor(image_id, mode="reschedule"))

    assert polls(simulator) == len(clock.sleeps) + 1 == 3


@pytest.mark.parametrize("fault", [NOT_FOUND, BARE_403], ids=["not found", "bare 403"])
def test_sensor_defers_on_refusal_that_may_be_transient(
    fault: Fault, image_id: str, simulator: Simulator
) -> None:
    simulator.inject(fault)

    with pytest.raises(TaskDeferred):
        run(sensor(image_id, deferrable=True))

    assert polls(simulator) == 1


@pytest.mark.parametrize("soft_fail", [True, False])
def test_sensor_fails_before_deferral_on_permanent_error(
    soft_fail: bool, image_id: str, simulator: Simulator
) -> None:
    simulator.inject(Fault("error", "ShowImage", status=403, code="ModelArts.0108"))

    with pytest.raises(AirflowFailException):
        run(sensor(image_id, deferrable=True, soft_fail=soft_fail))


class Needed(NotebookImageSensor):
    """A team's own sensor, which may find that nothing has to be waited for."""

    def poke(self, _: Any) -> Any:
        raise AirflowSkipException("not needed today")


@pytest.mark.parametrize("soft_fail", [True, False])
def test_sensor_keeps_skip_exception_of_subclass(soft_fail: bool, image_id: str) -> None:
    with pytest.raises(AirflowSkipException, match=r"^not needed today$"):
        Needed(task_id="wait", image_id=image_id, soft_fail=soft_fail).execute(context(TaskInstance()))


@never
@pytest.mark.usefixtures("clock")
def test_sensor_resets_failed_polls_for_each_run(image_id: str, simulator: Simulator) -> None:
    """dag.test() runs a task again in one process: a new image may not be found at first."""
    wait = sensor(image_id, timeout=100)
    with pytest.raises(AirflowSensorTimeout):
        copy(wait).execute(context(TaskInstance()))
    simulator.inject(NOT_FOUND)

    with pytest.raises(AirflowSensorTimeout):
        copy(wait).execute(context(TaskInstance()))


@pytest.mark.parametrize("interval", [15, 0.5, timedelta(days=3000)], ids=str)
@pytest.mark.parametrize("pokes", [1024, 1025, 1026, 100_000])
def test_sensor_backoff_does_not_overflow(interval: float | timedelta, pokes: int) -> None:
    """Airflow doubles the interval as a float, which overflows after some thousand pokes."""
    wait = sensor("i", poke_interval=interval, exponential_backoff=True, max_wait=timedelta(minutes=1))

    assert wait._get_next_poke_interval(0.0, lambda: 1.0, pokes) == 60
