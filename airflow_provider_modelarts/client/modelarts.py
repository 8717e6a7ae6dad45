"""The conversation with ModelArts: the only place that signs, pages, polls and turns replies into errors."""

from __future__ import annotations

import copy
import json
import logging
import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
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
from airflow_provider_modelarts.client.weather import Weather
from airflow_provider_modelarts.client.wire import Call, Clock, Request, Transport

T = TypeVar("T")

PATIENCE = 120.0
"""Seconds for which a call that failed in a way that passes is tried again."""
ONCE = 0.0
"""A deadline that is over, with which a call is not tried again."""
LONGEST_BACKOFF = 20.0
"""Seconds between two tries of a call, unless the service asks for more."""
MAX_PAGES = 1_000
SHORTEST_INTERVAL = 1.0
"""Seconds between two looks, whatever was asked for: no wait may hammer the service."""
HEARTBEAT = 300.0
"""Seconds after which a wait that sees no change says that it is still there."""
BAD_WEATHER = (TransportFailed, Throttled, ServiceFailed)
"""What a pause may cure; a reply that cannot be read may be cured by another look, but not by pausing."""

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
    :param random: for jitter.
    :param one_at_a_time: a lock for what must not happen twice at once, such as a log-in, or the first
        request with credentials that may be wrong; in a worker, where nothing happens at once, there is none.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        project: Project,
        credentials: Credentials,
        transport: Transport,
        clock: Clock,
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
        self._log_in = credentials.state_at("")
        self._authentication = credentials.state_at(endpoint)
        self._failure: tuple[float, ModelArtsError | None] = -math.inf, None

    @property
    def refused_at(self) -> float:
        """When the credentials were last refused, in monotonic seconds."""
        return max(self._log_in.refused_at, self._authentication.refused_at)

    async def call(self, call: Call[T], *, deadline: float | None = None) -> T:
        """
        Make one call and return what it says.

        When the service or the way to it fails, the call is tried again: a read always, a write only
        if it surely never arrived. A refused token or temporary key is renewed once, which even a
        write survives: what the gateway refuses never reached the service.

        :param deadline: epoch seconds after which it is not tried again, if that is within two minutes.
        :raises TransportFailed: nothing came back, so a write may or may not have taken effect.
        :raises UnexpectedReply: what came back cannot be read.
        :raises ApiError: the class says why it was refused.
        """
        give_up_at = self._clock.monotonic() + min(PATIENCE, self._left(deadline))
        failures = 0
        while True:
            try:
                return await self._once(call)
            except BAD_WEATHER as error:
                failures += 1
                pause = self._pause(failures, error)
                is_safe = call.is_read or not error.arrived
                if not is_safe or self._clock.monotonic() + pause > give_up_at:
                    raise
                log.warning("%s is tried again in %.0f s: %s", call.operation, pause, error)
            await self._transport.sleep(pause)

    def _left(self, deadline: float | None) -> float:
        """Return the seconds until a deadline."""
        return math.inf if deadline is None else max(0.0, deadline - self._clock.time())

    def _pause(self, failures: int, error: ModelArtsError) -> float:
        backoff = min(LONGEST_BACKOFF, 2.0 ** (failures - 1)) * self._random.uniform(0.75, 1.25)
        return max(backoff, error.retry_after or 0.0)

    async def _once(self, call: Call[T]) -> T:
        """
        Make one call, whatever becomes of it; a token or temporary key that is refused is renewed once.

        Credentials that nobody has accepted yet are sent by one call at a time.
        """
        renewals = 0
        while True:
            queued_at = self._clock.monotonic()
            async with AsyncExitStack() as alone:
                if not (self._authentication.is_proven and self._credentials.is_fresh(self._clock)):
                    await alone.enter_async_context(self._one_at_a_time)
                request = await self._request(call, queued_at)
                if self._authentication.is_proven:
                    await alone.aclose()
                try:
                    result = await self._exchange(call, request)
                except ApiError as error:
                    if error.status != 401 and not isinstance(error, NotAuthenticated):
                        self._passed(error)
                        raise
                    if self._credentials.is_current(request):
                        renewals += 1
                        self._refused(request, error, is_last=renewals > 1)
                except ModelArtsError as error:
                    self._passed(error)
                    raise
                else:
                    self._authentication.accept()
                    return result

    def _refused(self, request: Request, error: ApiError, *, is_last: bool) -> None:
        """Forget the proof of a request that was refused, or raise the refusal if that is of no use."""
        now = self._clock.monotonic()
        is_renewable = not is_last and self._authentication.begin_renewal(error, now)
        if is_renewable and self._credentials.forget(request):
            log.info("The credentials are renewed, because they were refused: %s", error)
            return
        if isinstance(error, NotAuthenticated):
            self._authentication.refuse(error, now)
        raise error

    def _passed(self, error: ModelArtsError) -> None:
        """Note what an error that is no refusal of the credentials says of them."""
        if isinstance(error, BAD_WEATHER):
            # Nothing: neither need those who queue to send theirs find out for themselves.
            if not self._authentication.is_proven:
                self._failure = self._clock.monotonic(), copy.copy(error)
        elif isinstance(error, ApiError):
            self._authentication.accept()

    async def _exchange(self, call: Call[T], request: Request) -> T:
        response = await self._transport.send(request)
        return read(f"{call.operation} ({call.method} {call.path})", response, call.parse, self._now())

    async def _request(self, call: Call[Any], queued_at: float) -> Request:
        """
        Return the request that makes a call, with the proof of who makes it.

        :param queued_at: when the call began to wait for its turn, in monotonic seconds.
        """
        now = self._clock.monotonic()
        self._log_in.check(now)
        self._authentication.check(now)
        failed_at, failure = self._failure
        if failure is not None and failed_at > queued_at:
            # It failed while this call waited for its turn: a thousand calls need not each fail so.
            shared = copy.copy(failure)
            shared.arrived = False
            raise shared
        try:
            return await self._signed(call)
        except ModelArtsError as error:
            # It was about who asks: the call itself was never sent.
            error.arrived = False
            if isinstance(error, NotAuthenticated):
                self._log_in.refuse(error, self._clock.monotonic())
            else:
                self._failure = self._clock.monotonic(), copy.copy(error)
            raise

    async def _signed(self, call: Call[Any]) -> Request:
        project_id = self._project.id or await self._credentials.project_id(
            self._project.endpoint, self._project.name, self._transport, self._clock
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
        return await self._credentials.authorise(request, self._transport, self._clock)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.time(), tz=timezone.utc)

    async def sleep(self, seconds: float) -> None:
        """Wait, as this world does."""
        await self._transport.sleep(seconds)

    async def collect(self, call: Call[Page[Item]], *, deadline: float | None = None) -> list[Item]:
        """
        Return all items of a list, each once.

        Only the items are trusted: the vendors' examples of ``current`` and ``pages`` contradict each
        other. Should ``offset`` turn out to count pages and not records, it is stepped as such.

        :raises UnexpectedReply: the list does not end.
        """
        found: dict[str, Item] = {}
        offset, counts_pages = 0, False
        for _ in range(MAX_PAGES):
            page = await self.call(call.with_query(offset=str(offset)), deadline=deadline)
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
        diary = _Diary(self._clock)
        poll_interval = max(SHORTEST_INTERVAL, poll_interval)
        pause = self._random.uniform(0.0, poll_interval)
        while True:
            left = self._left(deadline)
            is_last = pause >= left
            await self._transport.sleep(min(pause, left))
            pause = self._weather.claim(self._clock.monotonic(), poll_interval)
            if not pause:
                pause = poll_interval * self._random.uniform(0.9, 1.1)
                try:
                    last = await self._once(call)
                except ModelArtsError as error:
                    if not error.is_transient:
                        raise
                    diary.failed(error)
                    if isinstance(error, BAD_WEATHER):
                        pause = max(
                            pause, self._weather.worsen(error, self._clock.monotonic(), poll_interval)
                        )
                else:
                    self._weather.clear()
                    diary.saw(last.describe())
                    if is_over(last):
                        return last
            diary.goes_on()
            if is_last:
                state = last.describe() if last else "No look succeeded"
                raise DeadlinePassed(f"{state}; the time to wait for it is over")


class _Diary:
    """What one wait says: what changed, the first of a run of failures and its end, and that it is there."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._line = ""
        self._said_at = clock.monotonic()
        self._warned_at = -math.inf
        self._is_troubled = False

    def saw(self, line: str) -> None:
        """A look succeeded."""
        now = self._clock.monotonic()
        if self._is_troubled:
            log.info("ModelArts answers again")
            self._is_troubled = False
        if line != self._line or now - self._said_at >= HEARTBEAT:
            log.info("%s", line)
            self._line, self._said_at = line, now

    def failed(self, error: ModelArtsError) -> None:
        """A look failed; of failures that come and go one in five minutes is said aloud."""
        now = self._clock.monotonic()
        is_news = not self._is_troubled and now - self._warned_at >= HEARTBEAT
        log.log(
            logging.WARNING if is_news else logging.DEBUG, "Still waiting, although a look failed: %s", error
        )
        if is_news:
            self._is_troubled, self._warned_at = True, now

    def goes_on(self) -> None:
        """A turn is over, with a look or without."""
        now = self._clock.monotonic()
        if now - self._said_at >= HEARTBEAT:
            log.info("Still waiting, last seen: %s", self._line or "nothing yet")
            self._said_at = now
