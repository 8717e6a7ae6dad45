"""A fleet of notebooks is saved once each, whatever fails or is killed, and has one summary."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from airflow_provider_modelarts.simulator import AfterSeconds, Fault, Simulator
from tests.e2e.components import TWO_TRIGGERERS, StackError
from tests.e2e.engines import postgresql
from tests.e2e.example_runs import EXAMPLE_DAGS, airflow_environment, make_pool
from tests.e2e.failure_logs import keep_logs_after_failure
from tests.e2e.flows import SOON
from tests.e2e.stack import POLL_SECONDS, TERMINAL_RUN_STATES, AirflowStack

pytestmark = pytest.mark.e2e

DAG_ID, SAVE, WAIT = "nightly_fleet", "snapshot.save", "snapshot.wait"
NOTEBOOKS = 50
SLOTS = 12
SAVE_SECONDS = 5.0
SLOW_CREATE = 30.0
"""Seconds between the create-image of the victim and its response, in which its task is killed."""
RUN_SECONDS = 600.0
FAULTS = ("error", "html", "reset", "reset_after", "torn")
"""Each happens to one request in a hundred."""
SETTINGS = {
    **SOON,
    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
    "AIRFLOW__CORE__PARALLELISM": "8",
    # Of the example, which sets none of its own.
    "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
}


@dataclass
class Fleet:
    """
    A run of the example DAG over a fleet.

    :param denied: the notebook that may not be saved, and the one that is always busy.
    :param victim: the notebook whose task is killed while it is being saved.
    """

    stack: AirflowStack
    simulator: Simulator
    denied: str
    busy: str
    victim: str
    run_id: str
    state: str = ""
    seconds: float = 0.0
    killed: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"{self.stack.api}/dags/{DAG_ID}/dagRuns/{quote(self.run_id, safe='')}"

    def tasks(self) -> dict[tuple[str, int], dict[str, Any]]:
        """Return all task instances of the run, by task id and map index."""
        found: dict[tuple[str, int], dict[str, Any]] = {}
        while True:
            page = self.stack.request("GET", f"{self.path}/taskInstances", limit=100, offset=len(found))
            found |= {(item["task_id"], item["map_index"]): item for item in page["task_instances"]}
            if len(found) >= page["total_entries"]:
                return found

    def creates(self, notebook_id: str, *, effective: bool = False) -> int:
        """Count the create-image requests for a notebook, all or those that took effect."""
        return sum(
            entry.operation == "CreateImage" and notebook_id in entry.path and (entry.effect or not effective)
            for entry in self.simulator.journal
        )

    def wait_until(self, is_true: Callable[[], Any], claim: str, interval: float = POLL_SECONDS) -> None:
        deadline = time.monotonic() + RUN_SECONDS
        while not is_true():
            self.stack.check_alive()
            if time.monotonic() > deadline:
                states = Counter((key[0], item["state"]) for key, item in self.tasks().items())
                raise StackError(f"Not true within {RUN_SECONDS:.0f} s: {claim}. {states}")
            time.sleep(interval)

    def map_index(self, notebook_id: str) -> int:
        """Return the place of a notebook in the list."""
        listed = self.stack.xcom(DAG_ID, self.run_id, "list_notebooks")
        return [notebook["notebook_id"] for notebook in listed].index(notebook_id)

    def holders(self, log: str) -> list[psutil.Process]:
        """Return the processes that have a log of the run open, whose path below the run ends like this."""
        path = re.compile(rf".*/run_id={re.escape(self.run_id)}/{log}")
        holders = []
        for process in self.stack.processes.tree():
            with suppress(psutil.Error):
                if any(path.fullmatch(file.path) for file in process.open_files()):
                    holders.append(process)
        return holders

    def kill_task_of_victim(self) -> None:
        """Kill the task process that waits for the response to its create-image."""
        self.wait_until(lambda: self.creates(self.victim), "the victim's save was asked for")
        index = self.map_index(self.victim)
        holders = self.holders(rf"task_id={SAVE}/map_index={index}/attempt=\d+\.log")
        pids = {process.pid for process in holders}
        (supervisor,) = (process for process in holders if process.ppid() not in pids)
        (task,) = supervisor.children()
        task.kill()
        self.killed.append("task")

    def kill_triggerer(self) -> None:
        """Kill a triggerer that has waits of the run."""
        holders: list[psutil.Process] = []

        def has_waits() -> bool:
            holders[:] = self.holders(rf"task_id={SAVE}/map_index=\d+/attempt=\d+\.log\.trigger\.\d+\.log")
            return bool(holders)

        self.wait_until(has_waits, "a triggerer has waits")
        holders[0].kill()
        self.wait_until(self.stack.processes.restart_ended, "the triggerer has ended")
        self.killed.append("triggerer")


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(save=AfterSeconds(SAVE_SECONDS)) as running:
        yield running


@pytest.fixture(scope="module")
def stack(simulator: Simulator, request: pytest.FixtureRequest) -> Iterator[AirflowStack]:
    with postgresql() as database:
        env = {
            **airflow_environment(simulator),
            **SETTINGS,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        }
        with (
            AirflowStack(EXAMPLE_DAGS, env=env, components=TWO_TRIGGERERS) as running,
            keep_logs_after_failure(running, request.session),
        ):
            running.wait_for_dag(DAG_ID)
            make_pool(running, "modelarts_saves", SLOTS)
            yield running


@pytest.fixture(scope="module")
def fleet(stack: AirflowStack, simulator: Simulator) -> Fleet:
    """Run the DAG over the fleet, with two kills, and return it when it has ended."""
    # Two of them have the same name.
    ids = [simulator.notebook_id, *(simulator.add_notebook(name=f"n{n // 2}") for n in range(NOTEBOOKS - 1))]
    denied, busy, victim = ids[7], ids[23], ids[11]
    create: dict[str, Any] = {"operation": "CreateImage", "times": None}
    simulator.inject(
        Fault("error", status=403, code="ModelArts.0108", resource_id=denied, **create),
        Fault("error", status=400, code="ModelArts.6357", resource_id=busy, **create),
        Fault("slow", "CreateImage", seconds=SLOW_CREATE, resource_id=victim),
        *(Fault(kind, times=None, chance=0.01) for kind in FAULTS),
    )
    began = time.monotonic()
    fleet = Fleet(stack, simulator, denied, busy, victim, stack.trigger_run(DAG_ID))
    fleet.kill_task_of_victim()
    fleet.kill_triggerer()
    fleet.wait_until(
        lambda: stack.run_state(DAG_ID, fleet.run_id) in TERMINAL_RUN_STATES, "the run has ended", interval=2
    )
    fleet.state = stack.run_state(DAG_ID, fleet.run_id)
    fleet.seconds = time.monotonic() - began
    return fleet


def test_fleet_is_saved_once_each(fleet: Fleet, simulator: Simulator) -> None:
    failed = {fleet.denied, fleet.busy}
    saves = Counter(
        re.sub(r".*/notebooks/([^/]*)/.*", r"\1", entry.path)
        for entry in simulator.journal
        if entry.operation == "CreateImage" and entry.effect
    )
    assert set(saves.values()) == {1}
    assert len(saves) == NOTEBOOKS - len(failed)
    assert not failed & saves.keys()
    assert Counter(image["status"] for image in simulator.images) == {"ACTIVE": NOTEBOOKS - len(failed)}
    faults = Counter(entry.fault for entry in simulator.journal if entry.fault in FAULTS)
    print(f"run: {fleet.seconds:.0f} s, {len(simulator.journal)} requests, faults {dict(faults)}")
    assert faults, "nothing failed, so that one save each proves nothing"


def test_fleet_run_fails_with_one_summary_that_names_everything(fleet: Fleet, simulator: Simulator) -> None:
    assert fleet.state == "failed"
    lines = fleet.stack.xcom(DAG_ID, fleet.run_id, "summarize", "summary")
    assert len(lines) == NOTEBOOKS
    outcomes = {re.findall(r"\(([0-9a-f-]{36})\)", line)[0]: line for line in lines}
    paths = {image["swr_path"] for image in simulator.images}
    saved = {
        notebook_id: line.rpartition(": saved as ")[2]
        for notebook_id, line in outcomes.items()
        if ": saved as " in line
    }
    assert set(saved.values()) == paths
    assert len(saved) == len(paths) == NOTEBOOKS - 2
    assert outcomes.keys() - saved.keys() == {fleet.denied, fleet.busy}
    assert "ModelArts.0108" in outcomes[fleet.denied]
    assert "ModelArts.6357" in outcomes[fleet.busy]
    assert [line for line in lines if "FAILED" in line] == [
        line for line in lines if fleet.denied in line or fleet.busy in line
    ]


def test_fleet_retries_what_may_pass_and_what_was_killed(fleet: Fleet) -> None:
    tries = {index: item["try_number"] for (task, index), item in fleet.tasks().items() if task == SAVE}
    assert fleet.killed == ["task", "triggerer"]
    assert tries[fleet.map_index(fleet.victim)] > 1, "nothing was killed"
    assert tries[fleet.map_index(fleet.denied)] == 1
    assert tries[fleet.map_index(fleet.busy)] == 4


def test_fleet_saves_no_more_at_once_than_pool_has_slots(fleet: Fleet, simulator: Simulator) -> None:
    """Except that of the killed task, which goes on without one."""
    spans = [
        (image["create_at"], image["update_at"])
        for image in simulator.images
        if fleet.victim not in image["description"]
    ]
    at_once = [sum(begun <= at < ended for begun, ended in spans) for at, _ in spans]
    print(f"saves at once: {max(at_once)}")
    assert 1 < max(at_once) <= SLOTS


def test_fleet_leaves_its_notebooks_running(fleet: Fleet, simulator: Simulator) -> None:
    states = Counter((task, item["state"]) for (task, _), item in fleet.tasks().items())
    assert states == {
        ("list_notebooks", "success"): 1,
        (SAVE, "success"): NOTEBOOKS - 2,
        (SAVE, "failed"): 2,
        (WAIT, "success"): NOTEBOOKS - 2,
        (WAIT, "upstream_failed"): 2,
        ("summarize", "failed"): 1,
    }
    listed = fleet.stack.xcom(DAG_ID, fleet.run_id, "list_notebooks")
    assert {simulator.notebook(item["notebook_id"]).status for item in listed} == {"RUNNING"}
