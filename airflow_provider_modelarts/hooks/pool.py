"""
Pools of what the waits on an event loop share.

In a triggerer all waits with one connection share one lookup of it, one client with its session, and one
backoff, however many waits there are.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeVar

from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_modelarts.client.client import ModelArtsClient, Pollable
from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.poll_log import hung
from airflow_provider_modelarts.exceptions import (
    AuthenticationError,
    ConnectionLookupError,
    ModelArtsError,
)
from airflow_provider_modelarts.hooks.clients import (
    LOOKUP_REMEDY,
    create_client,
    lookup_cause,
    shared_credentials,
)
from airflow_provider_modelarts.hooks.connection import Identity, Settings, parse_connection
from airflow_provider_modelarts.hooks.loop_local_pool import LoopLocalPool, LoopLocalValues
from airflow_provider_modelarts.hooks.shared_future import SharedFuture
from airflow_provider_modelarts.transport.async_transport import AsyncTransport

T = TypeVar("T")
PollableT = TypeVar("PollableT", bound=Pollable)

log = logging.getLogger(__name__)

CONNECTION_TTL = 300.0
"""Seconds for which the result of a lookup is reused; an edited connection takes effect after that."""
LOOKUP_PAUSES = (8.0, 16.0, 32.0, 64.0)
"""Seconds between the lookups of a connection; when the one after the last pause fails, it is missing."""
LOOKUP_TIMEOUT = 30.0
"""Seconds after which a lookup counts as failed."""
LOOKUP_GRACE = 5.0
"""Seconds that a lookup may take at least, even if the deadline of its wait has passed."""
DEADLINE_GRACE = 15.0
"""Seconds after its deadline at which a wait ends even if a step hangs."""
CANCEL_GRACE = 1.0
"""Seconds that a cancelled task has for its cleanup."""


class ConnectionCache:
    """
    The settings of one connection; concurrent waits share one lookup.

    Airflow raises the same for a connection that is missing and for an API server that fails, so a failed
    lookup is retried for two minutes, by a task that no single wait owns.

    :param conn_id: the Airflow connection.
    """

    def __init__(self, conn_id: str) -> None:
        self._conn_id = conn_id
        self._settings: Settings | None = None
        self._fetched_at = -math.inf
        self._running: SharedFuture[ModelArtsError | None] | None = None
        self._tries = 0
        self._began = 0.0
        self._last_cause = "no response yet"

    async def settings(self, *, after: float = -math.inf, deadline: float | None = None) -> Settings:
        """
        Return the connection's settings, after a lookup if there are none or if they are too old.

        Cached settings stay in use while new lookups fail.

        :param after: monotonic seconds; settings from a lookup that began earlier are too old.
        :param deadline: epoch seconds after which this call waits for no lookup.
        :raises InvalidConnectionError: the connection was read and cannot be used.
        :raises ConnectionLookupError: five lookups failed, or none succeeded until the deadline.
        """
        left = None if deadline is None else max(deadline - time.time(), LOOKUP_GRACE)
        give_up_at = math.inf if left is None else time.monotonic() + left
        now = time.monotonic()
        oldest = min(now, max(after, now - CONNECTION_TTL))
        while self._settings is None or self._fetched_at < oldest:
            if self._running is None:
                # If the cached settings are merely old, waits must not be delayed by retries.
                is_old = self._settings is not None and self._fetched_at >= after
                pauses = () if is_old else LOOKUP_PAUSES
                self._running = SharedFuture(asyncio.create_task(self._retry(pauses)))
            running = self._running
            timeout = None if give_up_at == math.inf else give_up_at - time.monotonic()
            error = await running.result() if await running.wait(timeout) else self._failure()
            if error is not None:
                if self._settings is None or not isinstance(error, ConnectionLookupError):
                    # A new error for each wait, because a raised one collects a traceback.
                    raise type(error)(error.message)
                break
        return self._settings

    async def _retry(self, pauses: tuple[float, ...]) -> ModelArtsError | None:
        """Repeat the lookup until it succeeds or the last try fails; return the error, if any."""
        self._began, self._tries, self._last_cause = time.monotonic(), 0, "no response yet"
        try:
            for pause in (*pauses, None):
                began = time.monotonic()
                try:
                    self._store(parse_connection(await self._fetch()), began)
                except ModelArtsError as error:
                    return error
                except Exception as error:  # noqa: BLE001 - Airflow, its database and any secrets backend
                    self._tries += 1
                    self._last_cause = lookup_cause(error)
                else:
                    return None
                if pause is not None:
                    level = logging.WARNING if self._tries == 1 else logging.DEBUG
                    log.log(level, "%s Retrying in %.0f s", self._failure().message, pause)
                    await asyncio.sleep(pause)
            if self._settings is not None:
                log.warning("%s Its cached settings stay in use", self._failure().message)
                self._fetched_at = time.monotonic()
            return self._failure()
        finally:
            self._running = None

    async def _fetch(self) -> Connection:
        lookup = asyncio.ensure_future(get_async_connection(self._conn_id))
        try:
            # Not wait_for, which waits until a cancelled task has ended: its thread may hang.
            done, _ = await asyncio.wait([lookup], timeout=LOOKUP_TIMEOUT)
            if not done:
                raise TimeoutError(f"no response in {LOOKUP_TIMEOUT:.0f} s")
            if lookup.cancelled():  # by Airflow; this wait goes on
                raise RuntimeError("Airflow cancelled the lookup")
            return lookup.result()
        finally:
            lookup.cancel()

    def _store(self, found: Settings, at: float) -> None:
        if self._settings is not None and found != self._settings:
            log.info("Connection %r has changed; its new settings are in use", self._conn_id)
            shared_credentials(found.identity).clear_refusals()
        self._settings, self._fetched_at = found, at

    def _failure(self) -> ConnectionLookupError:
        seconds = time.monotonic() - self._began
        return ConnectionLookupError(
            f"Airflow did not return the connection {self._conn_id!r} in {self._tries} lookups over "
            f"{seconds:.0f} s; last error: {self._last_cause}. {LOOKUP_REMEDY}"
        )

    def close(self) -> None:
        """Cancel a lookup that is running."""
        if self._running is not None:
            self._running.cancel()


_login_locks: LoopLocalValues[Identity, asyncio.Lock] = LoopLocalValues(asyncio.Lock)


def login_lock(identity: Identity) -> asyncio.Lock:
    """
    Return the lock that lets logins happen one at a time.

    Connections that differ in anything else, such as a timeout, share the login of their identity.
    """
    return _login_locks.get(identity)


@asynccontextmanager
async def _open_connection_cache(conn_id: str) -> AsyncIterator[ConnectionCache]:
    cache = ConnectionCache(conn_id)
    try:
        yield cache
    finally:
        cache.close()


@asynccontextmanager
async def _open_client(settings: Settings) -> AsyncIterator[ModelArtsClient]:
    async with AsyncTransport.open(settings.transport_config) as transport:
        yield create_client(settings, transport, lock=login_lock(settings.identity))


connection_cache: LoopLocalPool[str, ConnectionCache] = LoopLocalPool(_open_connection_cache)
client_pool: LoopLocalPool[Settings, ModelArtsClient] = LoopLocalPool(_open_client)


class RefusedAt(Protocol):
    """What uses the credentials of a connection."""

    @property
    def refused_at(self) -> float:
        """When they were last refused, in monotonic seconds."""


UserT = TypeVar("UserT", bound=RefusedAt)


async def run_with_settings(
    conn_id: str,
    use: Callable[[Settings], AbstractAsyncContextManager[UserT]],
    run: Callable[[UserT], Awaitable[T]],
    deadline: float | None = None,
) -> T:
    """
    Run a function with something that depends on the settings of a connection.

    If the credentials are refused, there is another lookup, because the connection's key may have changed;
    if it has, the function runs once more.

    :param use: opens what the function receives, and closes it.
    :param deadline: epoch seconds after which no lookup is waited for.
    :raises ModelArtsError: the lookup or the function failed.
    """
    began = time.monotonic()
    async with connection_cache.use(conn_id) as cache:
        settings = await cache.settings(deadline=deadline)
        while True:
            async with use(settings) as user:
                try:
                    return await run(user)
                except AuthenticationError:
                    # Another wait may have caused a lookup for this refusal already: one is enough.
                    after = max(began, user.refused_at)
                    found = await cache.settings(after=after, deadline=deadline)
                    if found == settings:
                        raise
            settings = found


async def run_shared(
    conn_id: str, run: Callable[[ModelArtsClient], Awaitable[T]], deadline: float | None = None
) -> T:
    """Run a function, as :func:`run_with_settings`, with the client that all users of a connection share."""
    return await run_with_settings(conn_id, client_pool.use, run, deadline)


async def run_until(
    conn_id: str, run: Callable[[ModelArtsClient], Awaitable[T]], deadline: float, *, subject: str
) -> T:
    """
    Run a function, as :func:`run_shared`, that ends at a deadline by itself unless one of its steps hangs.

    :param subject: what it waits for, for messages.
    :raises WaitTimeoutError: it still ran :data:`DEADLINE_GRACE` after the deadline.
    """
    began = time.monotonic()
    running = run_shared(conn_id, run, deadline)
    try:
        return await bounded(running, max(0.0, deadline - time.time()) + DEADLINE_GRACE)
    except StillRunningError:
        raise hung(subject, time.monotonic() - began, "") from None


async def watch_shared(
    conn_id: str,
    operation: Operation[PollableT],
    *,
    is_done: Callable[[PollableT], bool],
    poll_interval: float,
    deadline: float,
    not_before: float | None,
) -> PollableT:
    """
    Poll as :meth:`ModelArtsClient.watch` does, with the client that all users of a connection share.

    :raises WaitTimeoutError: the deadline passed first; raised :data:`DEADLINE_GRACE` later if a step hangs.
    """
    last: PollableT | None = None

    def note_and_check(polled: PollableT) -> bool:
        nonlocal last
        last = polled
        return is_done(polled)

    began = time.monotonic()
    waiting = run_shared(
        conn_id,
        lambda modelarts: modelarts.watch(
            operation,
            is_done=note_and_check,
            poll_interval=poll_interval,
            deadline=deadline,
            not_before=not_before,
        ),
        deadline,
    )
    try:
        return await bounded(waiting, max(0.0, deadline - time.time()) + DEADLINE_GRACE)
    except StillRunningError:
        seen = last.describe() if last else ""
        raise hung(operation.subject, time.monotonic() - began, seen) from None


class StillRunningError(Exception):
    """A coroutine did not end in time."""


async def bounded(coroutine: Coroutine[Any, Any, T], seconds: float) -> T:
    """
    Return the result of a coroutine.

    Not :func:`asyncio.wait_for`, which waits until the cancelled coroutine has ended: that may hang.

    :raises StillRunningError: the coroutine did not end in time.
    """
    task = asyncio.ensure_future(coroutine)
    # Retrieves an exception that comes too late, or asyncio would log it.
    task.add_done_callback(lambda task: task.cancelled() or task.exception())
    try:
        done, _ = await asyncio.wait([task], timeout=seconds)
        if done:
            return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=CANCEL_GRACE)
    raise StillRunningError
