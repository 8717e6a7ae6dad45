"""
The rows of docs/permissions.md about retention, executed.

With exactly the actions of a row its task succeeds; without one of them it fails, or the result is the one
that stands here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.operators.retention import (
    DeleteNotebookImageOperator,
    PruneNotebookImagesOperator,
    RegisterNotebookImageOperator,
    TagNotebookImageOperator,
)
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.fast_forward import FastForward
from tests.integration import permission_tables
from tests.integration.permission_tables import OF_RETENTION, granted
from tests.recorder import TaskInstance, TaskStateStore, context
from tests.snapshots import DAY, active, daily, snapshot

pytestmark = pytest.mark.usefixtures("connection")

ROWS = {row: actions for row, actions in permission_tables.ROWS.items() if OF_RETENTION.match(row)}
PRUNE, DELETE = "PruneNotebookImagesOperator", "DeleteNotebookImageOperator"
TAG, REGISTER = "TagNotebookImageOperator", "RegisterNotebookImageOperator"
Scenario = Callable[[Simulator], None]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    FastForward(monkeypatch)


def run(kind: Any, **given: Any) -> Any:
    return kind(task_id="task", **given).execute(context(TaskInstance()))


def prune(mode: str, fault: Fault | None = None, **given: Any) -> Scenario:
    def scenario(simulator: Simulator) -> None:
        newest, old = daily(simulator, 2)
        if fault:
            simulator.inject(fault)
        result = run(PruneNotebookImagesOperator, all_of_project=True, keep_last=1, mode=mode, **given)
        assert [image["image_id"] for image in result["deleted"]] == [old]
        assert result["notebooks_seen"] == 1
        assert active(simulator) == ({newest, old} if mode == "report" else {newest})

    return scenario


def delete(**given: Any) -> Scenario:
    def scenario(simulator: Simulator) -> None:
        image_id = snapshot(simulator, "v1", age=DAY)
        run(DeleteNotebookImageOperator, image_id=image_id, **given)
        assert image_id not in active(simulator)

    return scenario


def delete_left_tag(simulator: Simulator) -> None:
    """A retry of a try that was killed between the record and the tag."""
    image_id = snapshot(simulator, "v1", age=DAY)
    (path,) = [image["swr_path"] for image in simulator.images if image["id"] == image_id]
    entry = {"image_id": image_id, "swr_path": path, "digest": simulator.registry.digest(path)}
    simulator.set_image_status(image_id, "DELETED")
    store = TaskStateStore(planned_deletions=[entry])
    operator = DeleteNotebookImageOperator(task_id="task", image_id=image_id, delete_swr_image=True)
    operator.execute(context(TaskInstance(try_number=2), task_state_store=store))
    assert path not in simulator.swr_paths


def tag(fault: Fault | None = None) -> Scenario:
    def scenario(simulator: Simulator) -> None:
        image_id = snapshot(simulator, "v1", age=DAY)
        if fault:
            simulator.inject(fault)
        assert run(TagNotebookImageOperator, image_id=image_id, new_tag="stable")["digest"]

    return scenario


def register(fault: Fault | None = None) -> Scenario:
    def scenario(simulator: Simulator) -> None:
        path = f"{simulator.registry.host}/team/research:v1"
        simulator.registry.push(path)
        if fault:
            simulator.inject(fault)
        assert run(RegisterNotebookImageOperator, swr_path=path)["status"] == "ACTIVE"

    return scenario


LOST = Fault("reset_after", "DeleteImage")
SCENARIOS: dict[str, list[Scenario]] = {
    f'{PRUNE} with mode="report"': [prune("report")],
    f'{PRUNE} with mode="unregister"': [prune("unregister"), prune("unregister", LOST)],
    f'{PRUNE} with mode="delete"': [prune("delete"), prune("delete", LOST)],
    f"{PRUNE} with own_notebooks_only=True": [
        prune("delete", own_notebooks_only=True),
        prune("delete", LOST, own_notebooks_only=True),
    ],
    DELETE: [delete()],
    f"{DELETE} with delete_swr_image=True": [delete(delete_swr_image=True), delete_left_tag],
    TAG: [tag(), tag(Fault("reset_after", "CreateRepoTag"))],
    REGISTER: [register(), register(Fault("reset_after", "RegisterImage"))],
}


def test_rows_of_page_have_scenarios() -> None:
    assert list(ROWS) == list(SCENARIOS)
    assert all(ROWS.values())


@pytest.mark.parametrize("row", SCENARIOS)
def test_task_succeeds_with_the_actions_of_its_row(row: str, simulator: Simulator) -> None:
    for scenario in SCENARIOS[row]:
        simulator.reset()
        simulator.revoke("*")
        simulator.grant(*granted(row))
        scenario(simulator)


@pytest.mark.parametrize(
    ("row", "action"), [(row, action) for row in SCENARIOS for action in ROWS.get(row, ())]
)
def test_task_needs_each_action_of_its_row(row: str, action: str, simulator: Simulator) -> None:
    outcomes = []
    for scenario in SCENARIOS[row]:
        simulator.reset()
        simulator.revoke("*")
        simulator.grant(*granted(row))
        simulator.revoke(action)
        try:
            scenario(simulator)
        except (AirflowFailException, ModelArtsError, AssertionError) as error:
            outcomes.append(error)
    assert outcomes
