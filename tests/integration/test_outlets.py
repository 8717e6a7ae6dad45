"""The asset events of operator and sensor in every mode, against the simulator."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, Context, TaskDeferred
from airflow.sdk.execution_time.context import OutletEventAccessors

from airflow_provider_modelarts.assets.image import create_asset
from airflow_provider_modelarts.exceptions import ImageFailedError
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.sensors.image import NotebookImageSensor
from airflow_provider_modelarts.simulator import AfterReads, Simulator
from tests.recorder import TaskInstance, context

pytestmark = pytest.mark.usefixtures("connection", "quick_polls")

SWR = "swr.cn-north-4.myhuaweicloud.com"
ASSET = create_asset(registry=SWR, namespace="team", name="research")
at_first_poll_or_later = pytest.mark.parametrize(
    "simulator", [AfterReads(1), AfterReads(2)], indirect=True, ids=["at the first poll", "later"]
)
blocking_or_deferrable = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])


def save(simulator: Simulator, **arguments: Any) -> CreateNotebookImageOperator:
    given = {"name": "research", "namespace": "team", "tag": "1", "poll_interval": 0.01}
    arguments = {**given, "wait_for_completion": True, "outlets": [ASSET], **arguments}
    return CreateNotebookImageOperator(task_id="save", notebook_id=simulator.notebook_id, **arguments)


def run(task: Any, ti: TaskInstance | None = None) -> Context:
    """Run a task to its end, with a new context in each leg, and return that of the last."""
    leg = context(ti or TaskInstance(), outlet_events=OutletEventAccessors())
    try:
        task.execute(leg)
    except TaskDeferred as deferred:
        assert len(leg["outlet_events"]) == 0
        leg = context(ti or TaskInstance(), outlet_events=OutletEventAccessors())
        task.execute_complete(leg, asyncio.run(event_of(deferred.trigger)))
    return leg


async def event_of(trigger: Any) -> Any:
    """Return the payload of a trigger's only event."""
    (event,) = [event async for event in trigger.run()]
    return event.payload


def extra_of(simulator: Simulator) -> dict[str, Any]:
    (image,) = simulator.images
    notebook = {"notebook_id": simulator.notebook_id}
    return {"image_id": image["id"], "swr_path": image["swr_path"], "tag": image["tag"], **notebook}


@at_first_poll_or_later
@blocking_or_deferrable
def test_save_that_waits_fills_event(simulator: Simulator, *, deferrable: bool) -> None:
    ended = run(save(simulator, deferrable=deferrable))

    assert ended["outlet_events"][ASSET].extra == extra_of(simulator)


@at_first_poll_or_later
@blocking_or_deferrable
def test_sensor_fills_event_with_notebook_of_marker(simulator: Simulator, *, deferrable: bool) -> None:
    result = save(simulator, outlets=[], wait_for_completion=False).execute(context(TaskInstance()))
    sensor = NotebookImageSensor(
        task_id="wait",
        image_id=result["image_id"],
        outlets=[ASSET],
        deferrable=deferrable,
        poke_interval=0.01,
    )

    assert run(sensor)["outlet_events"][ASSET].extra == extra_of(simulator)


@blocking_or_deferrable
def test_save_that_adopts_fills_event(simulator: Simulator, *, deferrable: bool) -> None:
    run(save(simulator))

    ended = run(save(simulator, deferrable=deferrable), TaskInstance(try_number=2))

    assert ended["outlet_events"][ASSET].extra == extra_of(simulator)
    assert simulator.saves == 1


@blocking_or_deferrable
def test_failed_image_fills_no_event(simulator: Simulator, *, deferrable: bool) -> None:
    result = save(simulator, outlets=[], wait_for_completion=False).execute(context(TaskInstance()))
    simulator.set_image_status(result["image_id"], "CREATE_FAILED", "disk full")
    leg = context(TaskInstance(), outlet_events=OutletEventAccessors())
    sensor = NotebookImageSensor(
        task_id="wait", image_id=result["image_id"], outlets=[ASSET], deferrable=deferrable
    )

    with pytest.raises((AirflowFailException, ImageFailedError)):
        sensor.execute(leg)

    assert len(leg["outlet_events"]) == 0


def test_save_without_wait_is_refused_before_anything_is_sent(simulator: Simulator) -> None:
    with pytest.raises(AirflowFailException, match="wait_for_completion=True"):
        run(save(simulator, wait_for_completion=False))

    assert simulator.journal == ()
