"""One run of the nightly example DAG: a real Airflow, the simulator, and what was seen on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_modelarts.simulator import AfterReads, Simulator
from tests.e2e.stack import POLL_SECONDS, AirflowStack

EXAMPLE_DAGS = Path(__file__).resolve().parents[2] / "example_dags"
DAG_ID = "nightly_notebook_snapshot"
SAVE_TASK = "save_notebook"
WAIT_TASK = "wait_until_active"

NAMESPACE = "research"
SAVE = AfterReads(2)
"""The sensor's own poll still finds it CREATING, so that it defers however busy the machine is."""
RUN_SECONDS = 180.0


def airflow_environment(simulator: Simulator) -> dict[str, str]:
    """Return the connection and the Variables with which the example DAGs reach the simulator."""
    return {
        "AIRFLOW_CONN_MODELARTS_DEFAULT": json.dumps(simulator.connection),
        "AIRFLOW_VAR_MODELARTS_NOTEBOOK_ID": simulator.notebook_id,
        "AIRFLOW_VAR_MODELARTS_NAMESPACE": NAMESPACE,
    }


@dataclass(frozen=True)
class NightlyRun:
    """
    A run that has ended.

    ``links`` are the extra links by task and button text as the REST API gave them while the sensor
    was deferred; it is empty when the sensor was never seen deferred. ``creates`` counts the
    create-image requests that reached the simulator during the run, whatever became of them.
    """

    run_id: str
    state: str
    tasks: Mapping[str, str | None]
    deferred: bool
    links: Mapping[str, Mapping[str, str | None]]
    creates: int


def run_nightly(
    stack: AirflowStack, simulator: Simulator, *, progress: Callable[[str], None] = print
) -> NightlyRun:
    """Trigger the nightly DAG by REST and follow it to its end, telling of every change of state."""
    creates_before = count_creates(simulator)
    run_id = stack.trigger_run(DAG_ID)
    progress(f"run {run_id} triggered")
    shown: dict[str, str | None] = {}
    deferred = False
    links: dict[str, dict[str, str | None]] = {}
    for now in stack.watch_run(DAG_ID, run_id, timeout=RUN_SECONDS):
        for task_id, state in sorted(now.tasks.items()):
            if state is not None and shown.get(task_id) != state:
                progress(f"{task_id}: {state}")
            shown[task_id] = state
        if now.tasks[WAIT_TASK] == "deferred" and not deferred:
            deferred = True
            progress("waiting in the triggerer, without a worker slot")
            links = _links_while_deferred(stack, run_id)
    progress(f"run {now.state}")
    return NightlyRun(
        run_id, now.state, now.tasks, deferred, links, count_creates(simulator) - creates_before
    )


def count_creates(simulator: Simulator) -> int:
    """Count the create-image requests the simulator has received."""
    return sum(entry.operation == "CreateImage" for entry in simulator.journal)


def _links_while_deferred(stack: AirflowStack, run_id: str) -> dict[str, dict[str, str | None]]:
    """Read the links of both tasks until each has an address, or until the sensor is no longer deferred."""
    links: dict[str, dict[str, str | None]] = {}
    while True:
        now = {task_id: stack.extra_links(DAG_ID, run_id, task_id) for task_id in (SAVE_TASK, WAIT_TASK)}
        # Read after the links, which were therefore present while the sensor was deferred.
        if stack.snapshot(DAG_ID, run_id).tasks[WAIT_TASK] != "deferred":
            return links
        links = now
        if all(shown and all(_lists(shown)) for shown in links.values()):
            return links
        time.sleep(POLL_SECONDS)


def _lists(links: Mapping[str, str | None]) -> list[str | None]:
    """Return the addresses of the links to lists; the others may have none."""
    return [address for name, address in links.items() if name.endswith("(list)")]
