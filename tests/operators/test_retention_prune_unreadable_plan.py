"""A retry of a prune that cannot read what the first try planned."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.exceptions import PruneIncompleteError
from airflow_provider_modelarts.operators.retention import (
    DeleteNotebookImageOperator,
    PruneNotebookImagesOperator,
)
from airflow_provider_modelarts.simulator import Simulator
from tests.recorder import TaskInstance, TaskStateStore, context
from tests.snapshots import active, daily

pytestmark = pytest.mark.usefixtures("connection")


def execute(mode: Any, try_number: int) -> Any:
    task = PruneNotebookImagesOperator(task_id="prune", all_of_project=True, keep_last=1, mode=mode)
    store = TaskStateStore(failure=RuntimeError("the API server is not reachable"))
    return task.execute(context(TaskInstance(try_number=try_number), task_state_store=store))


@pytest.mark.parametrize("mode", ["unregister", "delete"])
def test_prune_of_a_retry_deletes_nothing_if_the_plan_cannot_be_read(simulator: Simulator, mode: str) -> None:
    """It would delete what the first try did not plan, and as many images again."""
    found = daily(simulator, 3)

    with pytest.raises(PruneIncompleteError, match=r"Nothing was deleted.*the API server is not reachable"):
        execute(mode, 2)

    assert active(simulator) == set(found)


@pytest.mark.parametrize(("mode", "try_number"), [("report", 2), ("delete", 1)])
def test_prune_needs_no_plan_for_a_report_or_a_first_try(
    simulator: Simulator, mode: str, try_number: int
) -> None:
    daily(simulator, 3)
    assert len(execute(mode, try_number)["deleted"]) == 2


def test_delete_of_a_retry_goes_on_if_the_plan_cannot_be_read(simulator: Simulator) -> None:
    """It names the one image that it deletes."""
    _, old = daily(simulator, 2)
    store = TaskStateStore(failure=RuntimeError("the API server is not reachable"))
    task = DeleteNotebookImageOperator(task_id="delete", image_id=old)

    task.execute(context(TaskInstance(try_number=2), task_state_store=store))

    assert old not in active(simulator)
