"""The shared poll and a service that is slow, incomplete or contradicts itself: no end is lost."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

import pytest

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import ImageFailedError, WaitTimeoutError
from airflow_provider_modelarts.hooks import poller_pool, pool
from airflow_provider_modelarts.hooks.clients import create_client
from airflow_provider_modelarts.hooks.connection import Settings
from airflow_provider_modelarts.hooks.loop_local_pool import LoopLocalPool
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.hooks.poller import Poller
from tests import virtual_loop
from tests.hooks.image_service import ImageService

INTERVAL = 10.0
HOUR = 3600.0
CONNECTION = {
    "conn_type": "modelarts",
    "login": "AK",
    "password": "SK",
    "extra": {"region": "eu-de", "project_id": "0123456789abcdef0123456789abcdef"},
}
REFUSED = (403, {"error_code": "ModelArts.0108", "error_msg": "denied"})

Edit = Callable[[dict[str, Any], dict[str, str]], Any]


class FaultyService(ImageService):
    """
    A service whose responses are late or edited.

    :param seconds: that a response takes, by the API's name of its operation.
    :param edit: returns another body, or a status and a body, for a page and its query.
    """

    def __init__(
        self,
        images: int,
        *,
        seconds: dict[str, float] | None = None,
        edit: Edit | None = None,
        **options: Any,
    ) -> None:
        super().__init__(images, **options)
        self.seconds = seconds or {}
        self.edit = edit

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:
        response = await super().send(request, timeout=timeout)
        _, name, query = self.requests[-1]
        await asyncio.sleep(self.seconds.get(name, 0.0))
        body = self._record(query["id"]) if name == "ShowImage" else self._page(query)
        if name == "ListImages" and self.edit is not None:
            body = self.edit(body, query)
        status, body = body if isinstance(body, tuple) else (200, body)
        return Response(status, response.headers, json.dumps(body).encode())


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[[FaultyService], FaultyService]:
    """Lets a service answer all requests."""
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(CONNECTION))

    def use(service: FaultyService) -> FaultyService:
        monkeypatch.setattr(pool, "client_pool", service.pool())
        return service

    return use


Serve = Callable[[FaultyService], FaultyService]


def wait(image_id: str, **options: Any) -> asyncio.Future[Image]:
    given = {"poll_interval": INTERVAL, "timeout": HOUR, **options}
    return asyncio.ensure_future(ModelArtsHook().await_image(image_id, **given))


async def ends(waits: list[asyncio.Future[Image]]) -> list[Any]:
    return await asyncio.gather(*waits, return_exceptions=True)


def outcomes(found: list[Any]) -> Counter[str]:
    return Counter(str(end.status) if isinstance(end, Image) else type(end).__name__ for end in found)


def run(scenario: Callable[[], Awaitable[Any]]) -> Any:
    async def and_all_is_closed() -> Any:
        result = await scenario()
        await asyncio.sleep(0.01)
        pools = (poller_pool.poller_pool, pool.client_pool, pool.connection_cache)
        assert [held for p in pools for held in p._leases[asyncio.get_running_loop()]] == []
        assert len(asyncio.all_tasks()) == 1
        return result

    return virtual_loop.run(and_all_is_closed())


@pytest.mark.parametrize(
    ("images", "seconds", "options", "latest"),
    [
        pytest.param(100, {"ListImages": 3.0}, {"cap": 10}, 65, id="slow pages"),
        pytest.param(160, {}, {"cap": 1}, 45, id="pages of one record"),
        pytest.param(300, {}, {"edit": lambda *_: REFUSED}, 35, id="list refused"),
        pytest.param(100, {"ShowImage": 4.0}, {"edit": lambda *_: REFUSED}, 25, id="slow shows"),
    ],
)
def test_poller_misses_no_end_when_its_last_polls_take_long(
    images: int, seconds: dict[str, float], options: dict[str, Any], latest: float, serve: Serve
) -> None:
    """Their waits do not hang, as long as the requests before theirs succeed."""
    service = serve(FaultyService(images, seconds=seconds, **options))

    async def scenario() -> tuple[Counter[str], float]:
        deadline = time.time() + 50
        waits = [
            wait(image_id, deadline=deadline + number % 2, poll_interval=30)
            for number, image_id in enumerate(service.ids)
        ]
        await asyncio.sleep(49.9)
        service.statuses = dict.fromkeys(service.ids, "ACTIVE")
        found = await ends(waits)
        return outcomes(found), time.time() - deadline

    found, late = run(scenario)

    assert found == {"ACTIVE": images}
    assert late < latest


def test_poller_ends_waits_before_airflow_does_when_pages_are_very_slow(serve: Serve) -> None:
    """Ten minutes after the deadline Airflow would end them without an event."""
    service = serve(FaultyService(60, cap=1, seconds={"ListImages": 14.0}))

    async def scenario() -> tuple[Counter[str], float]:
        deadline = time.time() + 20
        found = await ends([wait(image_id, deadline=deadline) for image_id in service.ids])
        return outcomes(found), time.time() - deadline

    found, late = run(scenario)

    assert found == {"WaitTimeoutError": 60}
    assert late < 500


def test_poller_polls_last_for_a_wait_that_joins_a_delayed_pass(serve: Serve) -> None:
    """Two workspaces share the pace of the project, so that the first page of one waits for the other's."""
    service = serve(FaultyService(8))
    service.unlisted = {service.ids[0], service.ids[1]}
    service.statuses |= {service.ids[0]: "ACTIVE", service.ids[1]: "ACTIVE"}

    async def scenario() -> list[Any]:
        waits = [
            wait(image_id, timeout=-HOUR, workspace_id=f"w{number % 2}")
            for number, image_id in enumerate(service.ids[2:])
        ]
        while not service.requests:
            await asyncio.sleep(0.01)
        joined = [wait(service.ids[n], timeout=-HOUR, workspace_id=f"w{n}") for n in (0, 1)]
        await ends(waits)
        return await ends(joined)

    assert outcomes(run(scenario)) == {"ACTIVE": 2}


