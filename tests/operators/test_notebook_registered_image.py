"""Old snapshots that were registered again: their record is new, but what they contain is not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_modelarts.client import notebook_steps
from airflow_provider_modelarts.operators.notebook import (
    ListNotebooksOperator,
    RestoreNotebookOperator,
    StopNotebookOperator,
)
from airflow_provider_modelarts.operators.retention import (
    DeleteNotebookImageOperator,
    RegisterNotebookImageOperator,
)
from airflow_provider_modelarts.simulator import Simulator
from tests.operators.saves import save
from tests.operators.test_notebook_stop import age_images
from tests.recorder import TaskInstance
from tests.task_runs import run

pytestmark = pytest.mark.usefixtures("quick_polls", "connection", "_checks_are_quick")


@pytest.fixture
def _checks_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook_steps, "CHECK_INTERVAL", 0.01)


def register_again(simulator: Simulator, saved: dict[str, Any]) -> dict[str, Any]:
    """Unregister a snapshot, register it again with its marker, and return the new record."""
    marker = f"[airflow:0123456789abcdef notebook:{simulator.notebook_id}]"
    run(DeleteNotebookImageOperator(task_id="unregister", image_id=saved))
    task = RegisterNotebookImageOperator(
        task_id="register", swr_path=saved["swr_path"], description=f"Brought back {marker}"
    )
    found: dict[str, Any] = run(task)
    return found


def old_snapshot(simulator: Simulator) -> dict[str, Any]:
    """Save the notebook, and return the snapshot, which began long ago and which it no longer runs."""
    saved: dict[str, Any] = save(simulator, TaskInstance(run_id="old"), wait_for_completion=True)
    age_images(simulator, timedelta(days=9))
    simulator.notebook().install("newer")
    return saved


def rebuild(simulator: Simulator) -> None:
    """Let the notebook run another image."""
    fields = {"status": "ACTIVE", "name": "base", "namespace": "team", "tag": "1", "origin": "CUSTOMIZE"}
    image_id = simulator.add_image(**fields)
    simulator.notebook().stop()
    restore(simulator, image_id=image_id)


def restore(simulator: Simulator, **arguments: Any) -> None:
    given = {"task_id": "restore", "notebook_id": simulator.notebook_id, "poll_interval": 0.02, **arguments}
    run(RestoreNotebookOperator(**given))


@pytest.mark.parametrize("is_given", [False, True], ids=["listed", "given"])
def test_stop_is_refused_after_old_snapshot_was_registered_again(
    simulator: Simulator, is_given: bool
) -> None:
    """Its record is dated after the last start, but nobody has saved what is installed now."""
    saved = old_snapshot(simulator)
    rebuild(simulator)
    simulator.notebook().install("precious")
    registered = register_again(simulator, saved)
    given: dict[str, Any] = {"image_id": registered} if is_given else {}

    with pytest.raises(AirflowFailException, match="was registered" if is_given else "no ACTIVE snapshot"):
        run(StopNotebookOperator(task_id="stop", notebook_id=simulator.notebook_id, **given))

    assert simulator.notebook().status == "RUNNING"
    assert "precious" in simulator.notebook().environment


def test_stop_is_refused_of_notebook_that_runs_snapshot_that_was_registered_again(
    simulator: Simulator,
) -> None:
    """The start right after the registration is not the end of a save."""
    saved = old_snapshot(simulator)
    rebuild(simulator)
    registered = register_again(simulator, saved)
    simulator.notebook().stop()
    restore(simulator, image_id=registered)
    simulator.notebook().install("precious")

    with pytest.raises(AirflowFailException, match="no ACTIVE snapshot"):
        run(StopNotebookOperator(task_id="stop", notebook_id=simulator.notebook_id))

    assert "precious" in simulator.notebook().environment


def test_list_notebooks_has_unsaved_one_whose_old_snapshot_was_registered_again(
    simulator: Simulator,
) -> None:
    saved = old_snapshot(simulator)
    rebuild(simulator)
    register_again(simulator, saved)

    found = run(ListNotebooksOperator(task_id="list", status="RUNNING", not_saved_within="12h"))

    assert [notebook["notebook_id"] for notebook in found] == [simulator.notebook_id]


@pytest.mark.parametrize("is_alone", [False, True], ids=["with a later snapshot", "alone"])
def test_restore_of_newest_snapshot_takes_registered_one_only_without_another(
    simulator: Simulator, is_alone: bool
) -> None:
    saved = expected = old_snapshot(simulator)
    if not is_alone:
        expected = save(simulator, TaskInstance(run_id="new"), wait_for_completion=True)
    rebuild(simulator)
    registered = register_again(simulator, saved)
    simulator.notebook().stop()

    restore(simulator, start=False)

    wanted = registered if is_alone else expected
    assert simulator.notebook().image_id == wanted["image_id"]
