"""
Opens the conversation that a connection describes.

A worker opens one for itself. In a triggerer it belongs to the process: all waits through one
connection share one look-up of it, one session and one back-off, however many there are.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import lru_cache
from random import Random
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_modelarts.client.client import ModelArtsClient, Pollable
from airflow_provider_modelarts.client.credentials import (
    AccessKeyCredentials,
    AgencyCredentials,
    Credentials,
    EcsAgencyCredentials,
    PasswordCredentials,
)
from airflow_provider_modelarts.client.http_types import Clock, Operation, Transport
from airflow_provider_modelarts.client.session import Project
from airflow_provider_modelarts.exceptions import (
    AuthenticationError,
    ConnectionLookupError,
    ModelArtsError,
    WaitTimeoutError,
    sanitize,
)
from airflow_provider_modelarts.hooks.connection import Identity, Settings, parse_connection
from airflow_provider_modelarts.hooks.masking import mask, redacted
from airflow_provider_modelarts.hooks.pool import LoopLocalPool
from airflow_provider_modelarts.transport import AsyncTransport

T = TypeVar("T")
PollableT = TypeVar("PollableT", bound=Pollable)

log = logging.getLogger(__name__)

CONNECTION_TTL = 300.0
"""Seconds for which a look-up serves later waits too, so that an edited connection takes effect."""
LOOKUP_PAUSES = (8.0, 16.0, 32.0, 64.0)
"""Seconds between the lookups after which it is believed that Airflow does not have a connection."""
LOOKUP_TIMEOUT = 30.0
"""Seconds after which one lookup is given up."""
LOOKUP_GRACE = 5.0
"""Seconds that a lookup may take at least, even where the wait's deadline is over."""
DEADLINE_GRACE = 15.0
"""Seconds after its deadline at which a wait ends, whatever hangs."""
CANCEL_GRACE = 1.0
"""Seconds that what is cancelled has to clean up."""

_CREDENTIALS = re.compile(r"//[^/@\s]*@")


def create_client(
    settings: Settings,
    transport: Transport,
    *,
    credentials: Credentials | None = None,
    clock: Clock = time,
    lock: AbstractAsyncContextManager[Any] | None = None,
) -> ModelArtsClient:
    """
    Return the conversation that these settings describe, over this transport.

    :param credentials: in place of those that this process shares.
    """
    who = settings.identity
    for endpoint in settings.plaintext_endpoints:
        log.warning("%s is plain HTTP: everyone on the way can read along", endpoint)
    if settings.transport_config.verify is False:
        log.warning("The certificate of %s is not checked, because extra verify is false", settings.endpoint)
    return ModelArtsClient(
        endpoint=settings.endpoint,
        project=Project(who.project_id, who.project_name, who.iam_endpoint),
        credentials=credentials or shared_credentials(who),
        transport=transport,
        clock=clock,
        random=Random(),  # noqa: S311 - for jitter
        lock=lock,
    )


def build_credentials(who: Identity) -> Credentials:
    """Return what proves who we are."""
    region = who.region if who.signature == "credential" else None
    credentials: Credentials
    if who.auth == "host_agency":
        credentials = EcsAgencyCredentials(region=region, register_secret=mask)
    elif who.auth == "password":
        credentials = PasswordCredentials(
            endpoint=who.iam_endpoint,
            user_name=who.login,
            password=who.secret,
            domain_name=who.domain_name or "",
            project={"id": who.project_id} if who.project_id else {"name": who.project_name},
            register_secret=mask,
        )
    else:
        credentials = AccessKeyCredentials(
            who.login, who.secret, security_token=who.security_token, region=region
        )
    if who.agency_name:
        credentials = AgencyCredentials(
            credentials,
            endpoint=who.iam_endpoint,
            agency_name=who.agency_name,
            agency_domain_name=who.agency_domain_name or "",
            region=region,
            register_secret=mask,
        )
    return credentials


shared_credentials = lru_cache(maxsize=64)(build_credentials)
"""
The same for all of a process: it logs in once and looks its project up once, however many hooks and
waits it has.
"""


