"""
Runs in which a process is killed at a random moment, while responses of ModelArts are lost.

Run by ``bash run.sh reliability kills``. Airflow is on PostgreSQL with LocalExecutor and two
triggerers. Each run saves a notebook of its own, and loses the process that runs its task, the worker
that supervises it, the triggerer that has its wait or that triggerer's runner, by SIGKILL. It must
succeed all the same, with one create-image that took effect and with that image in every XCom.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from types import FrameType

import psutil

from airflow_provider_modelarts.simulator import AfterSeconds, Fault, JournalEntry, Simulator
from tests.e2e.components import StackError
from tests.e2e.flows import SAVE, VICTIMS, WAIT, Flow, on_two_triggerers
from tests.e2e.stack import POLL_SECONDS, AirflowStack
from tests.reliability.document import record
from tests.reliability.environment import describe_environment

SAVE_SECONDS = 6.0
"""How long a save takes: over before a task is tried again whose worker was killed."""
PHASE_SECONDS = 6.0
"""The time from the beginning of a task, or of its wait, in which a process is killed."""
RUN_SECONDS = 300.0
ORPHAN_SECONDS = 60.0

LOST = (
    Fault("reset_after"),
    Fault("torn"),
    Fault("garbage"),
    Fault("error", status=503, takes_effect=True),
    Fault("html", status=502, takes_effect=True),
    Fault("reset"),
    Fault("error", status=500),
    Fault("throttle", retry_after=5),
)
"""The ways to lose a response: the first five after the effect, the others in place of it."""

LOSSES = {"CreateImage": 0.5, "ShowImage": 0.15, "ListImages": 0.15}
"""The probability that a response is lost."""
DELAYS = {"CreateImage": (0.5, 6.0), "ShowImage": (0.1, 2.0), "ListImages": (0.1, 2.0)}
"""How probable it is that one is late instead, and by how many seconds."""

ENDED = frozenset({"success", "failed", "upstream_failed", "skipped"})


@dataclass(frozen=True)
class Kill:
    """
    What is planned for one run.

    :param moment: seconds after the task was first seen running, or its wait deferred
    :param rest: seconds between the kill of a triggerer and the end of the save
    """

    number: int
    victim: str
    moment: float
    rest: float

    @property
    def task_id(self) -> str:
        """The task that the victim runs."""
        return SAVE if self.victim in ("task process", "worker") else WAIT


@dataclass(frozen=True)
class Outcome:
    """How a run went; it went well when there are no problems."""

    kill: Kill
    flow: Flow
    hit: bool
    seconds: float
    problems: list[str]


class FaultSchedule:
    """
    The faults of requests, decided by a seed: each request decides about the next of its operation.

    The response to a save is late or lost, so that there is a time in which to kill a process.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._simulator: Simulator | None = None

    def start(self, simulator: Simulator) -> None:
        """Begin, with the first request of each operation."""
        self._simulator = simulator
        for operation in LOSSES:
            self._decide(operation)

    def __call__(self, entry: JournalEntry) -> None:
        """Hear of a request."""
        if entry.operation in LOSSES:
            self._decide(entry.operation)

    def _decide(self, operation: str) -> None:
        chance = self._random.random()
        slow, seconds = DELAYS[operation]
        fault = self._random.choice(LOST)
        if self._simulator is None:
            return
        if chance < slow:
            self._simulator.inject(Fault("slow", operation=operation, seconds=seconds))
        elif chance < slow + LOSSES[operation]:
            self._simulator.inject(replace(fault, operation=operation))


def plan(runs: int, seed: int) -> list[Kill]:
    """Return the kills, the same for the same seed, the victims in turn."""
    random = Random(seed)
    victims = list(VICTIMS)
    return [
        Kill(
            number,
            victims[number % len(victims)],
            moment=random.uniform(0.0, PHASE_SECONDS),
            rest=random.uniform(0.0, PHASE_SECONDS),
        )
        for number in range(runs)
    ]


def live(kill: Kill, stack: AirflowStack, simulator: Simulator) -> Outcome:
    """Run the DAG, kill the victim on the way, and judge what came of it."""
    started = time.monotonic()
    flow = Flow(stack, simulator)
    hit = False
    try:
        if kill.task_id == WAIT:
            flow.hold()
        hit = strike(kill, flow)
        if kill.task_id == WAIT:
            time.sleep(kill.rest)
            flow.finish()
        flow.end(timeout=RUN_SECONDS)
        problems = flow.problems()
    except StackError as error:
        problems = [str(error)]
    return Outcome(kill, flow, hit, time.monotonic() - started, problems)


def strike(kill: Kill, flow: Flow) -> bool:
    """
    Kill the victim at its moment, or as soon after it as there is one; return whether one was hit.

    No worker is killed before Airflow calls its task running: such a task stays queued, because
    LocalExecutor does not notice and the scheduler waits for it until it is itself restarted.
    """
    find = VICTIMS[kill.victim]

    def is_late() -> bool:
        return flow.task(kill.task_id)["state"] in ENDED

    flow.await_state(kill.task_id, "running" if kill.task_id == SAVE else "deferred", *ENDED)
    time.sleep(kill.moment)
    while True:
        victim = find(flow)
        if victim is not None:
            try:
                victim.kill()
            except psutil.NoSuchProcess:
                continue
            return True
        if is_late():
            return False
        time.sleep(POLL_SECONDS)


