"""How many requests the shared poll sends per interval, in a time that passes by itself."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from airflow_provider_modelarts.exceptions import WaitTimeoutError
from airflow_provider_modelarts.hooks import pool
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from tests import virtual_loop
from tests.hooks.image_service import ImageService

INTERVAL = 10.0
INTERVALS = 3
CONNECTION = {
    "conn_type": "modelarts",
    "login": "AK",
    "password": "SK",
    "extra": {"region": "eu-de", "project_id": "0123456789abcdef0123456789abcdef"},
}


@pytest.fixture(autouse=True)
def _connected(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.ERROR)  # a line for each of thousands of waits takes longer than all polls
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(CONNECTION))
    gc.disable()  # collecting thousands of new objects with those of all tests takes longest
    yield
    gc.enable()


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[[ImageService], ImageService]:
    """Lets a service answer all requests."""

    def use(service: ImageService) -> ImageService:
        monkeypatch.setattr(pool, "client_pool", service.pool())
        return service

    return use


async def wait_for(ids: list[str], timeout: float) -> list[object]:
    deadline = time.time() + timeout
    hook = ModelArtsHook()
    waits = [hook.await_image(image_id, poll_interval=INTERVAL, deadline=deadline) for image_id in ids]
    return await asyncio.gather(*waits, return_exceptions=True)


def polls(service: ImageService) -> list[list[str]]:
    """Return the operations of each poll: those less than a quarter of an interval apart."""
    found: list[list[str]] = []
    last = -INTERVAL
    for at, name, _ in service.requests:
        if at - last > INTERVAL / 4:
            found.append([])
        found[-1].append(name)
        last = at
    return found


@pytest.mark.parametrize(
    ("waits", "others", "options", "each"),
    [
        pytest.param(1, 30, {}, ["ShowImage"], id="1"),
        pytest.param(2, 0, {}, ["ListImages"], id="2"),
        pytest.param(21, 0, {}, ["ListImages"], id="21"),
        pytest.param(21, 300, {}, ["ListImages"], id="21 of 321"),
        pytest.param(21, 300, {"cap": 10}, 3 * ["ListImages"], id="21, pages of 10"),
        pytest.param(21, 15, {"is_ordered": False}, ["ListImages"], id="21, oldest first"),
        pytest.param(1000, 0, {}, 2 * ["ListImages"], id="1,000"),
        pytest.param(1000, 500, {"is_ordered": False}, 3 * ["ListImages"], id="1,000, oldest first"),
        pytest.param(1000, 0, {"cap": 100}, 10 * ["ListImages"], id="1,000, pages of 100"),
        # Some seconds, because five thousand waits start and end.
        pytest.param(5000, 0, {}, 10 * ["ListImages"], id="5,000"),
        pytest.param(
            5000, 0, {"cap": 100, "is_ordered": False}, 50 * ["ListImages"], id="5,000, pages of 100"
        ),
    ],
)
def test_poller_sends_pages_and_no_request_per_wait(
    waits: int,
    others: int,
    options: dict[str, object],
    each: list[str],
    serve: Callable[[ImageService], ImageService],
) -> None:
    service = serve(ImageService(others + waits, **options))  # type: ignore[arg-type]

    ended = virtual_loop.run(wait_for(service.ids[others:], INTERVALS * INTERVAL + INTERVAL / 2))

    assert {type(outcome) for outcome in ended} == {WaitTimeoutError}
    found = polls(service)
    assert found[1:-1] == [each] * len(found[1:-1])
    assert INTERVALS - 1 <= len(found) <= INTERVALS + 3


def test_poller_shows_at_most_ten_images_a_second(
    serve: Callable[[ImageService], ImageService], caplog: pytest.LogCaptureFixture
) -> None:
    """A longer interval that follows is logged once; the listed images are polled as often as ever."""
    service = serve(ImageService(210))
    service.unlisted = set(service.ids[:200])
    caplog.set_level(logging.WARNING)

    virtual_loop.run(wait_for(service.ids, 6 * INTERVAL))

    shown = [at for at, name, _ in service.requests if name == "ShowImage"]
    assert all(sum(at <= other < at + 1 for other in shown) <= 11 for at in shown)
    assert (
        max(Counter(query["id"] for _, name, query in service.requests if name == "ShowImage").values()) <= 5
    )
    # Waits that join late, because computing takes its time here, have passes of their own.
    assert 5 <= service.count("ListImages") <= 12
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert line == (
        "200 images are polled one by one, as no list contains them, each every 20 s instead of 10 s"
    )


def test_poller_detects_a_thousand_ends_in_one_interval(
    serve: Callable[[ImageService], ImageService],
) -> None:
    service = serve(ImageService(1000))

    async def scenario() -> tuple[list[float], int]:
        waits = [asyncio.ensure_future(end(image_id)) for image_id in service.ids]
        await asyncio.sleep(2.3 * INTERVAL)
        service.statuses = dict.fromkeys(service.ids, "ACTIVE")
        began, sent = time.time(), len(service.requests)
        ended = await asyncio.gather(*waits)
        return [at - began for at in ended], len(service.requests) - sent

    async def end(image_id: str) -> float:
        assert (await ModelArtsHook().await_image(image_id, poll_interval=INTERVAL)).is_active
        return time.time()

    late, requests = virtual_loop.run(scenario())

    assert max(late) <= 1.3 * INTERVAL
    assert requests == 2
