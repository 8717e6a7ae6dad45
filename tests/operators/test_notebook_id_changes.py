"""Tasks whose template of the notebook renders to another one after a wait, as a Variable was edited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.operators.notebook import RestoreNotebookOperator, StopNotebookOperator
from airflow_provider_modelarts.simulator import Simulator
from tests.operators.test_notebook_stop import save
from tests.recorder import TaskInstance, context
from tests.task_runs import MAX_DEFERRALS, run_trigger

pytestmark = pytest.mark.usefixtures("quick_polls", "connection")


def run(
    make: Callable[[str], Any], before: str, after: str, meanwhile: Callable[[], object] = lambda: None
) -> Any:
    """
    Run a task that is rendered again after each wait, and return its result.

    :param meanwhile: called when the task first waits.
    """
    given = context(TaskInstance())
    try:
        return make(before).execute(given)
    except TaskDeferred as error:
        deferred = error
    meanwhile()
    for _ in range(MAX_DEFERRALS):
        event = run_trigger(deferred.trigger)
        try:
            return make(after).resume_execution(deferred.method_name, {"event": event}, given)
        except TaskDeferred as error:
            deferred = error
    raise AssertionError("the task defers again and again")


def test_restore_goes_on_with_notebook_that_it_stopped(simulator: Simulator) -> None:
    wanted = simulator.add_image(name="research", namespace="team", tag="wanted", status="ACTIVE")
    save(simulator, wait_for_notebook=True)
    other = simulator.notebook(simulator.add_notebook())
    other.stop()
    image_of_other = other.image_id

    def task(notebook_id: str) -> RestoreNotebookOperator:
        return RestoreNotebookOperator(
            task_id="restore",
            notebook_id=notebook_id,
            image_id=wanted,
            stop_running=True,
            deferrable=True,
            poll_interval=0.02,
        )

    result = run(task, simulator.notebook_id, other.id)

    assert (result["notebook_id"], result["image_id"]) == (simulator.notebook_id, wanted)
    assert simulator.notebook().status == "RUNNING"
    assert (other.status, other.image_id, other.starts) == ("STOPPED", image_of_other, 0)


def test_stop_goes_on_with_notebook_that_it_waited_for(simulator: Simulator) -> None:
    other = simulator.notebook(simulator.add_notebook())
    save(simulator, notebook_id=other.id, tag="other", wait_for_notebook=True)
    saved = save(simulator, wait_for_completion=False)
    assert simulator.notebook().status == "SNAPSHOTTING"

    def task(notebook_id: str) -> StopNotebookOperator:
        return StopNotebookOperator(
            task_id="stop", notebook_id=notebook_id, deferrable=True, poll_interval=0.02
        )

    result = run(
        task,
        simulator.notebook_id,
        other.id,
        meanwhile=lambda: simulator.set_image_status(saved["image_id"], "ACTIVE"),
    )

    assert result["notebook_id"] == simulator.notebook_id
    assert (simulator.notebook().stops, other.stops) == (1, 0)


def test_save_waits_for_notebook_that_it_saved(simulator: Simulator) -> None:
    other = simulator.notebook(simulator.add_notebook())
    other.stop()

    def task(notebook_id: str) -> CreateNotebookImageOperator:
        return CreateNotebookImageOperator(
            task_id="save",
            notebook_id=notebook_id,
            name="research",
            namespace="team",
            wait_for_completion=True,
            deferrable=True,
            poll_interval=0.02,
        )

    result = run(task, simulator.notebook_id, other.id)

    assert result["notebook_id"] == simulator.notebook_id
    paths = [entry.path for entry in simulator.journal if entry.operation == "ShowNotebook"]
    assert {path.rpartition("/")[2] for path in paths} == {simulator.notebook_id}
