"""The run itself: triggers on one event loop that skips its idle time, and what it did to the process."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.hooks import pool
from airflow_provider_modelarts.hooks.clients import create_client
from airflow_provider_modelarts.hooks.connection import Settings
from airflow_provider_modelarts.hooks.loop_local_pool import LoopLocalPool
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.hooks.poller_pool import poller_pool
from airflow_provider_modelarts.hooks.pool import connection_cache
from airflow_provider_modelarts.simulator import Fault
from airflow_provider_modelarts.transport.async_transport import AsyncTransport
from airflow_provider_modelarts.triggers.image import NotebookImageTrigger
from tests import virtual_loop
from tests.reliability.expected_outcomes import (
    FAULTS,
    OUTAGES,
    ExpectedOutcome,
    expected_outcomes,
    judge,
    shares,
)
from tests.reliability.remote import RemoteCloud, sockets

CONN_ID = "chaos"
OUTAGE_INTERVAL = 400.0
"""Virtual seconds, unless the time is too short for all of them."""
SAMPLES = 16
"""How often the memory is measured."""
EARLY, LATE = slice(5, 8), slice(10, 13)
"""Samples between which the number of waits is constant."""


@dataclass(frozen=True)
class Sample:
    """What the process holds at one moment."""

    at: float
    requests: int
    memory: int
    """Bytes of its resident memory."""
    blocks: int
    """Pieces of memory that Python's objects occupy."""


@dataclass(frozen=True)
class Ending:
    """How a wait ended; without a time it did not."""

    expected_outcome: ExpectedOutcome
    ended: float | None
    problem: str = ""


@dataclass
class Report:
    """What a run showed."""

    endings: list[Ending] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)
    requests: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    logins: int = 0
    log_lines: int = 0

    @property
    def quietest(self) -> tuple[Sample, Sample]:
        """
        The early and the late sample with the fewest objects.

        Others were taken during an outage, when each wait holds its error.
        """
        early, late = (min(self.samples[part], key=lambda sample: sample.blocks) for part in (EARLY, LATE))
        return early, late

    @property
    def lateness(self) -> list[float]:
        """How many seconds after the end of its image, or of its time, each wait ended."""
        return [
            ending.ended - max(ending.expected_outcome.begins, ending.expected_outcome.over)
            for ending in self.endings
            if ending.ended is not None
        ]


