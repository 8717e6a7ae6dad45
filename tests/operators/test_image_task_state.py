"""The image id that the operator stores between tries, and tries without it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client import idempotent_create
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.recorder import TaskInstance, TaskStateStore, context

ID = "6b1c2d3e-4f50-4a61-8b72-9c83ad94be05"

pytestmark = pytest.mark.usefixtures("connection")


def execute(try_number: int, **given: Any) -> dict[str, Any]:
    save = CreateNotebookImageOperator(task_id="save", notebook_id=ID, name="research", namespace="team")
    return save.execute(context(TaskInstance(try_number=try_number), **given))


def operation_names(simulator: Simulator) -> list[str]:
    return [entry.operation for entry in simulator.journal]


def test_operator_reads_stored_image_id_instead_of_list(simulator: Simulator) -> None:
    """One request for that image shows whether it matches."""
    store = TaskStateStore()

    first = execute(1, task_state_store=store)
    second = execute(2, task_state_store=store)

    assert store.kept == {"image_id": first["image_id"]}
    assert (second["image_id"], second["adopted"]) == (first["image_id"], True)
    assert operation_names(simulator) == ["CreateImage", "ShowImage"]


def test_operator_first_try_does_not_read_task_state(simulator: Simulator) -> None:
    """It would be empty, and cost a request."""
    execute(1, task_state_store=TaskStateStore(image_id="0b1c2d3e-4f50-4a61-8b72-9c83ad94be05"))

    assert operation_names(simulator) == ["CreateImage"]


@pytest.mark.parametrize("kept", ["0b1c2d3e-4f50-4a61-8b72-9c83ad94be05", 7, {"id": "x"}, ["x"], ""])
def test_operator_checks_stored_image_id_by_marker(kept: Any, simulator: Simulator) -> None:
    first = execute(1)

    again = execute(2, task_state_store=TaskStateStore(image_id=kept))

    assert (again["image_id"], again["adopted"], simulator.saves) == (first["image_id"], True, 1)


def test_operator_stores_id_of_adopted_image(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotent_create, "LOOKUP_INTERVAL", 0.01)
    simulator.inject(Fault("reset_after", "CreateImage"))
    store = TaskStateStore()

    assert store.kept == {"image_id": execute(1, task_state_store=store)["image_id"]}
    assert simulator.saves == 1


@pytest.mark.parametrize("try_number", [1, 2])
def test_operator_succeeds_when_task_state_store_fails(
    try_number: int, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    store = TaskStateStore(failure=RuntimeError("the API server is away"))

    assert execute(try_number, task_state_store=store)["status"] == "INIT"

    assert simulator.saves == 1
    assert "the API server is away" in caplog.text


def test_operator_adopts_by_marker_without_task_state_store(simulator: Simulator) -> None:
    first, second = execute(1), execute(2)

    assert (second["image_id"], second["adopted"]) == (first["image_id"], True)
    assert simulator.saves == 1
