"""
The time between two polls of a wait when its triggerer is killed.

Run by ``bash run.sh reliability failover-time``. One wait moves from triggerer to triggerer: the one
that has it is killed by SIGKILL, and measured is the time to the next poll of the other, by the
simulator's clock.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence

import psutil

from airflow_provider_modelarts.simulator import AfterSeconds, Simulator
from tests.e2e.flows import SOON, WAIT, Flow, on_two_triggerers
from tests.reliability.document import record
from tests.reliability.environment import describe_environment

NEVER = AfterSeconds(86_400)
SETTINGS: Mapping[str, Mapping[str, str]] = {
    "5 s, 30 s (Airflow's defaults)": {},
    "1 s, 5 s": SOON,
}


def measure(triggerers: Mapping[str, str], times: int) -> tuple[list[float], str]:
    """Return the seconds of each take-over, and the circumstances."""
    with (
        Simulator(save=NEVER) as simulator,
        on_two_triggerers(simulator, triggerers, progress=_say) as (stack, database),
    ):
        flow = Flow(stack, simulator)
        flow.await_state(WAIT, "deferred")
        seconds: list[float] = []
        for _ in range(times):
            stack.processes.restart_ended()
            stack.wait_until_up()
            seconds.append(failover_seconds(flow))
            _say(f"taken over after {seconds[-1]:.1f} s")
        flow.finish()
        flow.end()
        if problems := flow.problems():
            stack.keep_logs = True
            raise SystemExit(f"the wait was taken over, but did not end well: {problems}")
        return seconds, describe_environment(database)


def failover_seconds(flow: Flow) -> float:
    """Kill the triggerer that has the wait, and return the seconds until the next poll of another."""
    flow.wait_until(lambda: polls_of(flow, flow.runner()), "the triggerer that has the wait has polled")
    holder = flow.triggerer()
    if holder is None:
        raise SystemExit("the triggerer that had the wait is gone")
    holder.kill()
    killed_at = flow.simulator.now()

    def heir() -> psutil.Process | None:
        return None if flow.triggerer() == holder else flow.runner()

    flow.wait_until(lambda: polls_of(flow, heir()), "the other triggerer has polled")
    return min(polls_of(flow, heir())) - killed_at


def polls_of(flow: Flow, process: psutil.Process | None) -> list[float]:
    """Return the times of a process's polls, identified by its open connections."""
    if process is None:
        return []
    ports = {connection.laddr.port for connection in process.net_connections("tcp4") if connection.laddr}
    return [poll.at for poll in flow.polls if int(poll.client.rpartition(":")[2]) in ports]


def table(measured: Mapping[str, Sequence[float]]) -> str:
    """Return the figures in Markdown."""
    lines = [
        "| heartbeat, threshold of the triggerers | kills | median | shortest | longest |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {name} | {len(seconds)} | {statistics.median(seconds):.1f} s | {min(seconds):.1f} s "
        f"| {max(seconds):.1f} s |"
        for name, seconds in measured.items()
    ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; the exit code is 0 when every wait was taken over and ended well."""
    parser = argparse.ArgumentParser(
        prog="bash run.sh reliability failover-time", description="How soon a wait is taken over."
    )
    parser.add_argument("--times", type=int, default=5, help="kills at each settings (default: 5)")
    parser.add_argument("--record", action="store_true", help="write the table into docs/reliability.md")
    options = parser.parse_args(argv)
    measured: dict[str, list[float]] = {}
    environment = ""
    for name, triggerers in SETTINGS.items():
        _say(name)
        measured[name], environment = measure(triggerers, options.times)
    figures = table(measured)
    _say(f"\n{figures}\n")
    if options.record:
        record("failover-time", f"{environment}\n\n{figures}")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