class Soak:
    """
    Many waits with many faults.

    :param cloud: with a token that lives shorter than the run.
    :param duration: in virtual seconds; some waits may end later.
    :param interval: seconds between two polls of a wait.
    :param faulty: the share of faulty responses.
    :param say: receives a line of progress.
    """

    def __init__(
        self,
        cloud: RemoteCloud,
        *,
        waits: int,
        duration: float,
        interval: float,
        faulty: float,
        seed: int,
        say: Callable[[str], None],
        transport: type[AsyncTransport] = AsyncTransport,
    ) -> None:
        self._cloud = cloud
        self._duration = duration
        self._interval = interval
        self._faulty = faulty
        self._say = say
        self._transport = transport
        self._random = Random(seed)
        self._expected_outcomes = expected_outcomes(waits, duration, self._random)
        self._report = Report()

    def run(self) -> Report:
        """Run the waits, and measure what is left."""
        extra = {"auth": "password", "domain_name": "research-account", "read_timeout": 2}
        user = {"login": "snapshot-user", "password": "simulator-password"}
        given = self._cloud.connection
        connection = {**given, **user, "extra": {**given["extra"], **extra}}
        gc.collect()  # or what others left is frozen with the rest, and counted
        gc.freeze()  # what is there already takes most of the time of a collection
        with _environment({f"AIRFLOW_CONN_{CONN_ID.upper()}": json.dumps(connection)}), _counted_log() as log:
            self._cloud.get("state")
            sockets_before, cloud_before = sockets(), self._cloud.sockets
            self._images = self._save()
            for fault in shares(FAULTS, self._faulty):
                self._cloud.post("faults", **asdict(fault))
            virtual_loop.run(self._run_waits(), on_skip=self._cloud.advance, at_least=0.1)
            self._report.log_lines = log.lines
        self._report.requests = self._cloud.requests
        self._report.faults = self._cloud.faults
        self._report.logins = sum(
            number for reply, number in self._cloud.replies.items() if reply.startswith("CreateToken: 201")
        )
        gc.collect()
        gc.unfreeze()
        self._report.left |= {
            "sessions": _sessions(),
            "sockets": sockets() - sockets_before,
            "connections at the service": self._hung_up(cloud_before) - cloud_before,
        }
        return self._report

    def _save(self) -> list[dict[str, Any]]:
        """Save a notebook for each outcome, and return the images as the simulator issued them."""
        hook = ModelArtsHook(CONN_ID)
        ids = []
        for number in range(len(self._expected_outcomes)):
            notebook_id = self._cloud.post("notebooks", name=f"notebook-{number}")["id"]
            image = hook.create_image(notebook_id, name=f"n{number}", namespace="team", tag="nightly")
            ids.append(image.id)
        hook._modelarts._transport.close()  # type: ignore[attr-defined]
        issued = {image["id"]: image for image in self._cloud.get("images")}
        return [issued[image_id] for image_id in ids]

    async def _run_waits(self) -> None:
        """Run the waits to their ends, or until they are considered lost."""
        self._start = time.time()
        client_pool: LoopLocalPool[Settings, ModelArtsClient] = LoopLocalPool(self._open_client)
        with patch.object(pool, "client_pool", client_pool):
            waits = [
                asyncio.ensure_future(self._wait(expected_outcome, image))
                for expected_outcome, image in zip(self._expected_outcomes, self._images, strict=True)
            ]
            around = [asyncio.ensure_future(self._act()), asyncio.ensure_future(self._sample(waits))]
            await asyncio.wait(waits, timeout=2 * self._duration)
            for task in (*waits, *around):
                task.cancel()
            endings = await asyncio.gather(*waits, return_exceptions=True)
            for done in await asyncio.gather(*around, return_exceptions=True):
                if isinstance(done, Exception):
                    raise done
        self._report.endings = [
            ending
            if isinstance(ending, Ending)
            else Ending(expected_outcome, None, f"a wait was lost: {ending!r}")
            for ending, expected_outcome in zip(endings, self._expected_outcomes, strict=True)
        ]
        leases = [registry._leases for registry in (connection_cache, client_pool, poller_pool)]
        self._report.left |= {
            "tasks": len(asyncio.all_tasks()) - 1,
            "shared values": sum(len(held) for by_loop in leases for held in by_loop.values()),
        }

    async def _act(self) -> None:
        """Do what happens at the cloud, each at its time."""
        agenda = self._agenda()
        while agenda:
            at, act = agenda.pop()
            await asyncio.sleep(max(0.0, self._start + at - time.time()))
            act()

    async def _sample(self, waits: list[asyncio.Task[Ending]]) -> None:
        for number in range(SAMPLES):
            await asyncio.sleep(max(0.0, self._start + number * self._duration / SAMPLES - time.time()))
            self._measure(sum(not wait.done() for wait in waits))

    def _agenda(self) -> list[tuple[float, Callable[[], object]]]:
        """Return what the cloud does at which time, the last of it first."""
        agenda: list[tuple[float, Callable[[], object]]] = []
        for expected_outcome, image in zip(self._expected_outcomes, self._images, strict=True):
            change = partial(self._cloud.post, "images", id=image["id"])
            if expected_outcome.ends is not None:
                agenda.append((expected_outcome.ends, partial(change, status=expected_outcome.status)))
        # Seldom enough that tokens also run out by themselves.
        agenda += [
            (self._duration * (number + 1) / 3, partial(self._cloud.post, "revocations"))
            for number in range(2)
        ]
        outages = max(len(OUTAGES), int(self._duration / OUTAGE_INTERVAL))
        agenda += [
            (
                self._duration * (number + 1) / (outages + 1),
                partial(self._begin_outage, OUTAGES[number % len(OUTAGES)]),
            )
            for number in range(outages)
        ]
        return sorted(agenda, key=lambda entry: entry[0], reverse=True)

    def _begin_outage(self, fault: Fault) -> None:
        self._cloud.post("faults", **asdict(fault))

    async def _wait(self, expected_outcome: ExpectedOutcome, image: dict[str, Any]) -> Ending:
        """Run one trigger, and judge its event."""
        await asyncio.sleep(expected_outcome.begins)
        trigger = NotebookImageTrigger(
            image_id=image["id"],
            modelarts_conn_id=CONN_ID,
            poll_interval=self._interval,
            deadline=self._start + expected_outcome.deadline,
        )
        events = [event async for event in trigger.run()]
        ended = time.time() - self._start
        if len(events) != 1:
            return Ending(
                expected_outcome, ended, f"the wait for image {image['id']} had {len(events)} events"
            )
        return Ending(
            expected_outcome,
            ended,
            judge(expected_outcome, image, json.loads(json.dumps(events[0].payload)), ended),
        )

    @asynccontextmanager
    async def _open_client(self, settings: Settings) -> AsyncIterator[ModelArtsClient]:
        async with self._transport.open(settings.transport_config) as transport:
            yield create_client(settings, transport, lock=asyncio.Lock())

    def _measure(self, alive: int) -> None:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        sample = Sample(
            at=time.time() - self._start,
            requests=self._cloud.requests,
            memory=pages * os.sysconf("SC_PAGE_SIZE"),
            blocks=sys.getallocatedblocks(),
        )
        self._report.samples.append(sample)
        minutes, faulty = round(sample.at / 60), self._cloud.faults.total()
        self._say(
            f"{minutes // 60:02d}:{minutes % 60:02d}  {alive:5,} waits  {sample.requests:8,} requests  "
            f"{faulty:7,} faulty  {sample.memory / 1e6:6.1f} MB  {sample.blocks:9,} objects"
        )

    def _hung_up(self, expected: int) -> int:
        """Return the open sockets of the simulator, which needs time to notice that ours are closed."""
        for _ in range(300):
            self._cloud.get("state")
            if self._cloud.sockets <= expected:
                break
            time.sleep(0.1)
        return self._cloud.sockets


class _CountedLog(logging.Handler):
    """Counts the lines that would be in the triggerer's log."""

    lines = 0

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002
        self.lines += 1


@contextmanager
def _counted_log() -> Iterator[_CountedLog]:
    counted = _CountedLog()
    logger = logging.getLogger("airflow_provider_modelarts")
    before = logger.level, logger.propagate
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(counted)
    try:
        yield counted
    finally:
        logger.removeHandler(counted)
        logger.level, logger.propagate = before


@contextmanager
def _environment(given: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _sessions() -> int:
    import aiohttp

    return sum(issubclass(type(thing), aiohttp.ClientSession) for thing in gc.get_objects())
