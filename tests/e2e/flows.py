"""Runs of the DAGs in ``dags/failover.py``, their processes, and the stacks they run on."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from airflow_provider_modelarts.simulator import JournalEntry, Simulator
from tests.e2e.components import TWO_TRIGGERERS, TWO_WORKERS, StackError
from tests.e2e.engines import postgresql, redis_server
from tests.e2e.stack import POLL_SECONDS, AirflowStack

DAGS = Path(__file__).with_name("dags")
SAVE_AND_WAIT = "save_and_wait"
SAVE, WAIT = "save", "wait"
STATE_SECONDS = 120.0

SOON = {
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
}
"""How soon a triggerer misses another; the defaults are 5 and 30 seconds."""

_TASKS_SOON = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "3",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "12",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "2",
}


def _environment(simulator: Simulator, database: str, executor: str) -> dict[str, str]:
    return {
        "AIRFLOW_CONN_MODELARTS_DEFAULT": json.dumps(simulator.connection),
        "AIRFLOW__CORE__EXECUTOR": executor,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        **_TASKS_SOON,
    }


@contextmanager
def on_two_triggerers(
    simulator: Simulator, triggerers: Mapping[str, str] = SOON, *, progress: Callable[[str], None] = print
) -> Iterator[tuple[AirflowStack, str]]:
    """
    Run Airflow on PostgreSQL with LocalExecutor and two triggerers; yield it and its database's address.

    :param triggerers: settings of the triggerers, none for Airflow's defaults.
    """
    with postgresql() as database:
        env = {**_environment(simulator, database, "LocalExecutor"), **triggerers}
        with AirflowStack(DAGS, env=env, components=TWO_TRIGGERERS, progress=progress) as stack:
            stack.wait_for_dag(SAVE_AND_WAIT)
            yield stack, database


@contextmanager
def on_two_workers(simulator: Simulator) -> Iterator[AirflowStack]:
    """Run Airflow on PostgreSQL and Redis with CeleryExecutor and two workers."""
    with postgresql() as database, redis_server() as broker:
        env = {
            **_environment(simulator, database, "CeleryExecutor"),
            "AIRFLOW__CELERY__BROKER_URL": broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database}",
        }
        with AirflowStack(DAGS, env=env, components=TWO_WORKERS) as stack:
            stack.wait_for_dag(SAVE_AND_WAIT)
            yield stack


class Flow:
    """
    One run of a DAG.

    :param conf: params of the run; without any, it saves a notebook that is made for it.
    """

    def __init__(
        self, stack: AirflowStack, simulator: Simulator, dag_id: str = SAVE_AND_WAIT, **conf: Any
    ) -> None:
        self.stack = stack
        self.simulator = simulator
        self.dag_id = dag_id
        self.notebook_id = simulator.add_notebook()
        self.image_name = f"of-{self.notebook_id}"
        of_save = {"notebook_id": self.notebook_id, "name": self.image_name}
        self.run_id = stack.trigger_run(dag_id, conf or of_save)

    # -- state in Airflow ------------------------------------------------------------------------

    def task(self, task_id: str) -> dict[str, Any]:
        """Return a task instance as the REST API describes it."""
        return self.stack.task_instances(self.dag_id, self.run_id)[task_id]

    def await_state(self, task_id: str, *wanted: str, timeout: float = STATE_SECONDS) -> dict[str, Any]:
        """Wait until a task is in one of some states, and return its instance."""
        found: dict[str, Any] = {}

        def is_there() -> bool:
            found.update(self.task(task_id))
            return found["state"] in wanted

        self.wait_until(is_there, f"{task_id} is {' or '.join(wanted)}", timeout=timeout)
        return found

    def await_release(self, task_id: str) -> None:
        """
        Wait until no worker has anything to do with a deferred task.

        To Airflow a task has failed that is resumed before it has seen the end of the task's first leg.
        """
        self.wait_until(lambda: self.supervisor(task_id) is None, f"no worker supervises {task_id}")

    def wait_until(self, is_true: Callable[[], Any], claim: str, *, timeout: float = STATE_SECONDS) -> None:
        """Wait for something to become true; raises with the states of this run when it does not."""
        deadline = time.monotonic() + timeout
        while not is_true():
            self.stack.check_alive()
            if time.monotonic() > deadline:
                now = self.stack.snapshot(self.dag_id, self.run_id)
                raise StackError(
                    f"Not true within {timeout:.0f} s: {claim}. Run {self.run_id} is {now.state}, "
                    f"{dict(now.tasks)}.\n{self.stack.processes.tail('scheduler')}"
                )
            time.sleep(POLL_SECONDS)

    def end(self, *, timeout: float = STATE_SECONDS) -> str:
        """Wait until the run has ended, and return its state."""
        *_, last = self.stack.watch_run(self.dag_id, self.run_id, timeout=timeout)
        return last.state

    def set_task_state(self, task_id: str, state: str) -> None:
        """Give a task a state, as a person does in the UI."""
        path = f"/api/v2/dags/{self.dag_id}/dagRuns/{quote(self.run_id, safe='')}/taskInstances/{task_id}"
        self.stack.request("PATCH", path, body={"new_state": state})

    def clear(self, task_id: str) -> None:
        """Clear a task that has ended, as a person does in the UI, and none of those behind it."""
        body = {"dag_run_id": self.run_id, "task_ids": [task_id], "only_failed": False, "dry_run": False}
        self.stack.request("POST", f"/api/v2/dags/{self.dag_id}/clearTaskInstances", body=body)

    def problems(self) -> list[str]:
        """Return what is wrong with a run of :data:`SAVE_AND_WAIT` that has ended."""
        now = self.stack.snapshot(self.dag_id, self.run_id)
        if now.state != "success" or set(now.tasks.values()) != {"success"}:
            return [f"the run is {now.state}: {dict(now.tasks)}"]
        found: list[str] = []
        if self.saves != 1:
            found.append(f"{self.saves} create-image requests took effect")
        for task_id in now.tasks:
            value = self.stack.xcom(self.dag_id, self.run_id, task_id)
            pushed = (value["image_id"], value["swr_path"])
            if [pushed] != self.images:
                found.append(f"{task_id} pushed {pushed}, and there is {self.images}")
        return found

    # -- requests in the simulator ---------------------------------------------------------------

    @property
    def creates(self) -> list[JournalEntry]:
        """The create-image requests for the notebook, whatever became of them."""
        return [
            entry
            for entry in self.simulator.journal
            if entry.operation == "CreateImage" and self.notebook_id in entry.path
        ]

    @property
    def saves(self) -> int:
        """How many of them took effect."""
        return sum(entry.effect for entry in self.creates)

    @property
    def images(self) -> list[tuple[str, str]]:
        """The ids and addresses of the images that were saved of the notebook, oldest first."""
        saved = [image for image in self.simulator.images if image["name"] == self.image_name]
        return [(image["id"], image["swr_path"]) for image in saved]

    def hold(self) -> None:
        """Let the save of the notebook, once it has begun, go on until :meth:`finish`."""
        self.wait_until(lambda: self.images, "the save has begun")
        for image_id, _ in self.images:
            self.simulator.set_image_status(image_id, "CREATING")

    def finish(self) -> None:
        """Let the saves of the notebook end well."""
        for image_id, _ in self.images:
            self.simulator.set_image_status(image_id, "ACTIVE")

    @property
    def polls(self) -> list[JournalEntry]:
        """The polls of its images, by the task and by the triggerers."""
        ends = tuple(f"/{image_id}" for image_id, _ in self.images)
        return [entry for entry in self.simulator.journal if ends and entry.path.endswith(ends)]

    # -- processes -------------------------------------------------------------------------------

    def supervisor(self, task_id: str = SAVE) -> psutil.Process | None:
        """Return the worker's process that supervises a task, which holds the log of the task open."""
        holders = self._holders(task_id, r"\.log")
        # A task's own process inherits the open file.
        pids = {process.pid for process in holders}
        return next((process for process in holders if process.ppid() not in pids), None)

    def task_process(self, task_id: str = SAVE) -> psutil.Process | None:
        """Return the process that runs a task's own code."""
        return _child(self.supervisor(task_id))

    def triggerer(self, task_id: str = WAIT) -> psutil.Process | None:
        """Return the triggerer that has the wait of a task, which holds the log of the wait open."""
        return next(iter(self._holders(task_id, r"\.log\.trigger\.\d+\.log")), None)

    def runner(self, task_id: str = WAIT) -> psutil.Process | None:
        """Return the child of that triggerer in which the wait runs."""
        return _child(self.triggerer(task_id))

    def _holders(self, task_id: str, suffix: str) -> list[psutil.Process]:
        log = re.compile(rf".*/run_id={re.escape(self.run_id)}/task_id={task_id}/attempt=\d+{suffix}")
        holders: list[psutil.Process] = []
        for process in self.stack.processes.tree():
            with suppress(psutil.Error):
                if any(log.fullmatch(file.path) for file in process.open_files()):
                    holders.append(process)
        return holders


VICTIMS: dict[str, Callable[[Flow], psutil.Process | None]] = {
    "task process": Flow.task_process,
    "worker": Flow.supervisor,
    "triggerer": Flow.triggerer,
    "runner of the triggerer": Flow.runner,
}
"""Whom a run can lose: the first two while it saves, the other two while it waits."""


def _child(process: psutil.Process | None) -> psutil.Process | None:
    """Return the only child of a process that has one at most."""
    if process is None:
        return None
    with suppress(psutil.NoSuchProcess):
        return next(iter(process.children()), None)
    return None
