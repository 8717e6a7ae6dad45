"""
A thousand waits for simulated hours, while a share of all responses is faulty.

Run by ``bash run.sh reliability chaos``. The exit code is 0 only if every wait came to the end that
its image had, in time, and nothing was left behind. Sockets, transport and triggers are real; only
the clock and the sleep of the waits are simulated.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from platform import python_version
from statistics import median

from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.transport.async_transport import AsyncTransport
from tests.reliability.document import record
from tests.reliability.remote import RemoteCloud
from tests.reliability.soak import LATE, Report, Soak

FAULTY = 0.05
"""The share of faulty responses."""
TOKEN_LIFETIME = 1 / 4
"""Of a token, as a part of the whole time."""
OBJECTS = 400, 0.2
"""By how many objects the process may grow anyway, and at each request: a leak would leave one or more."""
BYTES = 8_000_000, 50
"""By how many bytes likewise."""
MIN_REQUESTS = 1000
"""To judge the growth by: in fewer, a leak does not stand out from what waits keep while they live."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run it, print what it showed, and return the exit code."""
    parser = argparse.ArgumentParser(prog="bash run.sh reliability chaos", description="Many waits at once.")
    parser.add_argument("--waits", type=int, default=1000, metavar="N")
    parser.add_argument("--hours", type=float, default=4.0, metavar="H", help="simulated ones")
    parser.add_argument("--interval", type=float, default=10.0, metavar="S", help="between polls")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of what happens when")
    parser.add_argument("--record", action="store_true", help="write the table into docs/reliability.md")
    options = parser.parse_args(argv)
    if not is_leak_seen():
        _say("WRONG: a leak of a hundred bytes an exchange is not seen, so what follows would show nothing")
        return 1
    began = time.monotonic()
    report = run(options.waits, options.hours, options.interval, options.seed, say=_say)
    rows = [
        ("waits, each polling every", f"{options.waits:,}, {options.interval:.0f} s"),
        ("simulated hours", f"{options.hours:g}"),
        *figures(report),
        ("wall time", f"{time.monotonic() - began:.0f} s"),
    ]
    table = "\n".join(f"| {name} | {figure} |" for name, figure in [("", ""), ("---", "--:"), *rows])
    line = (
        f"Seed {options.seed}, {datetime.now(tz=timezone.utc):%Y-%m-%d}, Python {python_version()}, "
        f"Airflow {version('apache-airflow')}, aiohttp {version('aiohttp')}."
    )
    _say(f"\n{table}\n\n{line}")
    wrong = [*problems(report), *memory_problems(report)]
    for problem in wrong:
        _say(f"WRONG: {problem}")
    if options.record and not wrong:
        record("chaos", f"{table}\n\n{line}")
    return 1 if wrong else 0


def run(
    waits: int,
    hours: float,
    interval: float,
    seed: int,
    *,
    say: Callable[[str], None],
    faulty: float = FAULTY,
    transport: type[AsyncTransport] = AsyncTransport,
) -> Report:
    """Return what became of the waits and of the process."""
    duration = 3600 * hours
    lifetime = duration * TOKEN_LIFETIME
    with RemoteCloud(
        "--save-seconds", str(10 * duration), "--token-lifetime", str(lifetime), "--seed", str(seed)
    ) as cloud:
        soak = Soak(
            cloud,
            waits=waits,
            duration=duration,
            interval=interval,
            faulty=faulty,
            seed=seed,
            say=say,
            transport=transport,
        )
        return soak.run()


class LeakingTransport(AsyncTransport):
    """Keeps a hundred bytes of every exchange."""

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:
        self.__dict__.setdefault("kept", []).append(bytes(67))
        return await super().send(request, timeout=timeout)


def in_small(transport: type[AsyncTransport] = AsyncTransport, *, hours: float = 0.25) -> Report:
    """
    Run 60 waits, for a quarter of an hour by default.

    They share one poll, so that it takes a poll every second and more faults to show anything.
    """
    return run(60, hours=hours, interval=1, seed=1, say=_say, faulty=3 * FAULTY, transport=transport)


def is_leak_seen() -> bool:
    """
    Return whether a leak of a hundred bytes per request is detected.

    It takes some thousand requests to stand out from what the waits that end meanwhile give back.
    """
    report = in_small(LeakingTransport, hours=1.5)
    found = memory_problems(report)
    return not problems(report) and len(found) == 1 and "objects are left of" in found[0]


def problems(report: Report) -> list[str]:
    """Return what is not as it must be."""
    found = [ending.problem for ending in report.endings if ending.problem]
    found += [f"{number} {what} are left" for what, number in report.left.items() if number]
    if report.faults.total() < report.requests * FAULTY / 2:
        found.append("too little went wrong to show anything")
    return found


def memory_problems(report: Report) -> list[str]:
    """Return by what the process grew while the number of waits was constant, if by more than it may."""
    if len(report.samples) < LATE.stop:
        return ["the run was too short to judge the memory by"]
    early, late = report.quietest
    requests = late.requests - early.requests
    if requests < MIN_REQUESTS:
        return [f"{requests:,} requests are too few to judge the memory by"]
    found = []
    for what, grown, (anyway, each) in (
        ("objects", late.blocks - early.blocks, OBJECTS),
        ("bytes", late.memory - early.memory, BYTES),
    ):
        if grown > anyway + requests * each:
            found.append(f"{grown:,} {what} are left of {requests:,} requests")
    return found


def figures(report: Report) -> list[tuple[str, str]]:
    """Return the row of a run in the table."""
    ends = Counter(ending.expected_outcome.status for ending in report.endings)
    lost = sum(ending.ended is None for ending in report.endings)
    wrong = sum(bool(ending.problem) for ending in report.endings) - lost
    faults, late = report.faults, report.lateness
    early, later = report.quietest
    return [
        ("images that became", ", ".join(f"{name} {number:,}" for name, number in ends.most_common())),
        ("requests", f"{report.requests:,}"),
        ("of these logins, because tokens expired or were revoked", f"{report.logins}"),
        ("faulty responses", f"{faults.total():,} ({faults.total() / report.requests:.1%})"),
        ("of these", ", ".join(f"{name} {number:,}" for name, number in faults.most_common())),
        ("waits lost", f"{lost}"),
        ("waits with a wrong end", f"{wrong}"),
        (
            "from the end of an image to that of its wait",
            f"median {median(late):.0f} s, at most {max(late):.0f} s",
        ),
        *((f"{what} left", f"{number}") for what, number in report.left.items()),
        ("lines in the log", f"{report.log_lines:,}"),
        (
            f"memory after {early.requests:,} and after {later.requests:,} requests",
            f"{early.memory / 1e6:.1f} MB and {later.memory / 1e6:.1f} MB",
        ),
        ("objects then", f"{early.blocks:,} and {later.blocks:,}"),
    ]


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
