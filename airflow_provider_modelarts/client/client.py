"""The ModelArts client: retries calls, reads all pages of a list and polls until a resource is done."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager
from functools import cached_property, partial
from random import Random
from typing import Any, Protocol, TypeVar

from airflow_provider_modelarts.client.circuit_breaker import CircuitBreaker
from airflow_provider_modelarts.client.credentials import Credentials
from airflow_provider_modelarts.client.http_types import Clock, Operation, Transport
from airflow_provider_modelarts.client.listing import Item, Listing
from airflow_provider_modelarts.client.models import Page
from airflow_provider_modelarts.client.poll_errors import PollErrors
from airflow_provider_modelarts.client.poll_log import PollLog, timed_out
from airflow_provider_modelarts.client.session import Project, Session
from airflow_provider_modelarts.exceptions import (
    RETRYABLE_ERRORS,
    ApiError,
    InvalidConnectionError,
    InvalidResponseError,
    ModelArtsError,
    ResponseTooLargeError,
)

T = TypeVar("T")

RETRY_TIMEOUT = 120.0
"""Seconds for which a call is retried after a temporary failure."""
NO_RETRY = 0.0
"""A deadline in the past, with which a call is not retried."""
MAX_BACKOFF = 20.0
"""The most seconds between two requests of a call, unless ``Retry-After`` is longer."""
MAX_PAGES = 1_000
"""Pages of one list."""
MIN_POLL_INTERVAL = 1.0
"""Seconds between two polls; a shorter interval is raised to this, so that no wait overloads the service."""
LAST_POLL_TIMEOUT = 5.0
"""Seconds after the deadline within which the last poll must be complete."""
log = logging.getLogger(__name__)


class Pollable(Protocol):
    """A resource that can be polled."""

    def describe(self) -> str:
        """Return a line for the log; a changed line is logged."""


PollableT = TypeVar("PollableT", bound=Pollable)


def _no_swr_endpoint() -> str:
    raise InvalidConnectionError("Nothing was sent to SWR, whose address is not known: set swr_endpoint")


class ModelArtsClient:
    """
    A client for one project of ModelArts with one set of credentials.

    :param endpoint: scheme, host and port of ModelArts, without a path.
    :param swr_endpoint: returns that of SWR's API when an operation needs it, or raises an error that names
        the missing field.
    :param random: for jitter.
    :param lock: serialises logins and the first requests with credentials that may be wrong. A client that
        is used by one thread without concurrency needs none.
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
        swr_endpoint: Callable[[], str] = _no_swr_endpoint,
    ) -> None:
        self._open_session = partial(
            Session, project=project, credentials=credentials, transport=transport, clock=clock, lock=lock
        )
        self._session = self._open_session(endpoint=endpoint)
        self._swr_endpoint = swr_endpoint
        self._swr_session: Session | None = None
        self._transport = transport
        self._clock = clock
        self._random = random
        self._page_limits: dict[str, int] = {}

    @cached_property
    def _breaker(self) -> CircuitBreaker:
        """The circuit breaker that all waits share."""
        return CircuitBreaker(self._random)

    @property
    def project_id(self) -> str:
        """The id of the project that the last request to ModelArts was sent to; empty before the first."""
        return self._session.project_id

    @property
    def refused_at(self) -> float:
        """When the credentials were last refused, in monotonic seconds."""
        swr = self._swr_session
        return self._session.refused_at if swr is None else max(self._session.refused_at, swr.refused_at)

    def _session_for(self, operation: Operation[Any]) -> Session:
        """Return the session with the service of an operation."""
        if operation.service == "modelarts":
            return self._session
        if self._swr_session is None:
            self._swr_session = self._open_session(endpoint=self._swr_endpoint(), service="swr")
        return self._swr_session

    async def call(
        self,
        operation: Operation[T],
        *,
        deadline: float | None = None,
        before_retry: Callable[[], Awaitable[object]] | None = None,
    ) -> T:
        """
        Send one operation, retry it after temporary failures, and return its result.

        Retries go on for two minutes. A read is always retried, a write only if the service did not process
        it. A refused token or temporary key is renewed once, and even a write is then sent again: the gateway
        refuses it before the service processes it.

        :param deadline: epoch seconds after which there is no retry, if that is within the two minutes.
        :param before_retry: awaited before each retry; raises an error if what a write relied on is no longer
            true.
        :raises TransportError: no complete response; see ``may_have_been_processed`` for a write.
        :raises InvalidResponseError: the response cannot be parsed.
        :raises ApiError: an error response; the class depends on its status and code.
        :raises InvalidConnectionError: SWR's address is needed and not known; nothing was sent.
        """
        session = self._session_for(operation)
        give_up_at = self._clock.monotonic() + min(RETRY_TIMEOUT, self._left(deadline))
        failures = 0
        while True:
            try:
                return await session.send(operation)
            except ModelArtsError as error:
                if not (isinstance(error, RETRYABLE_ERRORS) or error.is_brief):
                    raise
                failures += 1
                pause = self._pause(failures, error)
                is_safe = operation.is_read or not error.may_have_been_processed
                if not is_safe or self._clock.monotonic() + pause > give_up_at:
                    raise
                log.warning("%s failed, will retry in %.0f s: %s", operation.name, pause, error)
            await self._transport.sleep(pause)
            if before_retry is not None:
                await before_retry()

    def _left(self, deadline: float | None) -> float:
        """Return the seconds until a deadline."""
        return math.inf if deadline is None else max(0.0, deadline - self._clock.time())

    def _pause(self, failures: int, error: ModelArtsError) -> float:
        backoff = min(MAX_BACKOFF, 2.0 ** (failures - 1)) * self._random.uniform(0.75, 1.25)
        return max(backoff, error.retry_after or 0.0)

    def time(self) -> float:
        """Return the present time in epoch seconds."""
        return self._clock.time()

    async def sleep(self, seconds: float) -> None:
        """Wait for some seconds, as the transport does."""
        await self._transport.sleep(seconds)

    async def list_all(
        self,
        operation: Operation[Page[Item]],
        *,
        deadline: float | None = None,
        until: Callable[[Collection[Item]], bool] | None = None,
        is_read_on: bool = False,
    ) -> list[Item]:
        """
        Return all items of a list, each once.

        Only the items and ``total`` are used: the vendors' examples of ``current`` and ``pages`` contradict
        each other. If the pages hold fewer items than ``total``, all are read again, because the list may
        have changed meanwhile, and then a last time with an ``offset`` that counts pages, not records.

        A record that cannot be parsed is left out with a warning.

        :param deadline: epoch seconds after which no page is retried.
        :param until: whether the items read so far suffice, so that no further page is read.
        :param is_read_on: whether the page after a full one is read, although ``total`` shows that there is
            none: the number may be older than the list.
        :raises InvalidResponseError: the list has too many pages, its pages hold fewer items than ``total``,
            or none of several records can be parsed. An incomplete list is never returned.
        :raises ModelArtsError: as :meth:`call`.
        """
        for _ in range(2):
            listing = Listing[Item](operation.limit, until, is_read_on=is_read_on)
            await self._read_pages(listing, operation, deadline)
            if listing.is_complete:
                break
            log.warning("%s returned %s, reading the list again", operation.name, listing)
        else:
            await self._read_pages(listing, operation, deadline, offset_counts_pages=True)
            if not listing.is_complete:
                raise InvalidResponseError(
                    f"{operation.name} returned an incomplete list three times: {listing}. "
                    "A retry reads it again"
                )
        if listing.unreadable:
            if not listing.items and listing.unreadable > 1:
                raise InvalidResponseError(
                    f"None of the {listing.unreadable} records that {operation.name} returned can be parsed: "
                    "check the endpoint"
                )
            log.warning(
                "%s returned %d records that cannot be parsed; they are left out",
                *(operation.name, listing.unreadable),
            )
        return list(listing.items.values())

    async def _read_pages(
        self,
        listing: Listing[Item],
        operation: Operation[Page[Item]],
        deadline: float | None,
        *,
        offset_counts_pages: bool = False,
    ) -> None:
        """Read pages until the list is complete or a page holds nothing new."""
        offset = int(offset_counts_pages)
        for _ in range(MAX_PAGES):
            page = await self.page(operation, offset, deadline)
            is_new = listing.add(page)
            if listing.is_complete or not is_new:
                return
            offset += 1 if offset_counts_pages else page.records
        raise InvalidResponseError(
            f"{operation.name} did not end after {MAX_PAGES} pages: narrow its filters"
        )

    async def page(
        self, operation: Operation[Page[Item]], offset: int, deadline: float | None = None
    ) -> Page[Item]:
        """
        Return one page of a list, with a smaller ``limit`` while the response is too large.

        :param offset: records before the page, or pages where the service counts those.
        :param deadline: epoch seconds after which no request is retried.
        :raises ModelArtsError: as :meth:`call`.
        """
        first_limit = operation.limit
        while True:
            limit = min(first_limit, self._page_limits.get(operation.name, first_limit))
            query = {"offset": str(offset)} | ({"limit": str(limit)} if limit else {})
            try:
                return await self.call(operation.with_query(**query), deadline=deadline)
            except ResponseTooLargeError as error:
                smaller = [size for size in operation.page_sizes if size < limit]
                if not smaller:
                    raise
                log.info(
                    "A page of %s is too large, requesting pages of %d records: %s",
                    *(operation.name, smaller[0], error),
                )
                self._page_limits[operation.name] = smaller[0]

    def delay_before_poll(self, poll_interval: float, *, is_last: bool = False) -> float:
        """
        Return 0 if :meth:`poll` must be called now, else the seconds to wait until the next call.

        :param poll_interval: seconds between the polls of the caller.
        :param is_last: whether it is the last poll before a deadline, to which the limit of polls in flight
            does not apply.
        """
        return self._breaker.delay_before_request(self._clock.monotonic(), poll_interval, is_last=is_last)

    async def poll(self, operation: Operation[T], *, poll_interval: float, timeout: float | None = None) -> T:
        """
        Send an operation once, after :meth:`delay_before_poll` has returned 0, and return its result.

        :param poll_interval: seconds between the polls of the wait.
        :param timeout: seconds for the exchange.
        :raises ModelArtsError: as :meth:`call`.
        """
        sent_at = self._clock.monotonic()
        try:
            result = await self._session_for(operation).send(operation, timeout=timeout)
        except ModelArtsError as error:
            if isinstance(error, RETRYABLE_ERRORS) or type(error) is ApiError:
                self._breaker.record_failure(error, self._clock.monotonic(), poll_interval, sent_at=sent_at)
            raise
        else:
            self._breaker.record_success(self._clock.monotonic())
            return result
        finally:
            self._breaker.release()

    def postpone_polls(self, until: float) -> None:
        """
        Send no poll for some time, as an earlier ``Retry-After`` requires.

        :param until: epoch seconds.
        """
        self._breaker.postpone(self._clock.monotonic(), until - self._clock.time())

    @property
    def last_poll_error(self) -> ModelArtsError | None:
        """The last failure of any poll of this client; None after a success."""
        return self._breaker.last_error

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
        Poll an operation until its result is done, and return that result.

        Any number of transient errors is tolerated until the deadline. The first poll is sent after a random
        part of the interval, so that waits which start together do not poll together. The last poll is sent
        at the deadline, even if that is long past, so that a finished resource is not reported as a timeout;
        while the circuit breaker is open, it may be skipped.

        :param is_done: whether a result ends the wait.
        :param poll_interval: seconds between polls.
        :param deadline: epoch seconds of the last poll.
        :param not_before: epoch seconds before which there is no poll, from an earlier ``Retry-After``.
        :raises WaitTimeoutError: the result was not done at the deadline.
        :raises ModelArtsError: any error that is not transient.
        """
        clock = self._clock
        started_at = clock.monotonic()
        self.postpone_polls(not_before or 0.0)
        error: ModelArtsError | None = None
        errors = PollErrors()
        poll_log = PollLog(operation.subject, clock)
        poll_interval = max(MIN_POLL_INTERVAL, poll_interval)
        pause = self._random.uniform(0.0, poll_interval)
        while True:
            left = self._left(deadline)
            is_last = pause >= left
            await self._transport.sleep(min(pause, left))
            # Credentials that were refused to one wait end all waits that use them.
            self._session_for(operation).check()
            pause = self.delay_before_poll(poll_interval, is_last=is_last)
            if not pause:
                pause = poll_interval * self._random.uniform(0.9, 1.1)
                try:
                    timeout = self._left(deadline) + LAST_POLL_TIMEOUT
                    polled = await self.poll(operation, poll_interval=poll_interval, timeout=timeout)
                except ModelArtsError as failure:
                    error, now = failure, clock.monotonic()
                    errors.accept(error, now)
                    poll_log.failed(error)
                    pause = max(pause, self._breaker.remaining_pause(now, poll_interval))
                else:
                    error = None
                    errors.succeeded()
                    poll_log.succeeded(polled.describe())
                    if is_done(polled):
                        return polled
            poll_log.heartbeat()
            if is_last:
                waited = clock.monotonic() - started_at
                raise timed_out(operation.subject, waited, poll_log.last, error or self.last_poll_error)