def test_poller_keeps_the_failure_that_only_a_page_has_shown(serve: Serve) -> None:
    """The second page fails, so that the failed image is not shown for its reason before the deadline."""
    service = serve(
        FaultyService(40, cap=20, is_ordered=False, edit=lambda b, q: (503, {}) if int(q["offset"]) else b)
    )
    service.statuses[service.ids[0]] = "CREATE_FAILED"

    async def scenario() -> list[Any]:
        deadline = time.time() + 2.5 * INTERVAL
        return await ends([wait(image_id, deadline=deadline) for image_id in service.ids])

    first, *others = run(scenario)

    assert isinstance(first, ImageFailedError)
    assert outcomes(others) == {"WaitTimeoutError": 39}


@pytest.mark.parametrize("operation", ["ListImages", "ShowImage"])
def test_poller_ends_waits_whose_requests_are_cancelled(operation: str, serve: Serve) -> None:
    """As a library may do by mistake: no wait goes on for ever, and no pass is repeated at once."""

    class Cancelling(FaultyService):
        async def send(self, request: Request, *, timeout: float | None = None) -> Response:
            response = await super().send(request, timeout=timeout)
            if self.requests[-1][1] == operation:
                raise asyncio.CancelledError
            return response

    service = serve(Cancelling(3))
    service.unlisted = {service.ids[0]}

    async def scenario() -> tuple[Counter[str], float]:
        began = time.time()
        found = await asyncio.wait_for(ends([wait(i, timeout=95) for i in service.ids]), 500)
        return outcomes(found), time.time() - began

    found, seconds = run(scenario)

    assert found == {"WaitTimeoutError": 3}
    assert seconds < 95 + 20
    assert service.count("ListImages") <= 25


@pytest.mark.parametrize("status", [None, " ", []])
def test_poller_shows_images_whose_records_have_no_status(status: Any, serve: Serve) -> None:
    service = serve(
        FaultyService(5, edit=lambda b, _: {**b, "data": [{**r, "status": status} for r in b["data"]]})
    )

    async def scenario() -> list[Any]:
        waits = [wait(image_id, timeout=60) for image_id in service.ids]
        await asyncio.sleep(45)
        service.statuses = dict.fromkeys(service.ids, "ACTIVE")
        return await ends(waits)

    assert outcomes(run(scenario)) == {"ACTIVE": 5}