def live_all(
    kills: Sequence[Kill], lanes: int, stack: AirflowStack, simulator: Simulator
) -> Iterator[Outcome]:
    """
    Go through the kills, as many at a time as there are lanes, and start again whatever has ended.

    A run that was over before the moment of its kill is followed by another, with half the time.
    """
    pool = ThreadPoolExecutor(lanes)
    numbers = count(len(kills))
    waiting: list[Future[Outcome]] = [pool.submit(live, kill, stack, simulator) for kill in kills]
    try:
        while waiting:
            stack.check_alive()
            stack.processes.restart_ended()
            for future in [future for future in waiting if future.done()]:
                waiting.remove(future)
                outcome = future.result()
                yield outcome
                if not (outcome.hit or outcome.problems):
                    sooner = replace(outcome.kill, number=next(numbers), moment=outcome.kill.moment / 2)
                    waiting.append(pool.submit(live, sooner, stack, simulator))
            time.sleep(POLL_SECONDS)
    finally:
        # What still runs when this is given up ends with Airflow.
        pool.shutdown(wait=False, cancel_futures=True)


def await_orphans(stack: AirflowStack) -> None:
    """Wait until no task is left whose worker was killed: the last moment for a second create."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while orphans := stack.processes.orphans():
        if time.monotonic() > deadline:
            raise StackError(f"Still there after {ORPHAN_SECONDS:.0f} s: {orphans}")
        time.sleep(POLL_SECONDS)


def describe(outcome: Outcome) -> str:
    """Return the line of one run."""
    kill, flow = outcome.kill, outcome.flow
    kill_text = f"killed after {kill.moment:4.1f} s" if outcome.hit else "MISSED"
    return (
        f"run {kill.number:3}  {kill.victim:23}  {kill_text}  {outcome.seconds:5.1f} s  "
        f"{len(flow.creates)} create requests, {flow.saves} took effect  "
        f"{'ok' if not outcome.problems else 'FAILED'}"
    )


def explain(outcome: Outcome, seed: int) -> str:
    """Return the details of a failed run."""
    kill, flow = outcome.kill, outcome.flow
    tasks = flow.stack.task_instances(flow.dag_id, flow.run_id)
    states = [f"{task_id} is {task['state']}, try {task['try_number']}" for task_id, task in tasks.items()]
    journal = [
        f"{entry.at:.2f} {entry.client} {entry.operation} {entry.status} fault={entry.fault} "
        f"effect={entry.effect}"
        for entry in [*flow.creates, *flow.polls]
    ]
    return "\n".join(
        [
            f"FAILED: run {kill.number} of seed {seed}: {flow.run_id}, notebook {flow.notebook_id}",
            f"{kill.victim} to be killed {kill.moment:.2f} s after the beginning of {kill.task_id}",
            *outcome.problems,
            *states,
            f"logs: {flow.stack.home}/logs/dag_id={flow.dag_id}/run_id={flow.run_id}",
            *journal,
        ]
    )


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the figures by victim, and of all, in Markdown."""
    groups = {victim: [item for item in outcomes if item.kill.victim == victim] for victim in VICTIMS}
    lines = [
        "| killed | runs | hit the save | hit the wait | succeeded | saves per run | median | longest |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, group in {**groups, "all": list(outcomes)}.items():
        if not group:
            continue
        hits = [item.kill.task_id for item in group if item.hit]
        saves = sorted({item.flow.saves for item in group})
        seconds = [item.seconds for item in group]
        lines.append(
            f"| {name} | {len(group)} | {hits.count(SAVE)} | {hits.count(WAIT)} "
            f"| {sum(not item.problems for item in group)} | {' or '.join(map(str, saves))} "
            f"| {statistics.median(seconds):.0f} s | {max(seconds):.0f} s |"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Kill, and return 0 if every run came to its right end."""
    parser = argparse.ArgumentParser(
        prog="bash run.sh reliability kills", description="Runs in which somebody is killed."
    )
    parser.add_argument("--runs", type=int, default=50, help="how many with a kill (default: 50)")
    parser.add_argument("--seed", type=int, default=1, help="of victims, moments and faults (default: 1)")
    parser.add_argument("--lanes", type=int, default=3, help="how many at a time (default: 3)")
    parser.add_argument("--record", action="store_true", help="write the table into docs/reliability.md")
    options = parser.parse_args(argv)
    # So that SIGTERM, too, unwinds the with blocks below and leaves no process behind.
    signal.signal(signal.SIGTERM, _exit_on_signal)

    schedule = FaultSchedule(options.seed)
    outcomes: list[Outcome] = []
    with (
        Simulator(save=AfterSeconds(SAVE_SECONDS), observer=schedule) as simulator,
        on_two_triggerers(simulator, progress=_say) as (stack, database),
    ):
        schedule.start(simulator)
        for outcome in live_all(plan(options.runs, options.seed), options.lanes, stack, simulator):
            outcomes.append(outcome)
            _say(describe(outcome))
            if outcome.problems:
                _say(explain(outcome, options.seed))
        await_orphans(stack)
        late = [item for item in outcomes if item.flow.saves != 1 and not item.problems]
        for outcome in late:
            outcome.problems.append("another create-image took effect after the run had ended")
            _say(explain(outcome, options.seed))
        failed = sum(bool(item.problems) for item in outcomes)
        stack.keep_logs = failed > 0
        figures = table(outcomes)
        environment = describe_environment(database)
    _say(f"\n{figures}\n")
    _say(f"{len(outcomes) - failed} passed, {failed} failed")
    if options.record:
        heading = f"{options.runs} kills, {options.lanes} runs at a time, seed {options.seed}. {environment}"
        record("kills", f"{heading}\n\n{figures}")
    return int(failed > 0)


def _say(line: str) -> None:
    print(line, flush=True)


def _exit_on_signal(signum: int, _: FrameType | None) -> None:
    sys.exit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
