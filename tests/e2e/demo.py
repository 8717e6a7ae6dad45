"""
The demo: an example DAG in a real Airflow against the simulated ModelArts, nothing to configure.

Run by ``bash run.sh demo``, which runs the nightly snapshot, or with the id of another example DAG. The exit
code is 0 only if the run succeeded, a task of it was seen deferred, each image in its XComs is one that the
simulator issued, and the notebook is what the DAG should have made of it; with ``--fail`` only if the sensor
failed with the reason that the simulator gave.
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
from tests.e2e.demonstrations import dag_ids, demonstration_of
from tests.e2e.example_runs import (
    EXAMPLE_DAGS,
    NIGHTLY,
    SAVE,
    WAIT_TASK,
    ExampleRun,
    airflow_environment,
    make_pool,
    run_example,
)
from tests.e2e.stack import AirflowStack

FAILURE_MESSAGE = "The image could not be pushed: the disk of the notebook is full."
SHOWN = ("image_id", "swr_path", "notebook_id", "status", "summary")
"""The XComs that are printed."""


MAX_SILENCE = 9.0
"""Seconds after which a line says that the demo still waits."""


class Stopwatch:
    """
    Prints lines with the seconds since the start in front, and one more whenever none came for a while.

    :param max_silence: seconds without a line.
    """

    def __init__(self, max_silence: float = MAX_SILENCE) -> None:
        """Start now."""
        self._started = self._last = time.monotonic()
        self._last_line = "started"
        self._max_silence = max_silence
        self._is_over = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> Stopwatch:  # noqa: PYI034 - Self needs Python 3.11
        threading.Thread(target=self._fill_silence, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Print no more lines of its own."""
        self._is_over.set()

    @property
    def seconds(self) -> float:
        """The seconds since the start."""
        return time.monotonic() - self._started

    def say(self, line: str) -> None:
        """Print one line without buffering."""
        with self._lock:
            self._last_line = line
            self._print(line)

    def _print(self, line: str) -> None:
        self._last = time.monotonic()
        print(f"[{self.seconds:5.1f} s] {line}", flush=True)

    def _fill_silence(self) -> None:
        wait = self._max_silence
        while not self._is_over.wait(wait):
            with self._lock:
                wait = self._last + self._max_silence - time.monotonic()
                if wait <= 0:
                    self._print(f"still waiting; last: {self._last_line}")
                    wait = self._max_silence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(prog="bash run.sh demo", description="An example DAG, end to end.")
    ids = dag_ids()
    parser.add_argument(
        "dag_id",
        nargs="?",
        default=NIGHTLY,
        metavar="DAG_ID",
        help=f"by default {NIGHTLY}; one of: {', '.join(ids)}",
    )
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument(
        "--fail",
        action="store_true",
        help=f"let the save of {NIGHTLY} fail, to see how a failure is shown; exit code 0 if it did",
    )
    options = parser.parse_args(argv)
    if options.dag_id not in ids:
        parser.error(f"there is no example DAG {options.dag_id!r}: choose one of {', '.join(ids)}")
    if options.fail and options.dag_id != NIGHTLY:
        parser.error(f"--fail is for {NIGHTLY} only")
    # SIGTERM too must leave the with blocks below, so that no process is left behind.
    signal.signal(signal.SIGTERM, _exit_on_signal)
    watch = Stopwatch()
    try:
        with watch:
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
            watch.say("--fail: the save will fail, as asked")
            simulator.inject(Fault(kind="save_fails", operation="CreateImage", message=FAILURE_MESSAGE))
        demonstration = demonstration_of(options.dag_id)
        conf = demonstration.prepare(simulator)
        stack = AirflowStack(EXAMPLE_DAGS, env=airflow_environment(simulator), progress=watch.say)
        with stack:
            stack.wait_for_dag(options.dag_id)
            for name, slots in demonstration.pools.items():
                make_pool(stack, name, slots)
                watch.say(f"made the pool {name} with {slots} slots")
            watch.say(f"Airflow at {stack.url} has loaded {options.dag_id}")
            run = run_example(stack, simulator, options.dag_id, conf, progress=watch.say)
            if options.fail:
                problems = _report_failure(run, stack)
            else:
                problems = [*_report(run, stack, simulator)]
                if demonstration.defers and not run.deferred:
                    problems.append("no task was seen deferred.")
                if not problems:
                    problems += demonstration.check(simulator, conf)
            for problem in problems:
                print(f"FAILED: {problem}", flush=True)
            if problems:
                stack.keep_logs = True
            if options.keep:
                watch.stop()
                watch.say(f"Airflow is running at {stack.url}; stop it with Ctrl-C")
                watch.say("log in: open that address; it asks for no password, everyone is an administrator")
                watch.say(f"for the REST API: curl {stack.url}/auth/token returns a bearer token")
                with contextlib.suppress(KeyboardInterrupt):
                    threading.Event().wait()
            watch.say("stopping Airflow")
    return 1 if problems else 0


def _report(run: ExampleRun, stack: AirflowStack, simulator: Simulator) -> list[str]:
    """Print what the run left behind and return what is wrong with it."""
    for task_id, links in run.links.items():
        for text, address in links.items():
            if address is None:
                continue  # The UI does not show it either.
            print(f"link while deferred  {task_id}: {text} -> {address}", flush=True)
    print(f"create-image requests {run.creates}", flush=True)
    if run.state != "success":
        return _task_errors(run, stack)

    problems: list[str] = []
    issued = {image["id"]: image["swr_path"] for image in simulator.images}
    for task_id in run.tasks:
        keys = stack.xcom_keys(run.dag_id, run.run_id, task_id)
        pushed = {key: stack.xcom(run.dag_id, run.run_id, task_id, key) for key in SHOWN if key in keys}
        if pushed:
            print(f"XCom of {task_id}", flush=True)
        for key, value in pushed.items():
            print(f"  {key:<18} {value}", flush=True)
        image_id = pushed.get("image_id")
        if image_id and issued.get(image_id) != pushed["swr_path"]:
            problems.append(f"{task_id} pushed {pushed}; the simulator issued {issued}.")
    if not problems:
        print("each image in XCom is one in the simulator", flush=True)
    return problems


def _report_failure(run: ExampleRun, stack: AirflowStack) -> list[str]:
    """Print how the run failed, and return what is wrong with that."""
    if run.state != "failed":
        return [f"the run ended as {run.state}, although the save was to fail."]
    errors = _task_errors(run, stack)
    for error in errors:
        print(error, flush=True)
    if run.tasks[WAIT_TASK] != "failed" or FAILURE_MESSAGE not in "\n".join(errors):
        return [f"{WAIT_TASK} did not fail with the reason of the service: {FAILURE_MESSAGE}"]
    print("the save failed, as --fail asked for", flush=True)
    return []


def _task_errors(run: ExampleRun, stack: AirflowStack) -> list[str]:
    """Return the error in the log of each failed task."""
    tries = stack.task_instances(run.dag_id, run.run_id)
    errors: list[str] = []
    for task_id, state in run.tasks.items():
        if state == "failed":
            log = stack.task_log(run.dag_id, run.run_id, task_id, try_number=tries[task_id]["try_number"])
            lines = log.splitlines()
            first = next((at for at, line in enumerate(lines) if line.startswith("error:")), 0)
            text = "\n".join(f"    {line}" for line in lines[first:] if "::group::" not in line)
            errors.append(f"{task_id} failed; its log has:\n{text}")
    return errors or [f"the run ended as {run.state}, but no task failed: {dict(run.tasks)}"]


if __name__ == "__main__":
    sys.exit(main())
