"""Faulty responses to the shared poll: no wait is lost or ends wrongly, whichever request they hit."""

from __future__ import annotations

import asyncio
import logging
import time
from contextvars import ContextVar
from typing import Any

import pytest

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import NotFoundError, WaitTimeoutError
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests import virtual_loop
from tests.reliability.fault_scenarios import FAULTS, LOST

pytestmark = pytest.mark.usefixtures("connection")

INTERVAL = 10.0
# A timeout takes real time, and is like any other lost response.
QUICK = sorted(set(FAULTS) - {"timeout"})
SAMPLE = ["500", "403 without a code", "unknown code", "reset after processing", "too large", "invalid JSON"]


def images(simulator: Simulator, number: int) -> list[str]:
    return [simulator.add_image(name=f"n{n}", status="CREATING") for n in range(number)]


async def wait(image_id: str, timeout: float = 3600) -> Image:
    return await ModelArtsHook().await_image(image_id, poll_interval=INTERVAL, timeout=timeout)


@pytest.mark.parametrize(
    ("operation", "fault"),
    [*(("ListImages", fault) for fault in QUICK), *(("ShowImage", fault) for fault in SAMPLE)],
)
def test_poller_survives_one_faulty_response(operation: str, fault: str, simulator: Simulator) -> None:
    """Two images are listed and one is shown, because it is in another workspace."""
    ids = [*images(simulator, 2), simulator.add_image(name="n", status="CREATING", workspace_id="w2")]
    simulator.inject(Fault(operation=operation, skip=1, **FAULTS[fault]))

    async def scenario() -> list[Any]:
        waits = [asyncio.ensure_future(wait(image_id)) for image_id in ids]
        await asyncio.sleep(35)
        for image_id in ids:
            simulator.set_image_status(image_id, "ACTIVE")
        return await asyncio.gather(*waits, return_exceptions=True)

    ended = virtual_loop.run(scenario())

    assert [(type(image), image.id) for image in ended] == [(Image, image_id) for image_id in ids]
    assert fault in LOST or any(entry.fault for entry in simulator.journal)


@pytest.mark.parametrize("fault", SAMPLE)
def test_poller_polls_on_while_every_list_is_faulty(fault: str, simulator: Simulator) -> None:
    """Shows work, so that no wait depends on the list."""
    ids = images(simulator, 3)
    simulator.inject(Fault(operation="ListImages", times=None, **FAULTS[fault]))

    async def scenario() -> list[Any]:
        waits = [asyncio.ensure_future(wait(image_id)) for image_id in ids]
        await asyncio.sleep(120)
        for image_id in ids:
            simulator.set_image_status(image_id, "ACTIVE")
        began = time.time()
        ended = await asyncio.gather(*waits, return_exceptions=True)
        return [*ended, time.time() - began]

    *ended, late = virtual_loop.run(scenario())

    assert [type(image) for image in ended] == 3 * [Image]
    assert late < 120


def test_poller_ends_wait_for_image_that_never_existed(simulator: Simulator) -> None:
    """Not at once, as reads of the service may lag behind."""
    ids = images(simulator, 2)

    async def scenario() -> list[Any]:
        began = time.time()
        waits = [wait("4e0d1854-63e5-4517-b683-a0ee97a692a1"), *(wait(i, timeout=100) for i in ids)]
        first = asyncio.ensure_future(waits[0])
        others = asyncio.gather(*waits[1:], return_exceptions=True)
        with pytest.raises(NotFoundError):
            await first
        return [time.time() - began, *await others]

    seconds, *others = virtual_loop.run(scenario())

    assert 30 <= seconds < 90
    assert [type(other) for other in others] == [WaitTimeoutError, WaitTimeoutError]


def test_poller_obeys_retry_after_for_all_waits(simulator: Simulator) -> None:
    ids = images(simulator, 5)
    simulator.inject(Fault("throttle", "ListImages", skip=1, retry_after=120))

    async def scenario() -> None:
        await asyncio.gather(*(wait(image_id, timeout=300) for image_id in ids), return_exceptions=True)

    virtual_loop.run(scenario())

    times = [entry.at for entry in simulator.journal]
    assert times[2] - times[1] >= 120
    assert {entry.operation for entry in simulator.journal} == {"ListImages"}


def test_poller_logs_changes_and_heartbeats_but_no_poll(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    ids = images(simulator, 2)
    caplog.set_level(logging.INFO, "airflow_provider_modelarts")
    simulator.inject(Fault("error", "ListImages", skip=3, status=503))

    async def scenario() -> list[Any]:
        waits = [wait(image_id, timeout=700) for image_id in ids]
        return await asyncio.gather(*waits, return_exceptions=True)

    ended = virtual_loop.run(scenario())

    ours = [record for record in caplog.records if record.name.startswith("airflow_provider_modelarts")]
    lines = [record.getMessage() for record in ours]
    for image_id, end in zip(ids, ended, strict=True):
        line = f"Image {image_id} is CREATING"
        assert [entry for entry in lines if image_id in entry] == [
            line,
            *2 * [f"Still waiting; last poll: {line}"],
        ]
        after, _, rest = str(end).partition(" s waiting for ")  # computing takes its time here
        assert (after[:-2], rest) == ("Timed out after 7", f"image {image_id}: last poll: {line}")
    others = [line for line in lines if not any(image_id in line for image_id in ids)]
    assert [line.split(":")[0] for line in others] == ["Poll failed, will retry", "Polling works again"]


def test_poller_heartbeat_names_the_failure(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """The log of a task would otherwise not show that polls fail."""
    ids = images(simulator, 2)
    caplog.set_level(logging.INFO, "airflow_provider_modelarts")
    simulator.inject(Fault("error", "*", skip=2, times=None, status=503))

    async def scenario() -> list[Any]:
        waits = [wait(image_id, timeout=400) for image_id in ids]
        return await asyncio.gather(*waits, return_exceptions=True)

    ended = virtual_loop.run(scenario())

    assert caplog.text.count("Still waiting; last poll: ") == 2
    assert caplog.text.count("The last poll failed: ") == 2
    assert all("Last error: " in str(end) and "503" in str(end) for end in ended)


def test_poller_logs_each_wait_in_its_own_context(simulator: Simulator) -> None:
    """Airflow sends the lines of a trigger to its task by the context of the trigger."""
    trigger: ContextVar[str] = ContextVar("trigger", default="nobody's")
    seen: list[tuple[str, str]] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append((trigger.get(), record.getMessage()))

    ids = images(simulator, 3)
    simulator.inject(Fault("error", "ListImages", skip=1, status=503))
    logger, handler = logging.getLogger("airflow_provider_modelarts"), Handler()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)

    async def run(image_id: str) -> Any:
        trigger.set(image_id)
        with pytest.raises(WaitTimeoutError):
            await wait(image_id, timeout=60)

    async def scenario() -> None:
        await asyncio.gather(*map(run, ids))

    try:
        virtual_loop.run(scenario())
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)

    assert {(image_id, f"Image {image_id} is CREATING") for image_id in ids} <= set(seen)
    shared = [line for owner, line in seen if owner == "nobody's"]
    assert [line.split(":")[0] for line in shared] == ["Poll failed, will retry", "Polling works again"]
