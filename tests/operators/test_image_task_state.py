"""What the operator remembers from one try to the next, and how little depends on it."""

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


def test_the_id_is_remembered_and_spares_the_next_try_the_list(simulator: Simulator) -> None:
    """One look at the image itself tells whether it is the one."""
    store = TaskStateStore()

    first = execute(1, task_state_store=store)
    second = execute(2, task_state_store=store)

    assert store.kept == {"image_id": first["image_id"]}
    assert (second["image_id"], second["adopted"]) == (first["image_id"], True)
    assert operation_names(simulator) == ["CreateImage", "ShowImage"]


def test_a_first_try_asks_nothing_of_the_store(simulator: Simulator) -> None:
    """There is nothing in it, and the round trip would be for nothing."""
    execute(1, task_state_store=TaskStateStore(image_id="0b1c2d3e-4f50-4a61-8b72-9c83ad94be05"))

    assert operation_names(simulator) == ["CreateImage"]


@pytest.mark.parametrize("kept", ["0b1c2d3e-4f50-4a61-8b72-9c83ad94be05", 7, {"id": "x"}, ["x"], ""])
def test_what_is_remembered_is_not_believed(kept: Any, simulator: Simulator) -> None:
    """Whoever wrote it: the image that bears the mark is the one."""
    first = execute(1)

    again = execute(2, task_state_store=TaskStateStore(image_id=kept))

    assert (again["image_id"], again["adopted"], simulator.saves) == (first["image_id"], True, 1)


def test_an_adopted_image_is_remembered_too(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third try need not look for it a third time."""
    monkeypatch.setattr(idempotent_create, "LOOKUP_INTERVAL", 0.01)
    simulator.inject(Fault("reset_after", "CreateImage"))
    store = TaskStateStore()

    assert store.kept == {"image_id": execute(1, task_state_store=store)["image_id"]}
    assert simulator.saves == 1


@pytest.mark.parametrize("try_number", [1, 2])
def test_a_store_that_fails_fails_no_task(
    try_number: int, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """The save is done, or can be found without it; the log says what is missing."""
    store = TaskStateStore(failure=RuntimeError("the API server is away"))

    assert execute(try_number, task_state_store=store)["status"] == "INIT"

    assert simulator.saves == 1
    assert "the API server is away" in caplog.text


def test_without_a_store_all_goes_on_as_before_3_3(simulator: Simulator) -> None:
    """By mark and tag alone."""
    first, second = execute(1), execute(2)

    assert (second["image_id"], second["adopted"]) == (first["image_id"], True)
    assert simulator.saves == 1