@contextmanager
def lookup_errors(conn_id: str) -> Iterator[None]:
    """
    Raise whatever Airflow's own lookup of a connection raises as one of our errors.

    :raises ConnectionLookupError: Airflow did not give the connection.
    """
    try:
        yield
    except ModelArtsError:
        raise  # what it gave was read, and is wrong
    except Exception as error:  # noqa: BLE001 - Airflow, its database and any secrets backend
        raise ConnectionLookupError(
            f"Airflow did not give the connection {conn_id!r}: {_cause(error)}. {_REMEDY}"
        ) from None


_REMEDY = "Check that it exists, and that Airflow's API server and secrets backends can be reached."


def _cause(error: Exception) -> str:
    """Return the class of an error and, unless it may quote what a connection holds, its first line."""
    kind = type(error).__name__
    if isinstance(error, (ValueError, LookupError)):  # of what parses it
        return kind
    line = _CREDENTIALS.sub("//***@", next(iter(str(error).strip().splitlines()), ""))
    return f"{kind}: {sanitize(redacted(line), 200).rstrip('.')}" if line else kind


class ConnectionCache:
    """
    What a connection said when it was last looked up; looked up once for all who ask.

    Airflow does not tell a connection that is gone from an API server that fails, so a lookup that
    fails is repeated for two minutes by a task that no single wait owns.
    """

    def __init__(self, conn_id: str) -> None:
        self._conn_id = conn_id
        self._settings: Settings | None = None
        self._looked_up_at = -math.inf
        self._running: asyncio.Task[ModelArtsError | None] | None = None
        self._tries = 0
        self._began = 0.0
        self._last_cause = "no answer yet"

    async def settings(self, *, after: float = -math.inf, deadline: float | None = None) -> Settings:
        """
        Return the connection's settings.

        Those that are known stay when they cannot be looked up again.

        :param after: monotonic seconds; a lookup that began before does not count.
        :param deadline: epoch seconds.
        :raises InvalidConnectionError: it was read and cannot be used.
        :raises ConnectionLookupError: Airflow did not give it, five times or until the deadline.
        """
        left = None if deadline is None else max(deadline - time.time(), LOOKUP_GRACE)
        give_up_at = math.inf if left is None else time.monotonic() + left
        now = time.monotonic()
        oldest = min(now, max(after, now - CONNECTION_TTL))
        while self._settings is None or self._looked_up_at < oldest:
            if self._running is None:
                # Who only asks because what is known is old must not wait for long.
                is_old = self._settings is not None and self._looked_up_at >= after
                pauses = () if is_old else LOOKUP_PAUSES
                self._running = asyncio.create_task(self._retry(pauses))
            running = self._running
            timeout = None if give_up_at == math.inf else give_up_at - time.monotonic()
            done, _ = await asyncio.wait([running], timeout=timeout)
            error = running.result() if done else self._failure()
            if error is not None:
                if self._settings is None or not isinstance(error, ConnectionLookupError):
                    # Another one for each: what is raised collects a traceback.
                    raise type(error)(error.message)
                break
        return self._settings

    async def _retry(self, pauses: tuple[float, ...]) -> ModelArtsError | None:
        """Look the connection up until that succeeds or is given up, and return what it ended with."""
        self._began, self._tries, self._last_cause = time.monotonic(), 0, "no answer yet"
        try:
            for pause in (*pauses, None):
                began = time.monotonic()
                try:
                    self._note(parse_connection(await self._ask_airflow()), began)
                except ModelArtsError as error:
                    return error
                except Exception as error:  # noqa: BLE001 - Airflow, its database and any secrets backend
                    self._tries += 1
                    self._last_cause = _cause(error)
                else:
                    return None
                if pause is not None:
                    level = logging.WARNING if self._tries == 1 else logging.DEBUG
                    log.log(level, "%s It is tried again in %.0f s", self._failure().message, pause)
                    await asyncio.sleep(pause)
            if self._settings is not None:
                log.warning("%s What it said before stays in use", self._failure().message)
                self._looked_up_at = time.monotonic()
            return self._failure()
        finally:
            self._running = None

    async def _ask_airflow(self) -> Connection:
        asking = asyncio.ensure_future(get_async_connection(self._conn_id))
        try:
            # Not wait_for, which waits for what it cancels: a thread may hang.
            done, _ = await asyncio.wait([asking], timeout=LOOKUP_TIMEOUT)
            if not done:
                raise TimeoutError(f"no answer in {LOOKUP_TIMEOUT:.0f} s")
            if asking.cancelled():  # by Airflow: it is not this wait that ends
                raise RuntimeError("it was cancelled")
            return asking.result()
        finally:
            asking.cancel()

    def _note(self, found: Settings, at: float) -> None:
        if self._settings is not None and found != self._settings:
            log.info("The connection %r was changed", self._conn_id)
            shared_credentials(found.identity).forget_refusals()
        self._settings, self._looked_up_at = found, at

    def _failure(self) -> ConnectionLookupError:
        seconds = time.monotonic() - self._began
        return ConnectionLookupError(
            f"Airflow did not give the connection {self._conn_id!r} in {self._tries} lookups over "
            f"{seconds:.0f} s; the last one: {self._last_cause}. {_REMEDY}"
        )

    def close(self) -> None:
        """Stop looking it up."""
        if self._running is not None:
            self._running.cancel()


