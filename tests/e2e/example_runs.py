"""One run of an example DAG: a real Airflow, the simulator, and what was seen on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_modelarts.simulator import AfterReads, Simulator
from tests.e2e.stack import POLL_SECONDS, AirflowStack

EXAMPLE_DAGS = Path(__file__).resolve().parents[2] / "example_dags"
NIGHTLY = "nightly_notebook_snapshot"
SAVE_TASK = "save_notebook"
WAIT_TASK = "wait_until_active"

NAMESPACE = "research"
SAVE = AfterReads(2)
"""The first poll of a save still finds it CREATING, so that the task defers however busy the machine is."""
RUN_SECONDS = 180.0


def airflow_environment(simulator: Simulator) -> dict[str, str]:
    """Return the connection and the Variables with which the example DAGs reach the simulator."""
    return {
        "AIRFLOW_CONN_MODELARTS_DEFAULT": json.dumps(simulator.connection),
        "AIRFLOW_VAR_MODELARTS_NOTEBOOK_ID": simulator.notebook_id,
        "AIRFLOW_VAR_MODELARTS_NAMESPACE": NAMESPACE,
    }


def make_pool(stack: AirflowStack, name: str, slots: int) -> None:
    """Make a pool in which a deferred task keeps its slot."""
    body = {"name": name, "slots": slots, "include_deferred": True}
    stack.request("POST", f"{stack.api}/pools", body=body)


@dataclass(frozen=True)
class ExampleRun:
    """
    A run that has ended.

    :param tasks: states by task id, that of a mapped task with its map index, as in ``save[0]``.
    :param deferred: the tasks that were seen deferred.
    :param links: the extra links by task and button text, as the REST API gave them while the first of those
        was deferred.
    :param creates: the create-image requests that reached the simulator during the run, whatever became of
        them.
    """

    dag_id: str
    run_id: str
    state: str
    tasks: Mapping[str, str | None]
    deferred: frozenset[str]
    links: Mapping[str, Mapping[str, str | None]]
    creates: int


def run_example(
    stack: AirflowStack,
    simulator: Simulator,
    dag_id: str = NIGHTLY,
    conf: Mapping[str, Any] | None = None,
    *,
    progress: Callable[[str], None] = print,
) -> ExampleRun:
    """Trigger an example DAG by REST and follow it to its end, with a line for each change of state."""
    creates_before = count_creates(simulator)
    run_id = stack.trigger_run(dag_id, conf)
    progress(f"run {run_id} triggered")
    shown: dict[str, str | None] = {}
    deferred: set[str] = set()
    links: dict[str, dict[str, str | None]] = {}
    for now in stack.watch_run(dag_id, run_id, timeout=RUN_SECONDS):
        for task_id, state in sorted(now.tasks.items()):
            if state is not None and shown.get(task_id) != state:
                progress(f"{task_id}: {state}")
            shown[task_id] = state
        waiting = {task_id for task_id, state in now.tasks.items() if state == "deferred"}
        if waiting and not deferred:
            progress("waiting in the triggerer, without a worker slot")
            links = _links_while_deferred(stack, dag_id, run_id, waiting)
        deferred |= waiting
    progress(f"run {now.state}")
    creates = count_creates(simulator) - creates_before
    return ExampleRun(dag_id, run_id, now.state, now.tasks, frozenset(deferred), links, creates)


def count_creates(simulator: Simulator, notebook_id: str | None = None) -> int:
    """
    Count the create-image requests that the simulator has received, whatever became of them.

    :param notebook_id: only those for this notebook.
    """
    return sum(
        entry.operation == "CreateImage" and (notebook_id or "") in entry.path for entry in simulator.journal
    )


def _links_while_deferred(
    stack: AirflowStack, dag_id: str, run_id: str, waiting: set[str]
) -> dict[str, dict[str, str | None]]:
    """Read the links of the tasks so far until each has an address, or until none is deferred any more."""
    links: dict[str, dict[str, str | None]] = {}
    while True:
        tasks = stack.snapshot(dag_id, run_id).tasks
        begun = [task_id for task_id, state in tasks.items() if state in {"success", "deferred"}]
        now = {task_id: stack.extra_links(dag_id, run_id, task_id) for task_id in begun}
        # Read after the links, which were therefore present while a task was deferred.
        if not any(stack.snapshot(dag_id, run_id).tasks[task_id] == "deferred" for task_id in waiting):
            return links
        links = {task_id: shown for task_id, shown in now.items() if shown}
        if all(all(_lists(shown)) for shown in links.values()):
            return links
        time.sleep(POLL_SECONDS)


def _lists(links: Mapping[str, str | None]) -> list[str | None]:
    """Return the addresses of the links to lists; the others may have none."""
    return [address for name, address in links.items() if name.endswith("(list)")]
