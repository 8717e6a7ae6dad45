"""
The compatibility matrix: the nightly example DAG and clears on every supported Airflow, each in its own venv.

Run by ``bash run.sh matrix [version …]``. Dependencies are resolved afresh, as a user's installer
would, and the project is installed from its wheel; only what would otherwise keep that Airflow from
running at all is pinned in the case.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = {"the nightly DAG": "nightly.py", "clears": "clearing.py"}
STEP_SECONDS = 900.0
LOG_TAIL_LINES = 60


@dataclass(frozen=True)
class Case:
    """An Airflow version, the Pythons it is run on, and the pins without which it does not run."""

    airflow: str
    oldest_python: tuple[int, int] = (3, 10)
    newest_python: tuple[int, int] = (3, 13)
    pins: tuple[str, ...] = ()


CASES = (
    # Not final: its parts are named because an installer takes no other for them.
    Case(
        "3.4.0b2",
        oldest_python=(3, 11),
        pins=("apache-airflow-core==3.4.0b2", "apache-airflow-task-sdk==1.4.0b2"),
    ),
    Case("3.3.2"),
    Case("2.11.2", newest_python=(3, 12)),
)


@dataclass(frozen=True)
class Result:
    """How a case went; ``complaint`` is empty when it passed."""

    case: Case
    python: str
    seconds: float
    complaint: str


class CellError(Exception):
    """A step of a case failed; the message names it and includes the end of its output."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the selected cases, one after the other, and return the exit code."""
    known = {case.airflow: case for case in CASES}
    parser = argparse.ArgumentParser(prog="bash run.sh matrix", description="Run the DAG on each Airflow.")
    parser.add_argument("versions", nargs="*", metavar="version", help=f"of {', '.join(known)}; default all")
    versions = parser.parse_args(argv).versions
    unknown = [version for version in versions if version not in known]
    if unknown:
        parser.error(f"no case for Airflow {', '.join(unknown)}; there are {', '.join(known)}")
    uv = shutil.which("uv")
    if uv is None:
        print("The matrix needs uv: install it, or put it on PATH.", file=sys.stderr)
        return 1

    results = [run_case(case, uv) for case in CASES if not versions or case.airflow in versions]

    print()
    print("Airflow | Python | result | seconds")
    print("------- | ------ | ------ | -------")
    for result in results:
        outcome = "FAILED" if result.complaint else "passed"
        print(f"{result.case.airflow:7} | {result.python:6} | {outcome} | {result.seconds:7.1f}")
    failed = sum(bool(result.complaint) for result in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


def run_case(case: Case, uv: str) -> Result:
    """Make the venv of a case, install Airflow and the project into it, and run the scenarios there."""
    started = time.monotonic()
    venv = ROOT / ".venv-matrix" / case.airflow
    python = venv / "bin" / "python"
    version = "?"
    complaint = ""
    try:
        log(case, "making the venv")
        step([uv, "venv", "--quiet", "--clear", "--python", python_request(case), str(venv)])
        version = step([str(python), "-c", "import platform; print(platform.python_version())"]).strip()
        log(case, f"installing on Python {version}")
        wanted = [f"apache-airflow=={case.airflow}", *case.pins]
        step(
            [
                *(uv, "pip", "install", "--quiet", "--python", str(python)),
                *("--reinstall-package", "airflow-provider-modelarts", *wanted, str(ROOT)),
            ]
        )
        for title, file in SCENARIOS.items():
            log(case, f"running {title}")
            step([str(python), str(Path(__file__).with_name(file))])
    except CellError as error:
        complaint = str(error)
        print(complaint, flush=True)
    seconds = time.monotonic() - started
    log(case, f"{'FAILED' if complaint else 'passed'} after {seconds:.1f} s")
    return Result(case, version, seconds, complaint)


def python_request(case: Case) -> str:
    """Return the Python for uv: the one running this, unless it is too old or too new for the case."""
    if case.oldest_python <= sys.version_info[:2] <= case.newest_python:
        return sys.executable
    major, minor = case.newest_python
    return f">={'.'.join(map(str, case.oldest_python))},<{major}.{minor + 1}"


def step(command: Sequence[str]) -> str:
    """Run one command with a clean environment and return what it printed."""
    # Not PYTHONDONTWRITEBYTECODE: a new venv is imported by several processes in a row.
    dropped = {"PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"}
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in dropped and not name.startswith("AIRFLOW")
    }
    try:
        done = subprocess.run(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CellError(f"`{' '.join(command)}` did not end within {STEP_SECONDS:.0f} s.") from error
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-LOG_TAIL_LINES:])
        raise CellError(f"`{' '.join(command)}` ended with code {done.returncode}:\n{tail}")
    return done.stdout


def log(case: Case, line: str) -> None:
    """Print one line of progress at once."""
    print(f"[Airflow {case.airflow}] {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
