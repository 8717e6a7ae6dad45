"""How often each wait is answered while a list has many pages, in a time that passes by itself."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import defaultdict
from itertools import pairwise

import pytest

from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.hooks import pool
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from tests import virtual_loop
from tests.hooks.image_service import ImageService
from tests.hooks.test_poller_requests import CONNECTION, INTERVAL

CAP = 4
"""Records of a page: 200 images need 50 pages, which take half of an interval."""


class SlowService(ImageService):
    """
    A service whose pages are small, and which notes when it has answered for which image.

    :param latency: seconds until a response.
    """

    def __init__(self, images: int, *, latency: float = 0.0) -> None:
        super().__init__(images, cap=CAP)
        self._latency = latency
        self.answers: defaultdict[str, list[float]] = defaultdict(list)

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:
        response = await super().send(request, timeout=timeout)
        await asyncio.sleep(self._latency)
        body = json.loads(response.body)
        for record in body.get("data", [body]):
            self.answers[record["id"]].append(time.monotonic())
        return response

    def longest_gap(self, image_id: str, since: float) -> float:
        """Return the longest time between two answers for an image."""
        times = [since, *(at for at in self.answers[image_id] if at > since), time.monotonic()]
        return max(later - earlier for earlier, later in pairwise(times))


@pytest.fixture(autouse=True)
def _connected(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(CONNECTION))


async def wait_for_all(service: SlowService, *, joining: float, seconds: float) -> dict[str, float]:
    """
    Wait for all images, the oldest first, and return when each wait began.

    :param joining: seconds from the first wait's start to the last one's.
    :param seconds: after which all waits are given up.
    """
    began: dict[str, float] = {}

    async def wait(number: int, image_id: str) -> None:
        await asyncio.sleep(joining * number / len(service.ids))
        began[image_id] = time.monotonic()
        await ModelArtsHook().await_image(image_id, poll_interval=INTERVAL, timeout=3600)

    waits = [asyncio.ensure_future(wait(number, image_id)) for number, image_id in enumerate(service.ids)]
    await asyncio.sleep(seconds)
    for each in waits:
        each.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    return began


@pytest.mark.parametrize(
    ("images", "unlisted", "latency", "most_listed", "most_unlisted"),
    [
        pytest.param(200, 40, 0.0, 1.4, 1.4, id="40 pages and 40 shows"),
        pytest.param(200, 40, 0.15, 1.4, 1.8, id="40 pages and 40 shows, slowly"),
        pytest.param(200, 120, 0.0, 1.4, 2.6, id="more shows than the pages leave time for"),
        pytest.param(480, 8, 0.0, 2.2, 2.2, id="more pages than an interval has time for"),
    ],
)
def test_poller_answers_all_waits_as_often_as_the_pace_allows(
    *,
    images: int,
    unlisted: int,
    latency: float,
    most_listed: float,
    most_unlisted: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pages precede shows, and the shows share the time that the pages leave."""

    async def scenario() -> list[float]:
        service = SlowService(images, latency=latency)
        service.unlisted = set(service.ids[:unlisted])
        monkeypatch.setattr(pool, "client_pool", service.pool())
        began = time.monotonic()
        await wait_for_all(service, joining=0, seconds=9 * INTERVAL)
        return [service.longest_gap(image_id, began + 4 * INTERVAL) / INTERVAL for image_id in service.ids]

    gaps = virtual_loop.run(scenario())

    assert max(gaps[unlisted:]) <= most_listed
    assert max(gaps[:unlisted], default=0) <= most_unlisted


def test_poller_answers_all_waits_soon_while_others_join(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first waits are for the oldest images, which the last page has: too few waits for so many pages."""

    async def scenario() -> list[float]:
        service = SlowService(200)
        monkeypatch.setattr(pool, "client_pool", service.pool())
        began = await wait_for_all(service, joining=2.5 * INTERVAL, seconds=6 * INTERVAL)
        return [service.longest_gap(image_id, at) / INTERVAL for image_id, at in began.items()]

    assert max(virtual_loop.run(scenario())) <= 1.8
