"""The processes a stack is made of, and what can be done to them: start, start again, stop."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

TERM_SECONDS = 20.0
LOG_TAIL_LINES = 40


class StackError(Exception):
    """Airflow did not do what was requested; the message includes the end of its log."""


@dataclass(frozen=True)
class Component:
    """
    A long-running Airflow process.

    :param argv: the arguments of ``airflow``
    :param health: its key in the health report
    :param job: the type of its row in Airflow's table of jobs, where several run: the health
        report includes one of each kind only
    :param ready_text: text in its output once it is up, for a component without a record in Airflow
    :param may_end: whether it may end at any time; :meth:`ProcessGroup.restart_ended` then starts it again
    """

    name: str
    argv: tuple[str, ...]
    health: str | None = None
    job: str | None = None
    ready_text: str | None = None
    may_end: bool = False


# The log servers of scheduler, triggerer and worker listen on every interface whatever is configured,
# hence --skip-serve-logs; the api-server reads the same log files from the shared AIRFLOW_HOME.
_BASE = (
    Component("api-server", ("api-server", "--workers", "1"), health="metadatabase"),
    Component("scheduler", ("scheduler", "--skip-serve-logs"), health="scheduler"),
    Component("dag-processor", ("dag-processor",), health="dag_processor"),
)
_TRIGGERER = ("triggerer", "--skip-serve-logs")
DEFAULT_COMPONENTS = (*_BASE, Component("triggerer", _TRIGGERER, health="triggerer"))

TRIGGERERS = tuple(
    Component(name, _TRIGGERER, job="TriggererJob", may_end=True) for name in ("triggerer-1", "triggerer-2")
)
TWO_TRIGGERERS = (*_BASE, *TRIGGERERS)

# One task at a time each; without gossip and mingling a worker is up sooner.
WORKERS = tuple(
    Component(
        name,
        (
            *("celery", "worker", "--skip-serve-logs", "--without-gossip", "--without-mingle"),
            *("--concurrency", "1", "--celery-hostname", name, "--pid", f"{name}.pid"),
        ),
        ready_text=f"{name} ready",
        may_end=True,
    )
    for name in ("worker-1", "worker-2")
)
TWO_WORKERS = (*DEFAULT_COMPONENTS, *WORKERS)


class ProcessGroup:
    """
    The running components of one stack; each leads a session of its own and writes to a file.

    :param home: the folder of the output files, and where the components work
    :param env: their whole environment
    :param python: the Python that has Airflow
    """

    def __init__(
        self,
        home: Path,
        env: Mapping[str, str],
        progress: Callable[[str], None],
        python: str = sys.executable,
    ) -> None:
        self._home = home
        self._env = env
        self._progress = progress
        self._python = python
        self._components: dict[str, Component] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._output_begins: dict[str, int] = {}
        self._sessions: set[int] = set()

    def start(self, component: Component) -> None:
        """Start a component; the output of an earlier life stays in front of its own."""
        log = self._log_of(component.name)
        self._output_begins[component.name] = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            process = subprocess.Popen(
                airflow(*component.argv, python=self._python),
                env=self._env,
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._components[component.name] = component
        self._processes[component.name] = process
        self._sessions.add(process.pid)

    def process(self, name: str) -> psutil.Process:
        """Return the process that was started for a component."""
        return psutil.Process(self._processes[name].pid)

    def tree(self) -> list[psutil.Process]:
        """Return the processes of all components, and what those have started and not yet lost."""
        family: list[psutil.Process] = []
        for name in self._processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                first = self.process(name)
                family += [first, *first.children(recursive=True)]
        return family

    def restart_ended(self) -> list[str]:
        """Start again, as an init system would, every component that may end and has; return their names."""
        ended = [
            item
            for item in self._components.values()
            if item.may_end and self._processes[item.name].poll() is not None
        ]
        for component in ended:
            self.start(component)
        return [component.name for component in ended]

    def check_alive(self) -> None:
        """Raise with the tail of its log if a component has ended by itself that may not."""
        for name, process in self._processes.items():
            code = process.poll()
            if code is not None and not self._components[name].may_end:
                raise StackError(f"{name} ended by itself with code {code}.\n{self.tail(name)}")

    def has_started(self, component: Component) -> bool:
        """Whether a component's output has shown, since its last start, that it is up."""
        with self._log_of(component.name).open("rb") as output:
            output.seek(self._output_begins[component.name])
            return (component.ready_text or "").encode() in output.read()

    def tail(self, name: str) -> str:
        """Return the end of a component's output."""
        return tail(self._log_of(name))

    def stop(self) -> None:
        """SIGTERM to every component at once, SIGKILL to whatever of them is left after a bounded wait."""
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + TERM_SECONDS
        for name, process in self._processes.items():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.0, deadline - time.monotonic()))
            if process.poll() is None:
                self._progress(f"{name} did not stop within {TERM_SECONDS:.0f} s of SIGTERM: SIGKILL")
        for left in self._left():
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()
        for process in self._processes.values():
            process.wait()
        self._processes.clear()

    def orphans(self) -> list[psutil.Process]:
        """Return the processes that the components have started and lost."""
        family = set(self.tree())
        return [process for process in self._left() if process not in family]

    def _left(self) -> list[psutil.Process]:
        """Return what there is of all sessions; a task whose worker was killed is in no other group."""
        left: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(ProcessLookupError):
                if os.getsid(process.pid) in self._sessions:
                    left.append(process)
        return left

    def _log_of(self, name: str) -> Path:
        return self._home / f"{name}.log"


def airflow(*argv: str, python: str = sys.executable) -> Sequence[str]:
    """Return the command line of an ``airflow`` command."""
    return [python, "-m", "airflow", *argv]


def tail(log: Path) -> str:
    """Return the end of a file of output, with its name around it."""
    if not log.exists():
        return f"({log.name} was not written)"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
    return "\n".join([f"--- end of {log}", *lines, "---"])
