"""The lineage of operator and sensor, through the OpenLineage provider into a file."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.providers.openlineage.extractors.manager import ExtractorManager
from airflow.providers.openlineage.plugins.adapter import OpenLineageAdapter
from airflow.utils.state import TaskInstanceState
from openlineage.client import OpenLineageClient

from airflow_provider_modelarts.assets.image import convert_asset_to_openlineage, create_asset
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.sensors.image import NotebookImageSensor
from airflow_provider_modelarts.simulator import AfterReads, Simulator
from tests.recorder import TaskInstance, context

pytestmark = pytest.mark.usefixtures("quick_polls")

SWR = "swr.cn-north-4.myhuaweicloud.com"


class FinishedTask(TaskInstance):
    """A task instance whose XComs can be read."""

    def __init__(self, xcom: Any = None) -> None:
        super().__init__()
        self.xcom = {"return_value": xcom}

    def xcom_pull(self, *, task_ids: str, map_indexes: int) -> Any:
        assert (task_ids, map_indexes) == (self.task_id, self.map_index)
        return self.xcom["return_value"]


def emitted(
    task: Any,
    ti: FinishedTask,
    folder: Path,
    state: TaskInstanceState = TaskInstanceState.SUCCESS,
) -> dict[str, Any]:
    """Return the OpenLineage event of a task, as the provider's file transport writes it."""
    manager = ExtractorManager()
    run: Any = SimpleNamespace(run_id="nightly")
    lineage = manager.extract_metadata(run, task, task_instance_state=state, task_instance=ti)
    file = folder / "events.json"
    transport = {"type": "file", "log_file_path": str(file), "append": True}
    OpenLineageAdapter(OpenLineageClient(config={"transport": transport})).complete_task(
        run_id=str(UUID(int=1)),
        job_name="dag.task",
        end_time="2026-11-26T00:00:00+00:00",
        task=lineage,
        nominal_start_time=None,
        nominal_end_time=None,
        owners=None,
        tags=None,
        job_description=None,
    )
    (line,) = file.read_text().splitlines()
    event: dict[str, Any] = json.loads(line)
    return event


def run(task: Any) -> Any:
    """Run a task to its end, and return its result."""
    try:
        return task.execute(context(TaskInstance()))
    except TaskDeferred as deferred:
        return task.execute_complete(context(TaskInstance()), asyncio.run(event_of(deferred.trigger)))


async def event_of(trigger: Any) -> Any:
    """Return the payload of a trigger's only event."""
    (event,) = [event async for event in trigger.run()]
    return event.payload


def save(simulator: Simulator, **arguments: Any) -> CreateNotebookImageOperator:
    given = {"name": "research", "namespace": "team", "tag": "1", "poll_interval": 0.01, **arguments}
    return CreateNotebookImageOperator(task_id="task", notebook_id=simulator.notebook_id, **given)


def datasets(event: dict[str, Any]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    inputs, outputs = ([(d["namespace"], d["name"]) for d in event[key]] for key in ("inputs", "outputs"))
    return inputs, outputs


def expected(simulator: Simulator) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    return [("modelarts", f"notebooks/{simulator.notebook_id}")], [(f"swr://{SWR}", "team/research")]


@pytest.mark.parametrize("simulator", [AfterReads(2)], indirect=True)
@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
@pytest.mark.parametrize("kind", ["operator", "sensor"])
@pytest.mark.usefixtures("connection")
def test_lineage_of_task_that_waits(
    kind: str, simulator: Simulator, tmp_path: Path, *, deferrable: bool
) -> None:
    task: Any = save(simulator, wait_for_completion=True, deferrable=deferrable)
    if kind == "sensor":
        result = run(save(simulator))
        task = NotebookImageSensor(
            task_id="task", image_id=result["image_id"], deferrable=deferrable, poke_interval=0.01
        )
    run(task)

    event = emitted(task, FinishedTask(), tmp_path)

    (image,) = simulator.images
    assert datasets(event) == expected(simulator)
    facet = event["run"]["facets"]["modelarts_image"]
    assert {key: facet[key] for key in facet if not key.startswith("_")} == {
        "id": image["id"],
        "status": "ACTIVE",
        "tag": "1",
        "size": image["size"],
    }


@pytest.mark.usefixtures("connection")
def test_lineage_comes_from_xcom_if_task_is_a_copy(simulator: Simulator, tmp_path: Path) -> None:
    result = {**run(save(simulator)), "digest": "sha256:1"}

    event = emitted(save(simulator), FinishedTask(result), tmp_path)

    assert datasets(event) == expected(simulator)
    assert event["run"]["facets"]["modelarts_image"]["digest"] == "sha256:1"
    assert event["run"]["facets"]["modelarts_image"]["status"] == "INIT"


@pytest.mark.usefixtures("connection")
def test_lineage_of_failed_task_is_empty(simulator: Simulator, tmp_path: Path) -> None:
    event = emitted(save(simulator), FinishedTask(), tmp_path, TaskInstanceState.FAILED)

    assert datasets(event) == ([], [])
    assert "modelarts_image" not in event["run"]["facets"]


def test_lineage_of_asset_is_the_dataset_of_its_images(simulator: Simulator) -> None:
    dataset = convert_asset_to_openlineage(
        create_asset(registry=SWR, namespace="team", name="research"), None
    )

    assert [(dataset.namespace, dataset.name)] == expected(simulator)[1]
