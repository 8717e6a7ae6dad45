"""The conversation with ModelArts: the only place that signs, pages, polls and turns replies into errors."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timezone
from random import Random
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlencode

from airflow_provider_modelarts.client.auth import Credentials
from airflow_provider_modelarts.client.errors import (
    ApiError,
    DeadlinePassed,
    ModelArtsError,
    NotAuthenticated,
    ServiceFailed,
    Throttled,
    TransportFailed,
    UnexpectedReply,
)
from airflow_provider_modelarts.client.models import Page
from airflow_provider_modelarts.client.replies import read
from airflow_provider_modelarts.client.wire import Call, Request, Transport

T = TypeVar("T")

MAX_PAGES = 1_000
SHORTEST_INTERVAL = 1.0
"""Seconds between two looks, whatever was asked for: no wait may hammer the service."""
HEARTBEAT = 300.0
"""Seconds after which a wait that sees no change says that it is still there."""

log = logging.getLogger(__name__)


class HasId(Protocol):
    """What a list must hold so that its pages can be put together."""

    @property
    def id(self) -> str:
        """What tells it from the others."""


Item = TypeVar("Item", bound=HasId)


class Watched(Protocol):
    """What can be waited for."""

    def describe(self) -> str:
        """Return a line for the log, which changes when something changed."""


Seen = TypeVar("Seen", bound=Watched)


class Weather:
    """
    The back-off that all waits on one project share.

    In good weather everyone looks when it is their turn. After a failure one look at a time
    probes for all, until the first good reply.
    """

    LONGEST_PAUSE = 60.0
    LONGEST_RETRY_AFTER = 600.0

    def __init__(self, random: Random) -> None:
        self._random = random
        self._failures = 0
        self._shut_until = 0.0

    @property
    def is_bad(self) -> bool:
        """Whether the last reply was a failure."""
        return self._failures > 0

    def claim(self, now: float, poll_interval: float) -> float:
        """Return 0 if one may look now, or the seconds until it is worth asking again."""
        if now < self._shut_until:
            return self._shut_until - now
        if self._failures:
            self._shut_until = now + self._pause(poll_interval)
        return 0.0

    def worsen(self, now: float, poll_interval: float, retry_after: float | None) -> None:
        """Note a failure; the service may have said how long it wants to be left alone."""
        self._failures += 1
        asked_for = min(retry_after or 0.0, self.LONGEST_RETRY_AFTER)
        self._shut_until = now + max(asked_for, self._pause(poll_interval))

    def clear(self) -> None:
        """Note a good reply."""
        self._failures = 0
        self._shut_until = 0.0

    def _pause(self, poll_interval: float) -> float:
        backoff = min(self.LONGEST_PAUSE, 2.0 ** min(self._failures, 10))
        return max(poll_interval, backoff) * self._random.uniform(1.0, 1.25)


@dataclass(frozen=True, slots=True)
class Project:
    """
    Which project is talked about: its id, or its name and the IAM that knows the id.

    :param endpoint: of IAM.
    """

    id: str | None
    name: str = ""
    endpoint: str = ""


class ModelArts:
    """
    One account's conversation with one project of ModelArts.

    :param endpoint: scheme, host and port; no path.
    :param clock: the time in seconds since the epoch.
    :param random: for jitter.
    :param one_at_a_time: a lock for what must not happen twice at once, such as a log-in; in a worker,
        where nothing happens at once, there is none.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        project: Project,
        credentials: Credentials,
        transport: Transport,
        clock: Callable[[], float],
        random: Random,
        one_at_a_time: AbstractAsyncContextManager[Any] | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._project = project
        self._credentials = credentials
        self._transport = transport
        self._clock = clock
        self._random = random
        self._one_at_a_time = one_at_a_time or nullcontext()
        self._weather = Weather(random)

    async def call(self, call: Call[T]) -> T:
        """
        Make one call and return what it says.

        A refused token or temporary key is renewed once, which even a write survives: what the
        gateway refuses never reached the service.

        :raises TransportFailed: nothing came back, so a write may or may not have taken effect.
        :raises UnexpectedReply: what came back cannot be read.
        :raises ApiError: the class says why it was refused.
        """
        request = await self._request(call)
        try:
            return await self._exchange(call, request)
        except ApiError as error:
            refused = error.status == 401 or isinstance(error, NotAuthenticated)
            if not refused or not self._credentials.forget(request):
                raise
            log.info("The credentials are renewed, because they were refused: %s", error)
        return await self._exchange(call, await self._request(call))

    async def _exchange(self, call: Call[T], request: Request) -> T:
        response = await self._transport.send(request)
        return read(f"{call.operation} ({call.method} {call.path})", response, call.parse, self._now())

    async def _request(self, call: Call[Any]) -> Request:
        """Return the request that makes a call, with the proof of who makes it."""
        async with self._one_at_a_time:
            project_id = self._project.id or await self._credentials.project_id(
                self._project.endpoint, self._project.name, self._transport, self._now()
            )
            query = urlencode(sorted(call.query.items()), quote_via=quote, safe="~")
            path = f"/v1/{quote(project_id, safe='')}{call.path}"
            request = Request(
                method=call.method,
                url=f"{self._endpoint}{path}{'?' if query else ''}{query}",
                headers={
                    "Accept": "application/json",
                    "Content-Type": "application/json",
                    "X-Language": "en-us",
                    "X-Project-Id": project_id,
                },
                body=b"" if call.body is None else json.dumps(call.body, ensure_ascii=False).encode(),
            )
            return await self._credentials.authorise(request, self._transport, self._now())

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), tz=timezone.utc)

    async def sleep(self, seconds: float) -> None:
        """Wait, as this world does."""
        await self._transport.sleep(seconds)

    async def collect(self, call: Call[Page[Item]]) -> list[Item]:
        """
        Return all items of a list, each once.

        Only the items are trusted: the vendors' examples of ``current`` and ``pages`` contradict each
        other. Should ``offset`` turn out to count pages and not records, it is stepped as such.

        :raises UnexpectedReply: the list does not end.
        """
        found: dict[str, Item] = {}
        offset, counts_pages = 0, False
        for _ in range(MAX_PAGES):
            page = await self.call(call.with_query(offset=str(offset)))
            new = {item.id: item for item in page.data if item.id not in found}
            found |= new
            if page.total is not None and len(found) >= page.total:
                return list(found.values())
            if not new:
                nothing_more = page.total is None and not page.data
                if offset == 0 or counts_pages or nothing_more:
                    return list(found.values())
                offset, counts_pages = 0, True
            offset += 1 if counts_pages else len(page.data)
        raise UnexpectedReply(f"{call.operation} did not end after {MAX_PAGES} pages; narrow its filters")

    async def watch(
        self,
        call: Call[Seen],
        *,
        is_over: Callable[[Seen], bool],
        poll_interval: float,
        deadline: float,
    ) -> Seen:
        """
        Look again and again until it is over, and return what was seen last.

        Transient errors are waited out, however many there are. The first look comes after a random
        part of the interval, so that waits which start together do not look together; the last one
        comes at the deadline, even if that passed long ago, so that no good end is missed (in bad
        weather a deadline is no reason to look before one's turn).

        :param poll_interval: seconds between looks.
        :param deadline: epoch seconds after which there is no further look.
        :raises DeadlinePassed: it was not over by then.
        :raises ModelArtsError: any error that waiting does not cure.
        """
        last: Seen | None = None
        said, said_at, is_troubled = "", self._clock(), False
        poll_interval = max(SHORTEST_INTERVAL, poll_interval)
        pause = self._random.uniform(0.0, poll_interval)
        while True:
            left = max(0.0, deadline - self._clock())
            is_last = pause >= left
            await self._transport.sleep(min(pause, left))
            pause = self._weather.claim(self._clock(), poll_interval)
            if not pause:
                try:
                    last = await self.call(call)
                except ModelArtsError as error:
                    if not error.is_transient:
                        raise
                    self._note(error, poll_interval, is_first=not is_troubled)
                    is_troubled = True
                    if self._clock() - said_at >= HEARTBEAT:
                        log.info("Still waiting, last seen: %s", last.describe() if last else "nothing yet")
                        said_at = self._clock()
                else:
                    self._clear_up()
                    is_troubled = False
                    line, now = last.describe(), self._clock()
                    if line != said or now - said_at >= HEARTBEAT:
                        log.info("%s", line)
                        said, said_at = line, now
                    if is_over(last):
                        return last
                pause = poll_interval * self._random.uniform(0.9, 1.1)
            if is_last:
                state = last.describe() if last else "No look succeeded"
                raise DeadlinePassed(f"{state}; the time to wait for it is over")

    def _clear_up(self) -> None:
        if self._weather.is_bad:
            log.info("ModelArts answers again")
        self._weather.clear()

    def _note(self, error: ModelArtsError, poll_interval: float, *, is_first: bool) -> None:
        """Say the first of a run of errors aloud; a reply that cannot be read is no bad weather."""
        level = logging.WARNING if is_first and not self._weather.is_bad else logging.DEBUG
        log.log(level, "Still waiting, although a look failed: %s", error)
        if isinstance(error, (TransportFailed, Throttled, ServiceFailed)):
            retry_after = getattr(error, "retry_after", None)
            self._weather.worsen(self._clock(), poll_interval, retry_after)
