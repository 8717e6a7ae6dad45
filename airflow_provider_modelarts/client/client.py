"""The conversation with ModelArts: the only place that signs, pages, polls and turns replies into errors."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Any, Generic, Protocol, TypeVar

from airflow_provider_modelarts.client.circuit_breaker import CircuitBreaker
from airflow_provider_modelarts.client.credentials import Credentials
from airflow_provider_modelarts.client.http_types import Clock, Operation, Transport
from airflow_provider_modelarts.client.models import Page
from airflow_provider_modelarts.client.poll_errors import PollErrors
from airflow_provider_modelarts.client.poll_log import PollLog
from airflow_provider_modelarts.client.session import Project, Session
from airflow_provider_modelarts.exceptions import (
    RETRYABLE_ERRORS,
    ApiError,
    InvalidResponseError,
    ModelArtsError,
    ResponseTooLargeError,
    WaitTimeoutError,
)

T = TypeVar("T")

RETRY_TIMEOUT = 120.0
"""Seconds for which a call that failed in a way that passes is tried again."""
NO_RETRY = 0.0
"""A deadline that is over, with which a call is not tried again."""
MAX_BACKOFF = 20.0
"""Seconds between two tries of a call, unless the service asks for more."""
MAX_PAGES = 1_000
MIN_POLL_INTERVAL = 1.0
"""Seconds between two looks, whatever was asked for: no wait may hammer the service."""
LAST_POLL_TIMEOUT = 5.0
"""Seconds after the deadline in which the last poll may still be answered."""
log = logging.getLogger(__name__)


class HasId(Protocol):
    """What a list must hold so that its pages can be put together."""

    @property
    def id(self) -> str:
        """What tells it from the others."""


Item = TypeVar("Item", bound=HasId)


class Pollable(Protocol):
    """What can be waited for."""

    def describe(self) -> str:
        """Return a line for the log, which changes when something changed."""


PollableT = TypeVar("PollableT", bound=Pollable)


class ModelArtsClient:
    """
    One account's conversation with one project of ModelArts.

    :param endpoint: scheme, host and port; no path.
    :param random: for jitter.
    :param lock: a lock for what must not happen twice at once, such as a log-in, or the first
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
        lock: AbstractAsyncContextManager[Any] | None = None,
    ) -> None:
        self._session = Session(
            endpoint=endpoint,
            project=project,
            credentials=credentials,
            transport=transport,
            clock=clock,
            lock=lock,
        )
        self._transport = transport
        self._clock = clock
        self._random = random
        self._breaker = CircuitBreaker(random)
        self._page_limits: dict[str, int] = {}

    @property
    def refused_at(self) -> float:
        """When the credentials were last refused, in monotonic seconds."""
        return self._session.refused_at

    async def call(self, operation: Operation[T], *, deadline: float | None = None) -> T:
        """
        Make one call and return what it says.

        When the service or the way to it fails, or says that it takes a minute, the call is tried again: a
        read always, a write only if it surely never arrived or ModelArts did nothing. A refused token or
        temporary key is renewed once, which even a write survives: what the gateway refuses never reached
        the service.

        :param deadline: epoch seconds after which it is not tried again, if that is within two minutes.
        :raises TransportError: nothing came back, so a write may or may not have taken effect.
        :raises InvalidResponseError: what came back cannot be read.
        :raises ApiError: the class says why it was refused.
        """
        give_up_at = self._clock.monotonic() + min(RETRY_TIMEOUT, self._left(deadline))
        failures = 0
        while True:
            try:
                return await self._session.send(operation)
            except ModelArtsError as error:
                if not (isinstance(error, RETRYABLE_ERRORS) or error.is_brief):
                    raise
                failures += 1
                pause = self._pause(failures, error)
                is_safe = operation.is_read or not error.may_have_been_processed
                if not is_safe or self._clock.monotonic() + pause > give_up_at:
                    raise
                log.warning("%s is tried again in %.0f s: %s", operation.name, pause, error)
            await self._transport.sleep(pause)

    def _left(self, deadline: float | None) -> float:
        """Return the seconds until a deadline."""
        return math.inf if deadline is None else max(0.0, deadline - self._clock.time())

    def _pause(self, failures: int, error: ModelArtsError) -> float:
        backoff = min(MAX_BACKOFF, 2.0 ** (failures - 1)) * self._random.uniform(0.75, 1.25)
        return max(backoff, error.retry_after or 0.0)

    async def sleep(self, seconds: float) -> None:
        """Wait, as this world does."""
        await self._transport.sleep(seconds)

    async def list_all(
        self, operation: Operation[Page[Item]], *, deadline: float | None = None
    ) -> list[Item]:
        """
        Return all items of a list, each once.

        Only the items and ``total`` are trusted: the vendors' examples of ``current`` and ``pages``
        contradict each other. Pages that do not reach ``total`` are read once more from the start, because
        the list may have changed meanwhile. Should ``offset`` turn out to count pages and not records, the
        rest is read as such.

        A record that cannot be read is left out, with a warning.

        :raises InvalidResponseError: the list does not end, its pages hold less than it says, or none of
            several records can be read: a part is never taken for the whole.
        """
        for _ in range(2):
            listing = _Listing[Item]()
            await self._read_pages(listing, operation, deadline)
            if listing.is_complete:
                break
            log.warning("%s gave %s: reading it again", operation.name, listing)
        else:
            await self._read_pages(listing, operation, deadline, offset_counts_pages=True)
            if not listing.is_complete:
                raise InvalidResponseError(f"{operation.name} gave {listing}, also when it was read again")
        if listing.unreadable:
            if not listing.items and listing.unreadable > 1:
                raise InvalidResponseError(
                    f"None of the {listing.unreadable} records of {operation.name} can be read"
                )
            log.warning("%s: %d records cannot be read and are left out", operation.name, listing.unreadable)
        return list(listing.items.values())

    async def _read_pages(
        self,
        listing: _Listing[Item],
        operation: Operation[Page[Item]],
        deadline: float | None,
        *,
        offset_counts_pages: bool = False,
    ) -> None:
        """Read on until the list is complete or a page holds nothing new."""
        offset = int(offset_counts_pages)
        for _ in range(MAX_PAGES):
            page = await self._page(operation, offset, deadline)
            is_new = listing.add(page)
            if listing.is_complete or not is_new:
                return
            offset += 1 if offset_counts_pages else page.records
        raise InvalidResponseError(
            f"{operation.name} did not end after {MAX_PAGES} pages; narrow its filters"
        )

    async def _page(
        self, operation: Operation[Page[Item]], offset: int, deadline: float | None
    ) -> Page[Item]:
        """Return one page, asked for with a smaller limit as long as the reply is too large."""
        wanted = int(operation.query.get("limit", 0))
        while True:
            limit = min(wanted, self._page_limits.get(operation.name, wanted))
            query = {"offset": str(offset)} | ({"limit": str(limit)} if limit else {})
            try:
                return await self.call(operation.with_query(**query), deadline=deadline)
            except ResponseTooLargeError as error:
                smaller = [size for size in operation.page_sizes if size < limit]
                if not smaller:
                    raise
                log.info("%s is asked for in pages of %d: %s", operation.name, smaller[0], error)
                self._page_limits[operation.name] = smaller[0]

    async def watch(
        self,
        operation: Operation[PollableT],
        *,
        is_done: Callable[[PollableT], bool],
        poll_interval: float,
        deadline: float,
        not_before: float | None = None,
    ) -> PollableT:
        """
        Poll until it is over, and return the last reply.

        Transient errors are waited out, however many there are. The first poll comes after a random
        part of the interval, so that waits which start together do not poll together; the last one
        comes at the deadline, even if that passed long ago, so that no good end is missed (while the
        service fails a deadline is no reason to poll before one's turn).

        :param poll_interval: seconds between polls.
        :param deadline: epoch seconds after which there is no further poll.
        :param not_before: epoch seconds before which the service wants no poll.
        :raises WaitTimeoutError: it was not over by then.
        :raises ModelArtsError: any error that waiting does not cure.
        """
        clock = self._clock
        began = clock.monotonic()
        self._breaker.postpone(began, (not_before or 0.0) - clock.time())
        last: PollableT | None = None
        error: ModelArtsError | None = None
        errors = PollErrors()
        poll_log = PollLog(clock)
        poll_interval = max(MIN_POLL_INTERVAL, poll_interval)
        pause = self._random.uniform(0.0, poll_interval)
        while True:
            left = self._left(deadline)
            is_last = pause >= left
            await self._transport.sleep(min(pause, left))
            self._session.check()  # what was refused to one wait ends all of them
            pause = self._breaker.delay_before_request(clock.monotonic(), poll_interval, is_last=is_last)
            if not pause:
                pause = poll_interval * self._random.uniform(0.9, 1.1)
                sent_at = clock.monotonic()
                try:
                    last = await self._session.send(
                        operation, timeout=self._left(deadline) + LAST_POLL_TIMEOUT
                    )
                except ModelArtsError as failure:
                    error, now = failure, clock.monotonic()
                    errors.accept(error, now)
                    poll_log.failed(error)
                    if isinstance(error, RETRYABLE_ERRORS) or type(error) is ApiError:
                        wait = self._breaker.record_failure(error, now, poll_interval, sent_at=sent_at)
                        pause = max(pause, wait)
                else:
                    error = None
                    errors.succeeded()
                    self._breaker.record_success(clock.monotonic())
                    poll_log.succeeded(last.describe())
                    if is_done(last):
                        return last
                finally:
                    self._breaker.release()
            poll_log.heartbeat()
            if is_last:
                cause = error or self._breaker.last_error
                seen = f"last seen: {last.describe()}" if last else "no poll succeeded"
                raise WaitTimeoutError(
                    f"Timed out after {clock.monotonic() - began:.0f} s waiting for {operation.subject}: "
                    f"{seen}{f'. Last error: {cause}' if cause else ''}"
                )


class _Listing(Generic[Item]):
    """What the pages of a list have held so far."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.unreadable = 0
        self._total: int | None = None
        self._has_ended = False

    def add(self, page: Page[Item]) -> bool:
        """Take a page, and return whether it held anything new."""
        known = len(self.items)
        for item in page.data:
            self.items.setdefault(item.id, item)
        unreadable = page.records - len(page.data)
        is_new = len(self.items) > known or (unreadable > 0 and not page.data)
        self.unreadable += unreadable if is_new else 0
        self._has_ended = not is_new
        # A total below what was seen is none: to believe it would be to take a part for the whole.
        is_total = page.total is not None and page.total >= len(self.items) + self.unreadable
        self._total = page.total if is_total else None
        return is_new

    @property
    def is_complete(self) -> bool:
        """Whether this is all that there is; without a total the first page with nothing new is the end."""
        return self._has_ended if self._total is None else len(self.items) + self.unreadable >= self._total

    def __str__(self) -> str:
        return f"{len(self.items)} of {self._total} records"
