"""The default interval of the sensor, which depends on its mode, and of the operator."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.sensors.image import NotebookImageSensor


class Hourly(NotebookImageSensor):
    """A subclass with an interval of its own."""

    def __init__(self, *, poke_interval: float = 3600, **kwargs: Any) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)


@pytest.mark.parametrize(
    ("arguments", "default_args", "interval"),
    [
        pytest.param({}, {}, 10, id="poke"),
        pytest.param({"deferrable": True}, {}, 10, id="deferrable"),
        pytest.param({"mode": "reschedule"}, {}, 60, id="reschedule"),
        pytest.param(
            {"mode": "reschedule", "deferrable": True}, {}, 10, id="deferrable in spite of its mode"
        ),
        pytest.param({"mode": "reschedule", "poke_interval": None}, {}, 60, id="None"),
        pytest.param({"mode": "reschedule", "poke_interval": 10}, {}, 10, id="given"),
        pytest.param({"poke_interval": timedelta(minutes=2)}, {}, 120, id="a timedelta"),
        pytest.param({"mode": "reschedule", "poke_interval": 0}, {}, 0, id="zero"),
        pytest.param({}, {"mode": "reschedule"}, 60, id="mode of the DAG"),
        pytest.param({}, {"mode": "reschedule", "poke_interval": 10}, 10, id="interval of the DAG"),
        pytest.param({"mode": "reschedule"}, {"poke_interval": 30}, 30, id="both"),
        pytest.param({"poke_interval": 5}, {"poke_interval": 30}, 5, id="task before DAG"),
    ],
)
def test_sensor_interval_depends_on_mode_unless_given(
    arguments: dict[str, Any], default_args: dict[str, Any], interval: float
) -> None:
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    with DAG("intervals", schedule=None, start_date=start, default_args=default_args):
        direct = NotebookImageSensor(task_id="direct", image_id="i", **arguments)
        mapped = NotebookImageSensor.partial(task_id="mapped", **arguments).expand(image_id=["i"])

    assert direct.poke_interval == interval
    unmapped = mapped.unmap({"image_id": "i"})
    assert isinstance(unmapped, NotebookImageSensor)
    assert unmapped.poke_interval == interval


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_sensor_keeps_the_interval_of_a_subclass(mode: str) -> None:
    assert Hourly(task_id="wait", image_id="i", mode=mode).poke_interval == 3600


def test_operator_interval_is_ten_seconds() -> None:
    assert CreateNotebookImageOperator(task_id="save", notebook_id="n").poll_interval == 10
