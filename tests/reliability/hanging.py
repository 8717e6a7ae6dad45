"""
Many waits for a service that takes requests and answers none.

Run by ``bash run.sh reliability hanging``. Sockets, triggers and time are real. The exit code is 0 only if
every wait ended in time, with one event that names its image, and never more than a handful of requests were
in flight, however many waits there were.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from airflow_provider_modelarts.client.circuit_breaker import CircuitBreaker
from airflow_provider_modelarts.client.operations import show_image
from airflow_provider_modelarts.exceptions import WaitTimeoutError
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import AfterReads, Fault, Simulator
from airflow_provider_modelarts.triggers.image import NotebookImageTrigger
from tests.reliability.document import record

READ_TIMEOUT = 2.0
POLL_INTERVAL = 2.0
TIMEOUT = 6.0
"""Seconds until the deadline of all waits, by default."""
ALLOWED = 2.0
"""Seconds that a wait may end after its deadline, beside one read_timeout."""


@dataclass(frozen=True)
class Report:
    """
    What became of the waits.

    :param lateness: of each wait, seconds from its deadline to its event.
    :param max_in_flight: requests that were in flight at the same time, as the simulator counted them.
    :param in_flight_later: the same from the first read_timeout on.
    """

    lateness: list[float]
    statuses: set[str]
    unnamed: int
    max_in_flight: int
    in_flight_later: int
    requests: int


def in_triggerer(waits: int, timeout: float = TIMEOUT, read_timeout: float = READ_TIMEOUT) -> Report:
    """Return what became of triggers that share an event loop."""
    with Simulator(save=AfterReads(10**6)) as simulator:
        images = [simulator.add_image(name=f"n{number}", status="CREATING") for number in range(waits)]
        _connect(simulator, read_timeout)
        later = 0

        async def watch_all() -> list[tuple[str, float, dict[str, Any]]]:
            nonlocal later
            deadline = time.time() + timeout

            async def wait(image_id: str) -> tuple[str, float, dict[str, Any]]:
                trigger = NotebookImageTrigger(
                    image_id=image_id,
                    modelarts_conn_id="modelarts_default",
                    poll_interval=POLL_INTERVAL,
                    deadline=deadline,
                )
                (event,) = [event async for event in trigger.run()]
                return image_id, time.time() - deadline, event.payload

            tasks = [asyncio.ensure_future(wait(image_id)) for image_id in images]
            # What was sent before the first read_timeout has been given up by then, and one probe is left.
            await asyncio.sleep(POLL_INTERVAL + READ_TIMEOUT + 1)
            while not all(task.done() for task in tasks):
                later = max(later, simulator.in_flight)
                await asyncio.sleep(0.05)
            return await asyncio.gather(*tasks)

        ended = asyncio.run(watch_all())
        return Report(
            lateness=[late for _, late, _ in ended],
            statuses={event["status"] for _, _, event in ended},
            unnamed=sum(image_id not in event["message"] for image_id, _, event in ended),
            max_in_flight=simulator.max_in_flight,
            in_flight_later=later,
            requests=len(simulator.journal),
        )


def in_workers(waits: int, timeout: float = TIMEOUT, read_timeout: float = READ_TIMEOUT) -> Report:
    """Return what became of tasks that block, each with a transport of its own."""
    with Simulator(save=AfterReads(10**6)) as simulator:
        images = [simulator.add_image(name=f"n{number}", status="CREATING") for number in range(waits)]
        _connect(simulator, read_timeout)
        deadline = time.time() + timeout

        def wait(image_id: str) -> tuple[str, float, str]:
            try:
                ModelArtsHook().watch(
                    show_image(image_id),
                    is_done=lambda image: not image.is_pending,
                    poll_interval=POLL_INTERVAL,
                    deadline=deadline,
                )
            except WaitTimeoutError as error:
                return image_id, time.time() - deadline, str(error)
            return image_id, time.time() - deadline, "success"

        with ThreadPoolExecutor(waits) as threads:
            ended = list(threads.map(wait, images))
        return Report(
            lateness=[late for _, late, _ in ended],
            statuses={"success" if message == "success" else "timeout" for _, _, message in ended},
            unnamed=sum(image_id not in message for image_id, _, message in ended),
            max_in_flight=simulator.max_in_flight,
            in_flight_later=0,
            requests=len(simulator.journal),
        )


def problems(report: Report, *, allowed: float) -> list[str]:
    """
    Return what is not as it must be.

    :param allowed: seconds that a wait may end after its deadline, beside one read_timeout.
    """
    found = []
    if max(report.lateness) > allowed + READ_TIMEOUT:
        found.append(f"a wait ended {max(report.lateness):.1f} s after its deadline")
    if report.statuses != {"timeout"}:
        found.append(f"waits ended as {report.statuses}")
    if report.unnamed:
        found.append(f"{report.unnamed} events do not name their image")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run it, print what it showed, and return the exit code."""
    parser = argparse.ArgumentParser(prog="bash run.sh reliability hanging", description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the table into docs/reliability.md")
    options = parser.parse_args(argv)
    rows = [
        "| waits | where | end after the deadline | in flight | after the first read_timeout | requests |",
        "| --: | --- | --: | --: | --: | --: |",
    ]
    wrong: list[str] = []
    for where, run, waits in (
        ("triggerer", in_triggerer, 8),
        ("triggerer", in_triggerer, 100),
        ("triggerer", in_triggerer, 200),
        ("workers", in_workers, 8),
    ):
        report = run(waits)
        wrong += [f"{waits} waits in {where}: {problem}" for problem in problems(report, allowed=ALLOWED)]
        later = str(report.in_flight_later) if where == "triggerer" else "-"
        if where == "triggerer":
            wrong += _too_many(report)
        rows.append(
            f"| {waits} | {where} | {max(report.lateness):.1f} s | {report.max_in_flight} | {later} "
            f"| {report.requests} |"
        )
        print(rows[-1], flush=True)
    for problem in wrong:
        print(f"WRONG: {problem}")
    if options.record and not wrong:
        record("hanging", "\n".join(rows))
    return 1 if wrong else 0


def _too_many(report: Report) -> list[str]:
    limit = CircuitBreaker.MAX_IN_FLIGHT
    found = []
    if report.max_in_flight > limit:
        found.append(f"{report.max_in_flight} requests were in flight, more than {limit}")
    if report.in_flight_later > 1:
        found.append(f"{report.in_flight_later} requests were in flight after the first read_timeout")
    return found


def _connect(simulator: Simulator, read_timeout: float) -> None:
    """Make the simulator, which hangs from here on, the Airflow connection."""
    connection = simulator.connection
    extra = {**connection["extra"], "read_timeout": read_timeout}
    os.environ["AIRFLOW_CONN_MODELARTS_DEFAULT"] = json.dumps({**connection, "extra": extra})
    simulator.inject(Fault("hang", times=None))


if __name__ == "__main__":
    sys.exit(main())
