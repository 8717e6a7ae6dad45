"""
Measure the start of many triggers at the same time in Airflow's real triggerer, as after a failover.

The CPU time of one start is that from handing over the triggers until each was answered once, above that of
triggers which only sleep.
"""

from __future__ import annotations

import argparse
import sys
from statistics import median

from bench.report.table import markdown
from bench.report.verdicts import Verdict, report
from bench.triggerer.cases import CASES, Setting
from bench.triggerer.measurement import Measurement, measure, start_cpu

CASES_COMPARED = ("idle", "raw", "ours")
TARGET = 0.5
"""Milliseconds of CPU above an idle trigger."""
MOST = 1.0
"""Maximum ratio to the start of a raw trigger, above idle too; more is a failure on any machine."""
MAX_CONNECTIONS = 2
MAX_OWN_STALL = 0.010


def main() -> int:
    """Measure, print tables and return 1 if the start costs too much in proportion."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n", maxsplit=1)[0])
    parser.add_argument("--triggers", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--together", action=argparse.BooleanOptionalAction, default=True)
    given = parser.parse_args()
    settings = [Setting(case, given.triggers, 10.0, 10.0, 5.0) for case in CASES_COMPARED]
    rounds = [measure(settings, together=given.together) for _ in range(given.rounds)]
    print(f"{given.triggers:,} triggers started at the same time, {given.rounds} round(s); medians\n")
    found = dict(zip(CASES_COMPARED, zip(*rounds, strict=True), strict=True))
    own = median(1000 * one.start.runner / given.triggers for one in found["idle"])
    above = {
        case: median(start_cpu(one, idle) for one, idle in zip(found[case], found["idle"], strict=True))
        for case in CASES_COMPARED
    }
    rows = [row(case, found[case], above[case] if case != "idle" else own) for case in CASES_COMPARED]
    head = [
        "trigger",
        "CPU per start, ms",
        "lookups of connections",
        "connections",
        "longest stall, ms",
        "ours, ms",
    ]
    print(markdown(head, rows), end="\n\n")
    ours = found["ours"]
    lookups = max(one.lookups for one in ours)
    connections = max(one.connections for one in ours)
    stall = max(one.our_stall["ours"] for one in ours)
    ratio = above["ours"] / above["raw"]
    return report(
        [
            Verdict(
                "runner CPU to start one trigger, above idle",
                f"at most {TARGET:g} ms, and {MOST:g} x that of raw",
                f"{above['ours']:+.2f} ms, {ratio:.2f} x",
                above["ours"] <= TARGET,
                ratio > MOST,
            ),
            Verdict("lookups of the one connection", "1", str(lookups), lookups <= 1, lookups > 1),
            Verdict(
                "connections",
                f"at most {MAX_CONNECTIONS}",
                str(connections),
                connections <= MAX_CONNECTIONS,
                connections > MAX_CONNECTIONS,
            ),
            Verdict(
                "longest stall of our making",
                f"at most {1000 * MAX_OWN_STALL:.0f} ms",
                f"{1000 * stall:.0f} ms",
                stall <= MAX_OWN_STALL,
            ),
        ]
    )


def row(case: str, found: tuple[Measurement, ...], cpu: float) -> list[str]:
    """Return a row of the table."""
    return [
        CASES[case].title,
        f"{cpu:.2f}" if case == "idle" else f"{cpu:+.2f}",
        str(max(one.lookups for one in found)),
        str(max(one.connections for one in found)),
        f"{1000 * max(one.stall['seconds'] for one in found):.0f}",
        f"{1000 * max(one.our_stall['ours'] for one in found):.0f}",
    ]


if __name__ == "__main__":
    sys.exit(main())
