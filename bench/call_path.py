"""
Count the files of the package that a reader has to open to follow a task.

One task that defers runs against the simulator: its submit (from ``execute`` to the deferral), its wait (the
trigger) and its resume (``execute_complete``). Each step counts every file in which it calls a function, but
not those of the simulator. All modules are imported before, so an import alone counts nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

os.environ["AIRFLOW_HOME"] = os.environ.get("AIRFLOW_HOME") or tempfile.mkdtemp(prefix="modelarts-bench-")
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"

from airflow.providers.common.compat.sdk import TaskDeferred

import airflow_provider_modelarts
from airflow_provider_modelarts.hooks.clients import shared_credentials
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.simulator import AfterReads, Simulator

PACKAGE = Path(airflow_provider_modelarts.__file__).parent
SIMULATOR = PACKAGE / "simulator"

BUDGETS = {"submit": 42, "wait": 35, "resume": 25, "resume without the notebook": 8}
"""
Files that each step may enter: what it enters today. More fails the benchmark.

A submit that waits reads the notebook's lease, and a resume the notebook, so both enter what a request needs;
with ``wait_for_notebook=False`` a resume sends none.
"""


class TaskInstance:
    """A running task's first try, and its XComs."""

    dag_id, task_id, run_id, map_index = "bench", "save", "manual", -1
    try_number, max_tries = 1, 0

    def __init__(self) -> None:
        self.xcom: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep an XCom."""
        self.xcom[key] = value


def entered_by(step: Callable[[], Any]) -> tuple[list[str], Any]:
    """Return the package's files in which a step calls functions, in their order, and its result."""
    files: dict[str, None] = {}

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            files[frame.f_code.co_filename] = None

    threading.setprofile(profile)  # in threads that begin now
    sys.setprofile(profile)
    try:
        result = step()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    paths = [Path(name) for name in files]
    ours = [path for path in paths if PACKAGE in path.parents and SIMULATOR not in path.parents]
    return [str(path.relative_to(PACKAGE)) for path in ours], result


def run_task(simulator: Simulator, *, wait_for_notebook: bool = True) -> dict[str, list[str]]:
    """Run a task that defers from its first line to its last; return the files of each step."""
    shared_credentials.cache_clear()  # as in a process of its own
    os.environ["AIRFLOW_CONN_MODELARTS_DEFAULT"] = json.dumps(simulator.connection)
    task = CreateNotebookImageOperator(
        task_id="save",
        notebook_id=simulator.add_notebook(name="bench"),
        name="research",
        namespace="team",
        wait_for_completion=True,
        wait_for_notebook=wait_for_notebook,
        deferrable=True,
        poll_interval=1,
    )
    context: Any = {"ti": TaskInstance()}
    submit, deferral = entered_by(lambda: deferral_of(task, context))
    shared_credentials.cache_clear()
    wait, event = entered_by(lambda: asyncio.run(first_event(deferral.trigger)))
    resume, result = entered_by(
        lambda: task.resume_execution(deferral.method_name, {"event": event}, context)
    )
    if result["status"] != "ACTIVE":
        raise RuntimeError(f"the image is {result['status']}: something else was measured")
    return {"submit": submit, "wait": wait, "resume": resume}


def deferral_of(task: CreateNotebookImageOperator, context: Any) -> TaskDeferred:
    """Run a task until it defers."""
    try:
        task.execute(context)
    except TaskDeferred as deferral:
        return deferral
    raise RuntimeError("the task did not defer: something else was measured")


async def first_event(trigger: Any) -> Any:
    """Run a trigger until its event."""
    async for event in trigger.run():
        return event.payload
    raise RuntimeError("the trigger ended without an event")


def main() -> int:
    """Print the files of each step and return 1 if one enters more than its budget."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n", maxsplit=1)[0])
    # run.sh passes the same arguments to all benchmarks.
    parser.parse_known_args()
    with Simulator(save=AfterReads(3)) as simulator:
        run_task(simulator)  # loads what is imported on the way
        steps = run_task(simulator)
        steps["resume without the notebook"] = run_task(simulator, wait_for_notebook=False)["resume"]
    failed = False
    for step, files in steps.items():
        is_bad = len(files) > BUDGETS[step]
        failed |= is_bad
        print(f"{step}: {len(files)} files, budget {BUDGETS[step]}{'  FAILED' if is_bad else ''}")
        print("".join(f"    {name}\n" for name in files))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
