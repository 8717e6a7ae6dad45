"""The lines of the log that a user of the UI reads first and last."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.sensors.image import NotebookImageSensor
from airflow_provider_modelarts.simulator import AfterReads, AtOnce, Fault, Simulator
from airflow_provider_modelarts.triggers.events import ImageEvent
from tests.operators.test_image import operator
from tests.recorder import TaskInstance, context

SWR_PATH = r"swr\.cn-north-4\.myhuaweicloud\.com/\S+"


@pytest.fixture(autouse=True)
def _log_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.mark.usefixtures("connection")
def test_operator_logs_target_before_request(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    simulator.inject(Fault("error", "CreateImage", status=403, code="ModelArts.0108"))

    with pytest.raises(Exception, match=r"ModelArts\.0108"):
        operator(tag="t1").execute(context(TaskInstance()))

    # Airflow logs too, on some versions.
    first = next(
        record for record in caplog.records if record.name.startswith("airflow_provider")
    ).getMessage()
    assert re.fullmatch(
        rf"Saving notebook {simulator.notebook_id} as \S+/\S+:t1 in Huawei Cloud "
        rf"\({re.escape(simulator.endpoint)}\)",
        first,
    )


@pytest.mark.parametrize("simulator", [AtOnce()], indirect=True)
@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.usefixtures("connection")
def test_operator_logs_image_seconds_and_address_after_wait(
    deferrable: bool, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    operator(wait_for_completion=True, deferrable=deferrable).execute(context(TaskInstance()))

    image_id = simulator.images[0]["id"]
    last = caplog.messages[-1]
    assert re.fullmatch(rf"Image {image_id} is ACTIVE after \d+ s\. SWR address: {SWR_PATH}", last)


@pytest.mark.parametrize("simulator", [AfterReads(1)], indirect=True)
@pytest.mark.usefixtures("connection")
def test_sensor_logs_image_before_poll_and_result_after_it(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    image_id = operator().execute(context(TaskInstance()))["image_id"]
    caplog.clear()

    NotebookImageSensor(task_id="wait", image_id=image_id).execute(context(TaskInstance()))

    lines = [line for line in caplog.messages if image_id in line]
    assert lines[0] == f"Waiting for image {image_id} in Huawei Cloud ({simulator.endpoint})"
    assert re.fullmatch(rf"Image {image_id} is ACTIVE after \d+ s\. SWR address: {SWR_PATH}", lines[-1])
    assert len(lines) == 2


@pytest.mark.parametrize(
    ("since", "after"), [(None, ""), (0.0, r" after \d{9,} s")], ids=["old trigger", "with its beginning"]
)
@pytest.mark.parametrize(
    "task",
    [
        CreateNotebookImageOperator(task_id="save", notebook_id="n"),
        NotebookImageSensor(task_id="wait", image_id="i-1"),
    ],
    ids=["operator", "sensor"],
)
def test_resumed_task_logs_result_of_wait(
    task: Any, since: float | None, after: str, caplog: pytest.LogCaptureFixture
) -> None:
    event: dict[str, Any] = {"status": "success", "image": {"image_id": "i-1", "swr_path": "h/o/r:t"}}

    task.execute_complete(context(TaskInstance()), {**event, "since": since})

    assert re.fullmatch(rf"Image i-1 is ACTIVE{after}\. SWR address: h/o/r:t", caplog.messages[-1])


@pytest.mark.parametrize(("status", "text"), [("success", ""), ("failed", "the trigger gave no reason")])
def test_event_names_missing_reason_only_of_failure(status: str, text: str) -> None:
    event = ImageEvent.model_validate({"status": status, "image": {"image_id": "i-1", "swr_path": "h/o/r:t"}})

    assert event.message == ""
    if status == "failed":
        with pytest.raises(Exception, match=text):
            event.result()
