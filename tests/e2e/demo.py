"""
The demo: a nightly snapshot in a real Airflow against the simulated ModelArts, nothing to configure.

Run by ``bash run.sh demo``. The exit code is 0 only if the run succeeded, its sensor was seen
deferred, and XCom holds exactly the image that the simulator issued.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType

from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.e2e.components import StackError
from tests.e2e.nightly import (
    DAG_ID,
    EXAMPLE_DAGS,
    SAVE,
    SAVE_TASK,
    WAIT_TASK,
    NightlyRun,
    airflow_environment,
    run_nightly,
)
from tests.e2e.stack import AirflowStack

FAILURE_MESSAGE = "The image could not be pushed: the disk of the notebook is full."


class Stopwatch:
    """Prints lines with the seconds since the start in front."""

    def __init__(self) -> None:
        """Start now."""
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """The seconds since the start."""
        return time.monotonic() - self._started

    def say(self, line: str) -> None:
        """Print one line without buffering."""
        print(f"[{self.seconds:5.1f} s] {line}", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(prog="bash run.sh demo", description="A nightly snapshot, end to end.")
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument(
        "--fail", action="store_true", help="let the save fail, to see how a failure is shown"
    )
    options = parser.parse_args(argv)
    # SIGTERM too must leave the with blocks below, so that no process is left behind.
    signal.signal(signal.SIGTERM, _exit_on_signal)
    watch = Stopwatch()
    try:
        code = _demo(options, watch)
    except StackError as error:
        watch.say("Airflow failed to start or stopped working; its error follows")
        print(error, file=sys.stderr, flush=True)
        code = 1
    except KeyboardInterrupt:
        watch.say("interrupted before the run ended")
        code = 130
    watch.say(f"demo {'passed' if code == 0 else 'FAILED'} after {watch.seconds:.0f} s")
    return code


def _exit_on_signal(signum: int, _: FrameType | None) -> None:
    sys.exit(128 + signum)


def _demo(options: argparse.Namespace, watch: Stopwatch) -> int:
    with Simulator(save=SAVE) as simulator:
        watch.say(f"simulated ModelArts at {simulator.endpoint}, notebook {simulator.notebook_id}")
        if options.fail:
            simulator.inject(Fault(kind="save_fails", operation="CreateImage", message=FAILURE_MESSAGE))
        stack = AirflowStack(
            EXAMPLE_DAGS, env=airflow_environment(simulator), keep_logs=options.keep, progress=watch.say
        )
        with stack:
            stack.wait_for_dag(DAG_ID)
            watch.say(f"Airflow at {stack.url} has loaded {DAG_ID}")
            run = run_nightly(stack, simulator, progress=watch.say)
            complaints = _report(run, stack, simulator)
            for complaint in complaints:
                print(f"FAILED: {complaint}", flush=True)
            if complaints:
                stack.keep_logs = True
            if options.keep:
                watch.say(f"Airflow is running: open {stack.url} (no login), stop it with Ctrl-C")
                with contextlib.suppress(KeyboardInterrupt):
                    threading.Event().wait()
    return 1 if complaints else 0


def _report(run: NightlyRun, stack: AirflowStack, simulator: Simulator) -> list[str]:
    """Print what the run left behind and return what is wrong with it."""
    for task_id, links in run.links.items():
        for text, address in links.items():
            print(f"link while deferred  {task_id}: {text} -> {address}", flush=True)
    print(f"create-image requests {run.creates}", flush=True)

    complaints: list[str] = []
    if not run.deferred:
        complaints.append(f"{WAIT_TASK} was never deferred.")
    if run.creates != 1:
        complaints.append(f"the simulator received {run.creates} create-image requests instead of one.")
    if run.state != "success":
        complaints.extend(_task_errors(run, stack))
        return complaints

    issued = {image["id"]: image["swr_path"] for image in simulator.images}
    for task_id in (SAVE_TASK, WAIT_TASK):
        image_id = stack.xcom(DAG_ID, run.run_id, task_id, "image_id")
        swr_path = stack.xcom(DAG_ID, run.run_id, task_id, "swr_path")
        print(f"XCom of {task_id}", flush=True)
        print(f"  image_id           {image_id}", flush=True)
        print(f"  swr_path           {swr_path}", flush=True)
        if issued.get(image_id) != swr_path:
            complaints.append(f"{task_id} pushed {image_id}, {swr_path}; the simulator issued {issued}.")
    if not complaints:
        print("both are the image in the simulator", flush=True)
    return complaints


def _task_errors(run: NightlyRun, stack: AirflowStack) -> list[str]:
    """Return the error in the log of each failed task."""
    tries = stack.task_instances(DAG_ID, run.run_id)
    errors: list[str] = []
    for task_id, state in run.tasks.items():
        if state == "failed":
            log = stack.task_log(DAG_ID, run.run_id, task_id, try_number=tries[task_id]["try_number"])
            lines = log.splitlines()
            first = next((at for at, line in enumerate(lines) if line.startswith("error:")), 0)
            text = "\n".join(f"    {line}" for line in lines[first:] if "::group::" not in line)
            errors.append(f"{task_id} failed; its log has:\n{text}")
    return errors or [f"the run ended as {run.state}, but no task failed: {dict(run.tasks)}"]


if __name__ == "__main__":
    sys.exit(main())
