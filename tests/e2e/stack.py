"""
A real Airflow on loopback: migrated database, api-server, scheduler, dag-processor and triggerer.

Everything lives in a temporary ``AIRFLOW_HOME``. Each component is a child in a session of its own
whose output goes to a file; leaving the ``with`` block ends them all and removes the folder, unless
something failed or ``keep_logs`` is set.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import requests

from tests.e2e.components import DEFAULT_COMPONENTS, Component, ProcessGroup, StackError, airflow, tail

TERMINAL_RUN_STATES = frozenset({"success", "failed"})

POLL_SECONDS = 0.25
MIGRATE_SECONDS = 120.0
HEALTHY_SECONDS = 180.0
DAG_SECONDS = 60.0
CLI_SECONDS = 120.0


@dataclass(frozen=True)
class RunSnapshot:
    """The state of a DAG run and of each of its tasks in one response of the REST API."""

    state: str
    tasks: Mapping[str, str | None]


class AirflowStack:
    """
    Start Airflow on entering, stop it on leaving, and send requests to its REST API in between.

    :param dags_folder: the folder Airflow reads its DAGs from
    :param env: extra environment of every Airflow process, e.g. ``AIRFLOW_CONN_…``; replaces the defaults
    :param components: the processes to run; another triggerer or a Celery worker is one more entry
    :param python: the Python that has the Airflow to run; by default the one that runs this
    :param keep_logs: keep ``AIRFLOW_HOME`` even when all went well
    :param progress: receives one line per step
    """

    def __init__(
        self,
        dags_folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        components: Sequence[Component] = DEFAULT_COMPONENTS,
        python: str = sys.executable,
        keep_logs: bool = False,
        progress: Callable[[str], None] = print,
    ) -> None:
        self.dags_folder = dags_folder
        self.components = tuple(components)
        self.python = python
        self.keep_logs = keep_logs
        self._progress = progress
        self._extra_env = dict(env or {})
        self._env: dict[str, str] = {}
        self._home: Path | None = None
        self._process_group: ProcessGroup | None = None
        self._url: str | None = None
        self._api = requests.Session()
        self._api.trust_env = False

    api = "/api/v2"
    """The path of the REST API."""

    # -- life ----------------------------------------------------------------------------------

    def __enter__(self) -> AirflowStack:  # noqa: PYI034 - Self needs Python 3.11
        try:
            self.start()
        except BaseException as error:
            self.keep_logs |= isinstance(error, Exception)
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # To be interrupted is not to fail.
        self.keep_logs |= isinstance(error, Exception)
        self.stop()

    @property
    def home(self) -> Path:
        """The temporary ``AIRFLOW_HOME``."""
        if self._home is None:
            raise StackError("Airflow was not started; use the stack as a context manager.")
        return self._home

    @property
    def processes(self) -> ProcessGroup:
        """The running components."""
        if self._process_group is None:
            raise StackError("Airflow was not started; use the stack as a context manager.")
        return self._process_group

    @property
    def url(self) -> str:
        """Where the UI and the REST API listen."""
        if self._url is None:
            raise StackError("Airflow was not started; use the stack as a context manager.")
        return self._url

    def start(self) -> None:
        """Migrate the database, start every component at once and wait until Airflow reports each healthy."""
        self._home = Path(tempfile.mkdtemp(prefix="airflow-e2e-"))
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        self._env = env = self._environment(port)
        self._migrate(env)
        self._progress("database ready; starting " + ", ".join(item.name for item in self.components))
        self._process_group = ProcessGroup(self.home, env, self._progress, self.python)
        for component in self.components:
            self._process_group.start(component)
        self._wait_until_healthy()
        self._log_in()
        self.wait_until_up()

    def _log_in(self) -> None:
        self._api.headers["Authorization"] = f"Bearer {self.token()}"

    def stop(self) -> None:
        """SIGTERM to every component at once, SIGKILL to whatever of them is left after a bounded wait."""
        self._api.close()  # The api-server waits for connections that are open.
        if self._process_group is not None:
            self._process_group.stop()
        if self._home is not None:
            if self.keep_logs:
                self._progress(f"the logs of Airflow are kept in {self._home}")
            else:
                shutil.rmtree(self._home, ignore_errors=True)

    def _environment(self, port: int) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            # Without its bytecode every Airflow process needs more than twice as long to import Airflow.
            if not name.startswith("AIRFLOW") and name not in {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
        }
        bin_folder = str(Path(self.python).parent)
        return {
            **inherited,
            "PATH": os.pathsep.join([bin_folder, inherited.get("PATH", os.defpath)]),
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "AIRFLOW_HOME": str(self.home),
            # What every component must agree on, and what Airflow would else make up too short for its taste.
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags_folder),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.25",
            # Only triggered runs: no scheduled run may come between them.
            "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
            **self._extra_env,
        }

    def _migrate(self, env: Mapping[str, str]) -> None:
        log = self.home / "migrate.log"
        with log.open("wb") as output:
            try:
                done = subprocess.run(
                    airflow("db", "migrate", python=self.python),
                    env=env,
                    cwd=self.home,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=MIGRATE_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise StackError(
                    f"`airflow db migrate` did not end within {MIGRATE_SECONDS:.0f} s.\n{tail(log)}"
                ) from None
        if done.returncode != 0:
            raise StackError(f"`airflow db migrate` ended with code {done.returncode}.\n{tail(log)}")

    def _wait_until_healthy(self) -> None:
        waiting = {item.health: item.name for item in self.components if item.health is not None}
        deadline = time.monotonic() + HEALTHY_SECONDS
        while waiting:
            self.check_alive()
            report = self._health()
            for key in [key for key in waiting if report.get(key) == "healthy"]:
                self._progress(f"{waiting.pop(key)} healthy")
            if waiting and time.monotonic() > deadline:
                tails = "\n".join(self.processes.tail(name) for name in waiting.values())
                raise StackError(
                    f"Not healthy after {HEALTHY_SECONDS:.0f} s: {', '.join(waiting.values())}.\n{tails}"
                )
            time.sleep(POLL_SECONDS)

    def _health(self) -> dict[str, str | None]:
        try:
            reply = self._api.get(f"{self.url}/api/v2/monitor/health", timeout=10)
        except requests.RequestException:
            return {}  # The api-server does not listen yet.
        if reply.status_code != 200:
            return {}
        return {key: part["status"] for key, part in reply.json().items() if part is not None}

    def wait_until_up(self) -> None:
        """Wait until every component that is not in the health report is up."""
        deadline = time.monotonic() + HEALTHY_SECONDS
        while missing := self._missing():
            self.check_alive()
            if time.monotonic() > deadline:
                tails = "\n".join(self.processes.tail(name) for name in missing)
                raise StackError(f"Not up after {HEALTHY_SECONDS:.0f} s: {', '.join(missing)}.\n{tails}")
            time.sleep(POLL_SECONDS)

    def _missing(self) -> list[str]:
        missing = [
            item.name for item in self.components if item.ready_text and not self.processes.has_started(item)
        ]
        for job in {item.job for item in self.components if item.job}:
            names = [item.name for item in self.components if item.job == job]
            alive = self.request("GET", "/api/v2/jobs", job_type=job, is_alive="true")["jobs"]
            missing += names if len(alive) < len(names) else []
        return missing

    def check_alive(self) -> None:
        """Raise with the tail of its log if a component has ended by itself that should not."""
        self.processes.check_alive()

    def run_cli(self, *argv: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """
        Run one ``airflow`` command to its end and return what came of it, output and errors in one.

        :param env: more environment for this command
        """
        return subprocess.run(
            airflow(*argv, python=self.python),
            env={**self._env, **(env or {})},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=CLI_SECONDS,
            check=False,
        )

    # -- REST ----------------------------------------------------------------------------------

    def request(self, method: str, path: str, *, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """Send one REST request and return its JSON; an answer other than 2xx is a :class:`StackError`."""
        try:
            reply = self._api.request(method, self.url + path, json=body, params=query, timeout=60)
        except requests.RequestException as error:
            self.check_alive()
            log = self.processes.tail("api-server")
            raise StackError(f"{method} {path}: no answer from the api-server ({error}).\n{log}") from error
        if not reply.ok:
            raise StackError(f"{method} {path} was answered {reply.status_code}: {reply.text[:2000]}")
        return reply.json()

    def token(self) -> str:
        """Return a bearer token of the administrator everyone is here."""
        return str(self.request("GET", "/auth/token")["access_token"])

    def wait_for_dag(self, dag_id: str, *, timeout: float = DAG_SECONDS) -> None:
        """Wait until the dag-processor has stored a DAG; a DAG file that cannot be imported ends the wait."""
        deadline = time.monotonic() + timeout
        while True:
            self.check_alive()
            known = self.request("GET", "/api/v2/dags", dag_id_pattern=dag_id)["dags"]
            if any(dag["dag_id"] == dag_id for dag in known):
                return
            broken = self.request("GET", "/api/v2/importErrors")["import_errors"]
            if broken:
                texts = "\n".join(f"{item['filename']}:\n{item['stack_trace']}" for item in broken)
                raise StackError(f"A file in {self.dags_folder} cannot be imported.\n{texts}")
            if time.monotonic() > deadline:
                raise StackError(
                    f"DAG {dag_id} did not appear within {timeout:.0f} s. Is it defined in "
                    f"{self.dags_folder}?\n{self.processes.tail('dag-processor')}"
                )
            time.sleep(POLL_SECONDS)

    def trigger_run(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run now and return its id."""
        body = {"logical_date": None, "conf": dict(conf or {})}
        return str(self.request("POST", f"{self.api}/dags/{quote(dag_id)}/dagRuns", body=body)["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run, e.g. ``queued``, ``running``, ``success``."""
        return str(self.request("GET", self._run_path(dag_id, run_id))["state"])

    def task_instances(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """
        Return the task instances of a run by task id, as the REST API describes them.

        That of an expanded task is followed by its map index, as in ``save[0]``.
        """
        found = self.request("GET", self._run_path(dag_id, run_id) + "/taskInstances")["task_instances"]
        return {
            item["task_id"] if item["map_index"] < 0 else f"{item['task_id']}[{item['map_index']}]": item
            for item in found
        }

    def snapshot(self, dag_id: str, run_id: str) -> RunSnapshot:
        """Return the state of a run and of its tasks, the run read first: an ended run has ended tasks."""
        state = self.run_state(dag_id, run_id)
        tasks = {task_id: item["state"] for task_id, item in self.task_instances(dag_id, run_id).items()}
        return RunSnapshot(state, tasks)

    def watch_run(self, dag_id: str, run_id: str, *, timeout: float) -> Iterator[RunSnapshot]:
        """Yield a snapshot whenever a state has changed, the last one when the run has ended."""
        deadline = time.monotonic() + timeout
        last: RunSnapshot | None = None
        while last is None or last.state not in TERMINAL_RUN_STATES:
            self.check_alive()
            now = self.snapshot(dag_id, run_id)
            if now != last:
                last = now
                yield now
            elif time.monotonic() > deadline:
                raise StackError(
                    f"Run {run_id} of {dag_id} has not ended within {timeout:.0f} s. Last seen: {now.state}, "
                    f"{dict(now.tasks)}.\n{self.processes.tail('scheduler')}"
                )
            else:
                time.sleep(POLL_SECONDS)

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """Return one XCom value of a task, whose id may be followed by a map index."""
        path, of_index = self._task_path(dag_id, run_id, task_id)
        return self.request("GET", f"{path}/xcomEntries/{quote(key)}", **of_index)["value"]

    def xcom_keys(self, dag_id: str, run_id: str, task_id: str) -> set[str]:
        """Return the keys of a task's XComs."""
        path, of_index = self._task_path(dag_id, run_id, task_id)
        found = self.request("GET", f"{path}/xcomEntries", **of_index)["xcom_entries"]
        return {entry["key"] for entry in found}

    def extra_links(self, dag_id: str, run_id: str, task_id: str) -> dict[str, str | None]:
        """Return the extra links of a task by the text of their button; a missing address is None."""
        path, of_index = self._task_path(dag_id, run_id, task_id)
        return dict(self.request("GET", f"{path}/links", **of_index)["extra_links"])

    def newest_asset_event(self) -> str:
        """Return the extra of the newest event of any asset, as JSON."""
        kind = "assets" if self.api == "/api/v2" else "datasets"
        reply = self.request("GET", f"{self.api}/{kind}/events", order_by="-timestamp", limit=1)
        events = reply.get("asset_events", reply.get("dataset_events"))
        return json.dumps(events[0]["extra"] if events else None)

    def task_log(self, dag_id: str, run_id: str, task_id: str, *, try_number: int = 1) -> str:
        """Return the log of one try of a task as text, the exceptions in it one per line."""
        path, of_index = self._task_path(dag_id, run_id, task_id)
        lines: list[str] = []
        found = self.request("GET", f"{path}/logs/{try_number}", full_content="true", **of_index)
        for entry in found["content"]:
            if isinstance(entry, str):
                lines.append(entry)
                continue
            lines.append(f"{entry.get('level') or 'info'}: {entry['event']}")
            lines.extend(
                f"{part['exc_type']}: {part['exc_value']}" for part in entry.get("error_detail") or []
            )
        return "\n".join(lines)

    def _run_path(self, dag_id: str, run_id: str) -> str:
        return f"{self.api}/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"

    def _task_path(self, dag_id: str, run_id: str, task_id: str) -> tuple[str, dict[str, Any]]:
        """Return the path of a task, and the query that selects its map index, if it has one."""
        name, _, index = task_id.removesuffix("]").partition("[")
        path = f"{self._run_path(dag_id, run_id)}/taskInstances/{quote(name)}"
        return path, {"map_index": index} if index else {}


def free_port() -> int:
    """Return a TCP port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
