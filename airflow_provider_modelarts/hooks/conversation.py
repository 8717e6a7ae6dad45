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

from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_modelarts.client.auth import AccessKey, Agency, Credentials, HostAgency, Password
from airflow_provider_modelarts.client.errors import (
    ConnectionLookupError,
    DeadlinePassed,
    ModelArtsError,
    NotAuthenticated,
    one_line,
)
from airflow_provider_modelarts.client.modelarts import ModelArts, Watched
from airflow_provider_modelarts.client.session import Project
from airflow_provider_modelarts.client.wire import Call, Clock, Transport
from airflow_provider_modelarts.hooks.connection import Identity, Settings, settings_of
from airflow_provider_modelarts.hooks.masking import mask, redacted
from airflow_provider_modelarts.transport import Shared, shared

T = TypeVar("T")
Seen = TypeVar("Seen", bound=Watched)

log = logging.getLogger(__name__)

FRESH = 300.0
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


def converse(
    settings: Settings,
    transport: Transport,
    *,
    credentials: Credentials | None = None,
    clock: Clock = time,
    one_at_a_time: AbstractAsyncContextManager[Any] | None = None,
) -> ModelArts:
    """
    Return the conversation that these settings describe, over this transport.

    :param credentials: in place of those that this process shares.
    """
    who = settings.identity
    for endpoint in settings.exposed_endpoints:
        log.warning("%s is plain HTTP: everyone on the way can read along", endpoint)
    if settings.route.verify is False:
        log.warning("The certificate of %s is not checked, because extra verify is false", settings.endpoint)
    return ModelArts(
        endpoint=settings.endpoint,
        project=Project(who.project_id, who.project_name, who.iam_endpoint),
        credentials=credentials or shared_credentials(who),
        transport=transport,
        clock=clock,
        random=Random(),  # noqa: S311 - for jitter
        one_at_a_time=one_at_a_time,
    )


def credentials_of(who: Identity) -> Credentials:
    """Return what proves who we are."""
    region = who.region if who.signature == "credential" else None
    credentials: Credentials
    if who.auth == "host_agency":
        credentials = HostAgency(region=region, on_secret=mask)
    elif who.auth == "password":
        credentials = Password(
            endpoint=who.iam_endpoint,
            user_name=who.login,
            password=who.secret,
            domain_name=who.domain_name or "",
            project={"id": who.project_id} if who.project_id else {"name": who.project_name},
            on_secret=mask,
        )
    else:
        credentials = AccessKey(who.login, who.secret, security_token=who.security_token, region=region)
    if who.agency_name:
        credentials = Agency(
            credentials,
            endpoint=who.iam_endpoint,
            agency_name=who.agency_name,
            agency_domain_name=who.agency_domain_name or "",
            region=region,
            on_secret=mask,
        )
    return credentials


shared_credentials = lru_cache(maxsize=64)(credentials_of)
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
    return f"{kind}: {one_line(redacted(line), 200).rstrip('.')}" if line else kind


class LookUp:
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
        :raises InvalidConnection: it was read and cannot be used.
        :raises ConnectionLookupError: Airflow did not give it, five times or until the deadline.
        """
        left = None if deadline is None else max(deadline - time.time(), LOOKUP_GRACE)
        give_up_at = math.inf if left is None else time.monotonic() + left
        now = time.monotonic()
        oldest = min(now, max(after, now - FRESH))
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
                    self._note(settings_of(await self._ask_airflow()), began)
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


@asynccontextmanager
async def _look_up(conn_id: str) -> AsyncIterator[LookUp]:
    look_up = LookUp(conn_id)
    try:
        yield look_up
    finally:
        look_up.close()


@asynccontextmanager
async def _lock(_: Identity) -> AsyncIterator[asyncio.Lock]:
    yield asyncio.Lock()


locks: Shared[Identity, asyncio.Lock] = Shared(_lock)
"""What lets logins happen one at a time, also where several connections have the same user."""


@asynccontextmanager
async def _converse_shared(settings: Settings) -> AsyncIterator[ModelArts]:
    async with shared.use(settings.route) as transport, locks.use(settings.identity) as lock:
        yield converse(settings, transport, one_at_a_time=lock)


look_ups: Shared[str, LookUp] = Shared(_look_up)
conversations: Shared[Settings, ModelArts] = Shared(_converse_shared)


async def run_shared(
    conn_id: str, run: Callable[[ModelArts], Awaitable[T]], deadline: float | None = None
) -> T:
    """
    Run something with the client that all users of a connection share on this event loop.

    If the credentials are refused, the connection is looked up again, because its key may have been changed.

    :param deadline: epoch seconds, for the lookup.
    """
    began = time.monotonic()
    async with look_ups.use(conn_id) as look_up:
        settings = await look_up.settings(deadline=deadline)
        while True:
            async with conversations.use(settings) as modelarts:
                try:
                    return await run(modelarts)
                except NotAuthenticated:
                    # Others may have looked it up for the same reason already: once is enough.
                    after = max(began, modelarts.refused_at)
                    found = await look_up.settings(after=after, deadline=deadline)
                    if found == settings:
                        raise
            settings = found


async def watch_shared(
    conn_id: str,
    call: Call[Seen],
    *,
    is_over: Callable[[Seen], bool],
    poll_interval: float,
    deadline: float,
    not_before: float | None,
) -> Seen:
    """
    Poll with the client that all users of a connection share, until it is over; see :meth:`ModelArts.watch`.

    :raises DeadlinePassed: it was not over by then; some seconds later at most, whatever hangs.
    """
    last: Seen | None = None

    def is_over_now(seen: Seen) -> bool:
        nonlocal last
        last = seen
        return is_over(seen)

    began = time.monotonic()
    waiting = run_shared(
        conn_id,
        lambda modelarts: modelarts.watch(
            call,
            is_over=is_over_now,
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
        raise DeadlinePassed(
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
