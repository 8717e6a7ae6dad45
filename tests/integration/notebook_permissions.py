"""What tasks about notebooks do with exactly the actions that docs/permissions.md lists for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.operators.notebook import (
    ListNotebooksOperator,
    RenewNotebookLeaseOperator,
    RestoreNotebookOperator,
    StartNotebookOperator,
    StopNotebookOperator,
)
from airflow_provider_modelarts.sensors.notebook import NotebookStatusSensor
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.task_runs import run

Scenario = Callable[[Simulator], object]


def task(kind: Any, simulator: Simulator, **arguments: Any) -> Any:
    """Run a task about the simulator's notebook, and return its result."""
    return run(kind(task_id="task", notebook_id=simulator.notebook_id, **arguments))


def add_snapshot(simulator: Simulator, **fields: Any) -> str:
    marker = f"[airflow:0123456789abcdef notebook:{simulator.notebook_id}]"
    return simulator.add_image(status="ACTIVE", description=marker, **fields)


def start(**arguments: Any) -> Scenario:
    def scenario(simulator: Simulator) -> None:
        simulator.notebook().stop()
        task(StartNotebookOperator, simulator, poll_interval=1, **arguments)
        assert (simulator.notebook().status, simulator.notebook().starts) == ("RUNNING", 1)

    return scenario


def stop(*, names_image: bool = False, is_old: bool = False, **arguments: Any) -> Scenario:
    """A stop after a save; of an image that is too old, a newer one is found."""

    def scenario(simulator: Simulator) -> None:
        image_id = None
        if not arguments.get("discard_environment"):
            image_id = add_snapshot(simulator)
            if is_old:
                created_at = int((simulator.now() - 4 * 3600) * 1000)
                image_id = add_snapshot(simulator, tag="older", create_at=created_at)
        given = {"image_id": image_id} if names_image else {}
        task(StopNotebookOperator, simulator, poll_interval=1, **given, **arguments)
        assert (simulator.notebook().status, simulator.notebook().stops) == ("STOPPED", 1)

    return scenario


def renew(simulator: Simulator) -> None:
    simulator.notebook().set_lease(seconds=600)
    task(RenewNotebookLeaseOperator, simulator, duration="2h")
    assert (simulator.notebook().lease_ends_at or 0) > simulator.now() + 7000


def restore(*, names_image: bool, **arguments: Any) -> Scenario:
    def scenario(simulator: Simulator) -> None:
        image_id = add_snapshot(simulator)
        if "stop_running" not in arguments:
            simulator.notebook().stop()
        given = {"image_id": image_id} if names_image else {}
        task(RestoreNotebookOperator, simulator, poll_interval=1, **given, **arguments)
        assert (simulator.notebook().status, simulator.notebook().image_id) == ("RUNNING", image_id)

    return scenario


def sense(*, deferrable: bool) -> Scenario:
    def scenario(simulator: Simulator) -> None:
        if deferrable:
            # The poll before the deferral fails, so that the trigger finds the result.
            simulator.inject(Fault("html", "ShowNotebook"))
        result = task(NotebookStatusSensor, simulator, poke_interval=1, deferrable=deferrable)
        assert result["status"] == "RUNNING"

    return scenario


def list_them(*, is_saved: bool = False, **arguments: Any) -> Scenario:
    def scenario(simulator: Simulator) -> None:
        if is_saved:
            add_snapshot(simulator)
        found = run(ListNotebooksOperator(task_id="list", **arguments))
        if is_saved and found:
            # The task succeeds with a warning, and a notebook that is saved is saved once more.
            raise ModelArtsError("modelarts:image:list is missing: a saved notebook is listed")
        assert len(found) == (0 if is_saved else 1)

    return scenario


STOP, RESTORE, LIST = "StopNotebookOperator", "RestoreNotebookOperator", "ListNotebooksOperator"
SCENARIOS: dict[str, dict[str, Scenario]] = {
    "NotebookStatusSensor": {
        "a status": sense(deferrable=False),
        "a deferred status": sense(deferrable=True),
    },
    "StartNotebookOperator": {"a start": start(), "a deferred start": start(deferrable=True)},
    STOP: {"a stop": stop()},
    f"{STOP} with an image_id": {
        "a stop with an image": stop(names_image=True),
        "a stop with an image that is too old": stop(names_image=True, is_old=True),
    },
    f"{STOP} with discard_environment=True": {"a stop that discards": stop(discard_environment=True)},
    "RenewNotebookLeaseOperator": {"a renewal": renew},
    RESTORE: {"a restore of the newest image": restore(names_image=False)},
    f"{RESTORE} with an image_id": {"a restore of an image": restore(names_image=True)},
    f"{RESTORE} with stop_running=True": {
        "a restore of a running notebook": restore(names_image=False, stop_running=True)
    },
    LIST: {"a list": list_them(status="RUNNING")},
    f"{LIST} with all_users=True": {"a list of all": list_them(all_users=True)},
    f"{LIST} with not_saved_within": {
        "a list of unsaved ones": list_them(is_saved=True, not_saved_within=timedelta(hours=1))
    },
}

STARTS = {"a start", "a deferred start"}
GIVEN_STOPS = {"a stop with an image", "a stop with an image that is too old"}
RESTORES = {"a restore of the newest image", "a restore of an image", "a restore of a running notebook"}
FAILS: dict[str, set[str]] = {
    "modelarts:notebook:get": {
        *("a status", "a deferred status", "a renewal", "a stop that discards"),
        *(*STARTS, "a stop", *GIVEN_STOPS, *RESTORES),
    },
    "modelarts:notebook:start": {*STARTS, *RESTORES},
    "modelarts:notebook:stop": {
        *("a stop", *GIVEN_STOPS, "a stop that discards", "a restore of a running notebook")
    },
    "modelarts:notebook:updateStopPolicy": {"a renewal"},
    "modelarts:notebook:update": RESTORES,
    "modelarts:notebook:list": {"a list", "a list of unsaved ones"},
    "modelarts:notebook:listAllNotebooks": {"a list of all"},
    "modelarts:image:list": {
        *("a stop", "a stop with an image that is too old", "a list of unsaved ones"),
        *("a restore of the newest image", "a restore of a running notebook"),
    },
    "modelarts:image:get": {*GIVEN_STOPS, *RESTORES},
}
"""What fails without an action: the page lists the same."""
STAYS = {"modelarts:image:list": {"a stop with an image"}}
"""What works as usual without it."""