_login_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[Identity, asyncio.Lock]] = (
    WeakKeyDictionary()
)


def login_lock(identity: Identity) -> asyncio.Lock:
    """
    Return the lock that lets logins happen one at a time.

    Connections that differ in anything else, such as a timeout, share the login of their identity.
    """
    locks = _login_locks.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
    return locks.setdefault(identity, asyncio.Lock())


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


async def run_shared(
    conn_id: str, run: Callable[[ModelArtsClient], Awaitable[T]], deadline: float | None = None
) -> T:
    """
    Run something with the client that all users of a connection share on this event loop.

    If the credentials are refused, the connection is looked up again, because its key may have been changed.

    :param deadline: epoch seconds, for the lookup.
    """
    began = time.monotonic()
    async with connection_cache.use(conn_id) as cache:
        settings = await cache.settings(deadline=deadline)
        while True:
            async with client_pool.use(settings) as modelarts:
                try:
                    return await run(modelarts)
                except AuthenticationError:
                    # Others may have looked it up for the same reason already: once is enough.
                    after = max(began, modelarts.refused_at)
                    found = await cache.settings(after=after, deadline=deadline)
                    if found == settings:
                        raise
            settings = found


async def watch_shared(
    conn_id: str,
    call: Operation[PollableT],
    *,
    is_done: Callable[[PollableT], bool],
    poll_interval: float,
    deadline: float,
    not_before: float | None,
) -> PollableT:
    """
    Poll with the client that all users of a connection share, as :meth:`ModelArtsClient.watch` does.

    :raises WaitTimeoutError: it was not over by then; some seconds later at most, whatever hangs.
    """
    last: PollableT | None = None

    def is_over_now(seen: PollableT) -> bool:
        nonlocal last
        last = seen
        return is_done(seen)

    began = time.monotonic()
    waiting = run_shared(
        conn_id,
        lambda modelarts: modelarts.watch(
            call,
            is_done=is_over_now,
            poll_interval=poll_interval,
            deadline=deadline,
            not_before=not_before,
        ),
        deadline,
    )
    try:
        return await _bounded(waiting, max(0.0, deadline - time.time()) + DEADLINE_GRACE)
    except _StillRunningError:
        state = last.describe() if last else "nothing, because no poll succeeded"
        raise WaitTimeoutError(
            f"Timed out after {time.monotonic() - began:.0f} s waiting for {call.subject}. "
            f"Last seen: {state}. The last step did not end: the connection's lookup, a "
            "login, a thread or the network hangs"
        ) from None


class _StillRunningError(Exception):
    """What was to be done by now is not."""


async def _bounded(coroutine: Coroutine[Any, Any, T], seconds: float) -> T:
    """
    Return what a coroutine returns, if it does so in time.

    Not :func:`asyncio.wait_for`, which waits for what it cancels: that may be what hangs.
    """
    task = asyncio.ensure_future(coroutine)
    task.add_done_callback(
        lambda task: task.cancelled() or task.exception()
    )  # is looked at, even if too late
    try:
        done, _ = await asyncio.wait([task], timeout=seconds)
        if done:
            return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=CANCEL_GRACE)
    raise _StillRunningError
