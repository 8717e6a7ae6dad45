"""
Measure the CPU time of one poll of a single wait, against the least that such a poll can be.

A single wait shares its polls with no other. To have enough of them in little time, many single waits run on
a plain event loop, each with a connection to a project of its own, against as many bare sessions of aiohttp
that sign their requests and poll with the same jitter. Both take turns in one process, so that each pair has
the same conditions.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from statistics import median
from typing import Any

os.environ["AIRFLOW_HOME"] = os.environ.get("AIRFLOW_HOME") or tempfile.mkdtemp(prefix="modelarts-bench-")
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"

from airflow_provider_modelarts.triggers.image import NotebookImageTrigger
from bench.report.table import markdown
from bench.report.verdicts import Verdict, report
from bench.triggerer.cases import ACCESS_KEY, SECRET_KEY, Setting, modelarts_connection
from bench.triggerer.measurement import allow_many_files, serving
from bench.triggerer.raw import RawPoll, open_session
from bench.triggerer.service import control, image_id

TARGET = 1.3
"""Maximum ratio, ours to raw."""
MOST = 2.2
"""The ratio above which the benchmark fails: on a busy machine, pairs of the same code showed 1.4 to 2.1."""
INTERVAL = 1.0
"""Seconds, the shortest interval of a wait."""
SETTLE = 1.0
"""Seconds after the first poll of each wait, for what happens once."""
TIMEOUT = 120.0
"""Seconds after which a measurement is given up."""


def project_id(number: int) -> str:
    """Return the id of a wait's project."""
    return f"{number:032x}"


async def ours(number: int, _: int) -> None:
    """Wait for one image as in a triggerer."""
    trigger = NotebookImageTrigger(
        image_id=image_id(number),
        modelarts_conn_id=f"bench_{number}",
        poll_interval=INTERVAL,
        deadline=time.time() + 86_400,
    )
    async for event in trigger.run():
        raise RuntimeError(f"the wait ended: {event.payload}")


async def raw(number: int, port: int) -> None:
    """Poll one image with nothing but aiohttp and a signature."""
    poll = RawPoll(f"127.0.0.1:{port}", project_id(number), ACCESS_KEY, SECRET_KEY)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session())
        await poll.wait(session, image_id(number), INTERVAL)


async def cost(
    wait: Callable[[int, int], Coroutine[Any, Any, None]], port: int, waits: int, seconds: float
) -> float:
    """Return the CPU microseconds of one poll."""
    control(port, "reset")
    tasks = [asyncio.create_task(wait(number, port)) for number in range(waits)]
    give_up = time.monotonic() + TIMEOUT
    try:
        while control(port, "counters")["answered"] < waits and time.monotonic() < give_up:
            await _unless_done(tasks, asyncio.sleep(0.5))
        await _unless_done(tasks, asyncio.sleep(SETTLE))
        gc.collect()
        control(port, "reset")
        began = time.process_time()
        await _unless_done(tasks, asyncio.sleep(seconds))
        took = time.process_time() - began
        polls = control(port, "counters")["requests"]["ShowImage"]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return 1e6 * took / int(polls)


async def _unless_done(tasks: list[asyncio.Task[None]], pause: Awaitable[None]) -> None:
    """Wait, and raise the error of a task that has ended before."""
    await pause
    for task in tasks:
        if task.done():
            task.result()
            raise RuntimeError("a wait ended: something else was measured")


def main() -> int:
    """Measure, print a table and return 1 if a poll costs too much in proportion."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--waits", type=int, default=200, help="single waits, each with a poll per second")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    given = parser.parse_args()
    allow_many_files(2 * given.waits + 100)
    pairs = []
    with serving(Setting("ours", given.waits, INTERVAL, SETTLE, given.seconds)) as address:
        port = address["port"]
        for number in range(given.waits):
            connection = modelarts_connection(port, project_id(number))
            os.environ[f"AIRFLOW_CONN_BENCH_{number}"] = json.dumps(connection)
        for wait in (raw, ours):  # loads and compiles what is needed
            asyncio.run(cost(wait, port, given.waits, 1.0))
        for _ in range(given.rounds):
            floor = asyncio.run(cost(raw, port, given.waits, given.seconds))
            pairs.append((floor, asyncio.run(cost(ours, port, given.waits, given.seconds))))
    ratio = median(own / floor for floor, own in pairs)
    print(f"{given.waits} single waits with a poll per second, {given.rounds} pairs of {given.seconds:g} s\n")
    rows = [
        [str(number), f"{floor:.0f}", f"{own:.0f}", f"{own / floor:.2f}"]
        for number, (floor, own) in enumerate(pairs, 1)
    ]
    print(markdown(["pair", "raw, CPU us per poll", "ours, CPU us per poll", "ratio"], rows), end="\n\n")
    return report(
        [
            Verdict(
                "a single wait's poll, to raw aiohttp with a signature",
                f"at most {TARGET:g} x",
                f"{ratio:.2f} x",
                ratio <= TARGET,
                ratio > MOST,
            )
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