def test_poller_logs_no_line_per_poll_when_each_response_has_another_message(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def edit(body: dict[str, Any], _: dict[str, str]) -> dict[str, Any]:
        return {**body, "data": [{**r, "status_message": f"at {time.time()}"} for r in body["data"]]}

    service = serve(FaultyService(3, edit=edit))
    caplog.set_level(logging.INFO, "airflow_provider_modelarts")

    run(lambda: ends([wait(image_id, timeout=250) for image_id in service.ids]))

    assert sum("is CREATING" in record.getMessage() for record in caplog.records) == 3


def test_poller_polls_soon_for_a_wait_that_joins_slow_ones_in_a_pause(serve: Serve) -> None:
    """The pause of a pass depends on the shortest interval; it becomes shorter when that does."""
    service = serve(FaultyService(3))

    async def scenario() -> float:
        # The third lets the pass begin at once, and leaves it to the others, which wait for an hour.
        options = {"poll_interval": HOUR, "timeout": 10 * HOUR, "not_before": time.time() + 300}
        waits = [wait(image_id, **options) for image_id in service.ids[:2]]
        waits.append(wait(service.ids[2], poll_interval=1))
        await asyncio.sleep(0.5)
        waits.pop().cancel()
        await asyncio.sleep(400)
        service.statuses[service.ids[2]] = "ACTIVE"
        began = time.time()
        await wait(service.ids[2], poll_interval=5)
        for slow in waits:
            slow.cancel()
        await ends(waits)
        return time.time() - began

    assert run(scenario) < 30


def test_poller_shows_again_at_the_deadline_when_a_slow_show_has_ended(serve: Serve) -> None:
    """Although the shows of the others are far apart."""
    service = serve(FaultyService(4, seconds={"ShowImage": 4.0}))
    service.unlisted = set(service.ids)

    async def scenario() -> Image:
        waits = [wait(image_id, poll_interval=HOUR, timeout=2 * HOUR) for image_id in service.ids]
        while service.count("ShowImage") == 0:
            await asyncio.sleep(1)
        shown = service.requests[-1][2]["id"]
        last = wait(shown, poll_interval=HOUR, timeout=1)
        await asyncio.sleep(4.5)
        service.statuses[shown] = "ACTIVE"
        image = await last
        for other in waits:
            other.cancel()
        await ends(waits)
        return image

    assert run(scenario).is_active


@pytest.mark.parametrize(("seconds", "latest"), [(HOUR, 30), (-HOUR, 2 * HOUR)], ids=["ahead", "back"])
def test_poller_ends_waits_by_the_clock_that_was_set(seconds: float, latest: float, serve: Serve) -> None:
    """As after a suspension of the machine, during which the monotonic clock stands still."""
    service = serve(FaultyService(3))

    async def scenario() -> list[Any]:
        waits = [wait(image_id, timeout=HOUR / 2) for image_id in service.ids]
        await asyncio.sleep(2.5 * INTERVAL)
        set_at, before = time.monotonic(), time.time
        with patch.object(time, "time", lambda: before() + seconds):
            found = await ends(waits)
        assert time.monotonic() - set_at < latest
        return found

    assert {type(end) for end in run(scenario)} == {WaitTimeoutError}


@pytest.mark.parametrize("status", [200, 503])
def test_poller_polls_last_after_a_page_during_which_deadlines_pass(status: int, serve: Serve) -> None:
    """Long before the next pass, which may be later than the last moment of the waits."""
    service = serve(FaultyService(3, seconds={"ListImages": 2.0}))

    async def scenario() -> tuple[Counter[str], float]:
        waits = [wait(image_id, poll_interval=HOUR, timeout=2 * HOUR) for image_id in service.ids]
        while service.count("ListImages") == 0:
            await asyncio.sleep(0.1)
        deadline = time.time() + 0.2
        last = [wait(image_id, poll_interval=HOUR, deadline=deadline) for image_id in service.ids[:2]]
        service.edit = lambda body, _: (status, body)
        await asyncio.sleep(2)
        service.edit = None
        service.statuses = dict.fromkeys(service.ids, "ACTIVE")
        found = await ends(last)
        late = time.time() - deadline
        for other in waits:
            other.cancel()
        await ends(waits)
        return outcomes(found), late

    found, late = run(scenario)

    assert found == {"ACTIVE": 2}
    assert late < 5


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no eager tasks")
def test_poller_keeps_no_task_that_an_eager_loop_has_run_at_once(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as those of shows that have to wait for the pace or a pause."""
    service = serve(FaultyService(1))
    pollers: list[Poller[Any]] = []
    open_poller = Poller.__init__

    def note(poller: Poller[Any], *args: Any) -> None:
        open_poller(poller, *args)
        pollers.append(poller)

    monkeypatch.setattr(Poller, "__init__", note)

    async def scenario() -> int:
        asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009 - none before 3.12
        waiting = wait(service.ids[0], not_before=time.time() + 300)
        await asyncio.sleep(200)
        held = len(pollers[0]._tasks)
        waiting.cancel()
        await ends([waiting])
        return held

    assert run(scenario) == 0


@pytest.mark.parametrize("images", [1, 3])
def test_poller_polls_last_when_the_client_opens_after_the_deadline(
    images: int, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificates are loaded in a thread, which takes its time when a triggerer starts again."""
    service = serve(FaultyService(images))
    service.statuses = dict.fromkeys(service.ids, "ACTIVE")

    @asynccontextmanager
    async def open_client(settings: Settings) -> AsyncIterator[ModelArtsClient]:
        await asyncio.sleep(1)
        yield create_client(settings, service)

    monkeypatch.setattr(pool, "client_pool", LoopLocalPool(open_client))

    async def scenario() -> tuple[Counter[str], float]:
        began = time.time()
        found = await ends([wait(i, poll_interval=HOUR, timeout=-HOUR) for i in service.ids])
        return outcomes(found), time.time() - began

    found, seconds = run(scenario)

    assert found == {"ACTIVE": images}
    assert seconds < 3
