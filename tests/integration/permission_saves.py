"""Saves by the operator, for the tests of the permissions that they need."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException, TaskDeferred

from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.simulator import Simulator
from tests.integration.hook_permissions import IMAGE
from tests.recorder import TaskInstance, context


def save(simulator: Simulator, *, try_number: int = 1, run_id: str = "nightly", **arguments: Any) -> Any:
    """Run the operator."""
    given = {**IMAGE, "notebook_id": simulator.notebook_id, "poll_interval": 1, **arguments}
    store = given.pop("store", None)
    task = CreateNotebookImageOperator(task_id="save", **given)
    ti = TaskInstance(try_number=try_number, run_id=run_id)
    return finish(task, context(ti, **({"task_state_store": store} if store else {})))


def finish(task: Any, given: Any) -> Any:
    """Execute a task and, when it defers, its trigger, and go on."""
    try:
        return task.execute(given)
    except TaskDeferred as deferred:
        trigger: Any = deferred.trigger

        async def events() -> list[Any]:
            return [event.payload async for event in trigger.run()]

        (event,) = asyncio.run(events())
        return task.execute_complete(given, event)


def stopped_notebook_is_skipped(simulator: Simulator) -> None:
    simulator.notebook().stop()
    with pytest.raises(AirflowSkipException):
        save(simulator, if_not_running="skip")
    assert simulator.saves == 0


def lease_is_renewed(simulator: Simulator) -> None:
    simulator.notebook().set_lease(seconds=600)
    save(simulator, min_lease="2h")
    assert simulator.saves == 1
    if (simulator.notebook().lease_ends_at or 0) < simulator.now() + 3600:
        raise ModelArtsError(
            "No lease was renewed: modelarts:notebook:updateStopPolicy, modelarts:notebook:get"
        )
