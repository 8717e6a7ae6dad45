"""The connection cache when Airflow returns no connection."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook, Connection

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import (
    PERMANENT,
    AuthenticationError,
    ConnectionLookupError,
    InvalidConnectionError,
    WaitTimeoutError,
)
from airflow_provider_modelarts.hooks import pool
from airflow_provider_modelarts.hooks.connection import Identity, parse_connection
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.hooks.pool import ConnectionCache, connection_cache
from airflow_provider_modelarts.simulator import Fault, Simulator
from airflow_provider_modelarts.triggers.image import NotebookImageTrigger

NOT_DEFINED = AirflowNotFoundException("The conn_id `c` isn't defined")
FAR = 3600.0


class Airflow:
    """
    Airflow's lookup, with an outcome for each call; the last one is repeated.

    :param outcomes: an error to raise, a connection's fields, or ``hang``.
    """

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = list(outcomes)
        self.asked = 0

    async def __call__(self, conn_id: str) -> Connection:
        self.asked += 1
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        await asyncio.sleep(0)
        if outcome == "hang":
            await asyncio.get_running_loop().create_future()
        if isinstance(outcome, BaseException):
            raise outcome
        return Connection(**{**outcome, "conn_id": conn_id, "extra": json.dumps(outcome["extra"])})


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Airflow]:
    """Replaces Airflow's lookup by outcomes of the test, with no time between two lookups."""

    def give(*outcomes: Any, pauses: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)) -> Airflow:
        airflow = Airflow(*outcomes)
        monkeypatch.setattr(pool, "get_async_connection", airflow)
        monkeypatch.setattr(pool, "LOOKUP_PAUSES", pauses)
        return airflow

    return give


async def many(cache: ConnectionCache, number: int = 50, **arguments: Any) -> list[Any]:
    asked: list[Awaitable[Any]] = [cache.settings(**arguments) for _ in range(number)]
    return await asyncio.gather(*asked, return_exceptions=True)


def test_lookup_is_retried_five_times_in_two_minutes() -> None:
    assert len(pool.LOOKUP_PAUSES) == 4
    assert sum(pool.LOOKUP_PAUSES) == 120


