"""A ``Retry-After`` of days, or one that is no sensible number, does not stop a sensor for days."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_modelarts.exceptions import MAX_RETRY_AFTER
from airflow_provider_modelarts.sensors.image import NotebookImageSensor
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.recorder import TaskInstance, context

DAY = 86_400.0
LONG = [
    pytest.param(int(DAY), id="a day"),
    pytest.param(1_800_000_000, id="epoch seconds"),
    pytest.param(int("9" * 400), id="400 digits"),
    pytest.param("Sat, 01 Jan 2078 00:00:00 GMT", id="a far date"),
]


@pytest.fixture(params=LONG)
def retry_after(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def image_id(simulator: Simulator, retry_after: int | str) -> str:
    simulator.inject(Fault("throttle", "ShowImage", retry_after=retry_after))
    return simulator.add_image(name="n", namespace="team", tag="1", status="CREATING")


def sensor(image_id: str, **arguments: Any) -> NotebookImageSensor:
    return NotebookImageSensor(task_id="wait", image_id=image_id, timeout=7 * DAY, **arguments)


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_sensor_polls_again_within_ten_minutes_of_long_retry_after(mode: str, image_id: str) -> None:
    wait = sensor(image_id, mode=mode)
    assert not wait.poke(context(TaskInstance())).is_done

    pause = wait._get_next_poke_interval(datetime.now(tz=timezone.utc), lambda: 5.0, 1)

    assert pause == MAX_RETRY_AFTER


@pytest.mark.usefixtures("connection")
def test_sensor_defers_with_date_within_ten_minutes_of_long_retry_after(image_id: str) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        sensor(image_id, deferrable=True).execute(context(TaskInstance()))

    arguments = deferred.value.trigger.serialize()[1]
    assert arguments["not_before"] - arguments["since"] == pytest.approx(MAX_RETRY_AFTER)