@pytest.mark.parametrize(
    "error",
    [
        NOT_DEFINED,
        RuntimeError("API server: 502"),
        OSError("connection refused"),
        KeyError("conn"),
        ValueError("not a URI"),
        asyncio.CancelledError(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("failures", [1, 4])
def test_lookup_survives_exceptions_of_airflow(
    error: BaseException, failures: int, play: Callable[..., Airflow], simulator: Simulator
) -> None:
    airflow = play(*[error] * failures, simulator.connection)

    settings = asyncio.run(many(ConnectionCache("c")))

    assert {found.endpoint for found in settings} == {simulator.endpoint}
    assert airflow.asked == failures + 1


def test_lookup_fails_all_waits_once_and_restarts_for_later_wait(
    play: Callable[..., Airflow], simulator: Simulator
) -> None:
    airflow = play(*[NOT_DEFINED] * 5, simulator.connection)

    async def twice() -> tuple[list[Any], Any]:
        cache = ConnectionCache("c")
        return await many(cache), await cache.settings()

    failures, later = asyncio.run(twice())

    assert {type(failure) for failure in failures} == {ConnectionLookupError}
    assert len({id(failure) for failure in failures}) == 50  # of each its own traceback
    assert str(failures[0]).startswith(
        "Airflow did not return the connection 'c' in 5 lookups over 0 s; "
        "last error: AirflowNotFoundException: The conn_id `c` isn't defined. Check that it exists"
    )
    assert later.endpoint == simulator.endpoint
    assert airflow.asked == 6
    assert not isinstance(failures[0], PERMANENT)


@pytest.mark.parametrize("outcome", ["hang", NOT_DEFINED], ids=["hangs", "fails"])
def test_wait_with_early_deadline_leaves_lookup_to_others(
    outcome: Any, play: Callable[..., Airflow], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "LOOKUP_GRACE", 0.2)
    monkeypatch.setattr(pool, "LOOKUP_TIMEOUT", 0.4)
    airflow = play(outcome, simulator.connection, pauses=(0.4,))

    async def both() -> list[Any]:
        cache = ConnectionCache("c")
        patient = asyncio.ensure_future(cache.settings(deadline=time.time() + FAR))
        with pytest.raises(ConnectionLookupError, match=r"in [01] lookups over \d+ s"):
            await cache.settings(deadline=time.time() - FAR)
        cancelled = asyncio.ensure_future(cache.settings())
        await asyncio.sleep(0)
        cancelled.cancel()
        return [await patient]

    (settings,) = asyncio.run(both())

    assert settings.endpoint == simulator.endpoint
    assert airflow.asked == 2


def test_lookup_of_invalid_connection_is_not_retried(play: Callable[..., Airflow]) -> None:
    airflow = play({"conn_type": "modelarts", "extra": {}})

    failures = asyncio.run(many(ConnectionCache("c")))

    assert {type(failure) for failure in failures} == {InvalidConnectionError}
    assert airflow.asked == 1


@pytest.mark.parametrize("outcome", [NOT_DEFINED, "hang"], ids=["fails", "hangs"])
def test_failed_lookup_keeps_cached_connection(
    outcome: Any,
    play: Callable[..., Airflow],
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """When the cached one is five minutes old: one warning, one lookup."""
    airflow = play(simulator.connection, outcome)
    monkeypatch.setattr(pool, "LOOKUP_TIMEOUT", 0.1)

    async def later() -> list[Any]:
        cache = ConnectionCache("c")
        first = await cache.settings()
        cache._fetched_at -= pool.CONNECTION_TTL
        return [first, *await many(cache), *await many(cache)]

    settings = asyncio.run(later())

    assert all(found is settings[0] for found in settings)
    assert airflow.asked == 2
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Its cached settings stay in use" in caplog.text


def test_failed_lookup_is_retried_after_refusal(play: Callable[..., Airflow], simulator: Simulator) -> None:
    """The key may have been replaced while the API server was down."""
    old, new = simulator.connection, {**simulator.connection, "login": "NEW"}
    airflow = play(old, NOT_DEFINED, NOT_DEFINED, new)

    async def refused() -> str:
        cache = ConnectionCache("c")
        await cache.settings()
        return (await cache.settings(after=time.monotonic())).identity.login

    assert asyncio.run(refused()) == "NEW"
    assert airflow.asked == 4


@pytest.mark.parametrize(
    ("error", "quoted"),
    [
        (RuntimeError("first line\nsecond line"), "RuntimeError: first line"),
        (
            OSError("cannot open postgresql://airflow:hidden@db/x"),
            "OSError: cannot open postgresql://***@db/x",
        ),
        (ValueError("Port could not be cast to integer value as 'hidden'"), "ValueError"),
        (json.JSONDecodeError("hidden", "hidden", 0), "JSONDecodeError"),
        (RuntimeError("simulator-secret-key is wrong"), "RuntimeError: *** is wrong"),
        (RuntimeError(), "RuntimeError"),
    ],
    ids=repr,
)
def test_lookup_error_shows_no_secret(
    error: Exception,
    quoted: str,
    play: Callable[..., Airflow],
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MASKED", json.dumps(simulator.connection))
    BaseHook.get_connection("masked")  # from which Airflow learns the secret
    play(error)

    with pytest.raises(ConnectionLookupError) as caught:
        asyncio.run(ConnectionCache("c").settings())

    assert f"last error: {quoted}. Check" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_failed_lookup_raises_retryable_error_in_worker() -> None:
    with pytest.raises(ConnectionLookupError, match=r"AirflowNotFoundException.*isn't defined") as caught:
        _ = ModelArtsHook("no_such_connection").settings

    assert not isinstance(caught.value, PERMANENT)
    status, message = ModelArtsHook("no_such_connection").test_connection()
    assert not status
    assert message.startswith("Airflow did not return the connection 'no_such_connection'")


def test_trigger_yields_one_event_when_connection_is_deleted(play: Callable[..., Airflow]) -> None:
    play(NOT_DEFINED)

    async def run() -> list[Any]:
        trigger = NotebookImageTrigger(
            image_id="i", modelarts_conn_id="c", poll_interval=1, deadline=time.time() + FAR
        )
        return [event.payload async for event in trigger.run()]

    (event,) = asyncio.run(run())

    assert (event["status"], event["error"]) == ("failed", "ConnectionLookupError")


def test_running_waits_continue_when_connection_is_deleted(
    simulator: Simulator, play: Callable[..., Airflow], monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = simulator.add_image(name="research", namespace="team", tag="nightly", status="CREATING")
    airflow = play(simulator.connection, NOT_DEFINED)

    async def run() -> list[Image]:
        first = asyncio.ensure_future(wait(image_id))
        while not simulator.journal and not first.done():
            await asyncio.sleep(0.01)
        monkeypatch.setattr(pool, "CONNECTION_TTL", 0.0)
        second = asyncio.ensure_future(wait(image_id))
        while airflow.asked < 2:
            await asyncio.sleep(0.01)
        simulator.set_image_status(image_id, "ACTIVE")
        return [await first, await second]

    assert [image.is_active for image in asyncio.run(run())] == [True, True]


def test_refused_wait_ends_with_refusal_when_connection_is_deleted(
    simulator: Simulator, play: Callable[..., Airflow]
) -> None:
    play({**simulator.connection, "password": "wrong-secret"}, NOT_DEFINED)

    with pytest.raises(AuthenticationError):
        asyncio.run(wait("i"))


async def wait(image_id: str, deadline: float | None = None) -> Image:
    return await ModelArtsHook("c").awatch(
        operations.show_image(image_id),
        is_done=lambda image: image.is_active,
        poll_interval=1,
        deadline=time.time() + FAR if deadline is None else deadline,
    )


async def shared_wait(image_id: str, deadline: float) -> Image:
    return await ModelArtsHook("c").await_image(image_id, poll_interval=1, deadline=deadline)


LOOKUP_HANGS = ConnectionLookupError, "last error: no response yet"
POLL_HANGS = WaitTimeoutError, "nothing, because no poll succeeded"


@pytest.mark.parametrize("wait", [wait, shared_wait])
@pytest.mark.parametrize("hanging", ["lookup", "login", "first request", "lock", "thread"])
def test_wait_ends_soon_after_deadline_when_lookup_hangs(
    wait: Callable[[str, float], Awaitable[Image]],
    hanging: str,
    simulator: Simulator,
    play: Callable[..., Airflow],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = {"auth": "password", "domain_name": "research-account"}
    login = {"login": "snapshot-user", "password": "simulator-password"}
    given = {**simulator.connection, **login, "extra": {**simulator.connection["extra"], **user}}
    play("hang" if hanging == "lookup" else given)
    monkeypatch.setattr(pool, "DEADLINE_GRACE", 0.2)
    monkeypatch.setattr(pool, "CANCEL_GRACE", 0.2)
    monkeypatch.setattr(pool, "LOOKUP_GRACE", 0.1)
    image_id = simulator.add_image(name="research", namespace="team", tag="nightly", status="CREATING")
    if hanging == "login":
        simulator.inject(Fault("slow", "CreateToken", times=None, seconds=FAR))
    if hanging == "first request":
        simulator.inject(Fault("slow", "ShowImage", times=None, seconds=FAR))
    if hanging == "thread":

        async def never(*_: Any) -> None:
            await asyncio.shield(asyncio.get_running_loop().create_future())

        monkeypatch.setattr(asyncio, "to_thread", never)

    async def run() -> float:
        began = time.monotonic()
        lock = pool.login_lock(identity_of(given))
        async with connection_cache.use("c") as cache:
            if hanging != "lookup":
                await cache.settings()  # or a machine that pauses would let the lookup end after the deadline
            if hanging == "lock":
                await lock.acquire()
            waits = [wait(image_id, time.time() + 0.2) for _ in range(20)]
            outcomes = await asyncio.gather(*waits, return_exceptions=True)
        error, text = LOOKUP_HANGS if hanging == "lookup" else POLL_HANGS
        assert {type(outcome) for outcome in outcomes} == {error}
        assert text in str(outcomes[0])
        return time.monotonic() - began

    loop = asyncio.new_event_loop()
    took = loop.run_until_complete(run())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0.1))
    loop.close()

    assert took < 30


def identity_of(given: dict[str, Any]) -> Identity:
    fields = {**given, "conn_id": "c", "extra": json.dumps(given["extra"])}
    return parse_connection(Connection(**fields)).identity
