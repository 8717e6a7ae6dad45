"""The task that polls for all waits which have the same connection settings and workspace."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from random import uniform
from typing import Any, Generic

from airflow_provider_modelarts.client.client import LAST_POLL_TIMEOUT, ModelArtsClient
from airflow_provider_modelarts.client.poll_errors import PollErrors
from airflow_provider_modelarts.client.poll_log import PollLog
from airflow_provider_modelarts.client.poll_plan import (
    ItemT,
    PageQuery,
    PolledResource,
    PollPlan,
    RequestPace,
)
from airflow_provider_modelarts.exceptions import (
    AccountSuspendedError,
    AuthenticationError,
    BadRequestError,
    InvalidConnectionError,
    ModelArtsError,
    ResponseTooLargeError,
)
from airflow_provider_modelarts.hooks import pool
from airflow_provider_modelarts.hooks.connection import Settings
from airflow_provider_modelarts.hooks.poll_wait import InterruptibleSleep, Timer, Wait, Waits

LAST_PASS_PAUSE = 1.0
"""Seconds between two passes that waits need at their deadlines."""
LAST_POLL_GATHERING = 0.05
"""Seconds for which waits with the same deadline are gathered, so that one pass answers all of them."""
MAX_OPERATIONS = 16
"""Shows that are kept: a single wait polls by the same one each time, and of a thousand each is rare."""
MIN_TIME_FOR_SHOWS = 0.2
"""The part of the time between two passes that shows have, even if the pages take all of it."""
CONCERNS_ALL = (AuthenticationError, InvalidConnectionError, AccountSuspendedError)
"""Errors that end all waits, whichever request they belong to."""

log = logging.getLogger(__name__)


class Poller(Generic[ItemT]):
    """
    Polls for all waits with the same settings and workspace, while there are any.

    :param pace: of all requests of the project.
    """

    def __init__(
        self, settings: Settings, workspace_id: str, resource: PolledResource[ItemT], pace: RequestPace
    ) -> None:
        self._settings = settings
        self._workspace_id = workspace_id
        self._resource = resource
        self._pace = pace
        self._plan = PollPlan(resource)
        self._show_operation = lru_cache(MAX_OPERATIONS)(resource.show)
        self._not_before = -math.inf
        self._next_pass = math.inf
        self._last_pass = -math.inf
        self._next_show = -math.inf
        self._is_passing = False
        self._showing: set[str] = set()
        self._timer, self._pass_pause = Timer(self._start_due), InterruptibleSleep()
        self._tasks: set[asyncio.Task[Any] | None] = set()
        self._client: ModelArtsClient | None = None
        self._list_errors = PollErrors()
        self._log = PollLog(f"several {resource.name}s", time)
        self._has_logged_cycle = self._has_logged_refusal = False
        self._end: Exception | None = None
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waits: Waits[ItemT] = Waits(self._gather_due)
        self.error: ModelArtsError | None = None
        """Why the last page could not be read; None after a success."""
        # Not in the context of the first wait, in whose log all that this task logs would be.
        self._task: asyncio.Task[None] = contextvars.Context().run(asyncio.create_task, self._run())

    @property
    def refused_at(self) -> float:
        """When the credentials were last refused, in monotonic seconds."""
        return -math.inf if self._client is None else self._client.refused_at

    async def close(self) -> None:
        """Stop polling; what hangs is left behind after a second."""
        self._task.cancel()
        await asyncio.wait([self._task], timeout=pool.CANCEL_GRACE)

    def join(self, wait: Wait[ItemT]) -> None:
        """Poll for one more wait, at its own interval at least."""
        is_first = not self.waits
        if wait.poll_interval < self.waits.interval:
            self._pass_pause.interrupt()  # a pass that is delayed by a longer interval
        self.waits.add(wait)
        self._plan.add(wait.resource_id)
        soon = uniform(0.0, wait.poll_interval) if is_first else wait.poll_interval  # noqa: S311 - jitter
        if (at := time.monotonic() + soon) < self._next_pass:
            self._next_pass = at
            self._plan_request()
        if wait.not_before is not None:
            self._not_before = max(self._not_before, wait.not_before)
            if self._client is not None:
                self._client.postpone_polls(wait.not_before)
        if self._end is not None:
            wait.fail(self._end)

    def leave(self, wait: Wait[ItemT]) -> None:
        """Forget a wait that has ended or was cancelled."""
        if self.waits.remove(wait):
            self._plan.remove(wait.resource_id)

    def _gather_due(self) -> None:
        """Plan the last polls of the waits whose deadline has passed, or passes within a moment."""
        if self.waits.due:
            self._timer.set(time.monotonic() + LAST_POLL_GATHERING)
        self._pass_pause.interrupt()

    async def _run(self) -> None:
        try:
            async with pool.client_pool.use(self._settings) as client:
                self._client = client
                client.postpone_polls(self._not_before)
                self._plan_request()
                self._gather_due()
                try:
                    await self._failure
                finally:
                    self._timer.cancel()
                    tasks = [*filter(None, self._tasks)]
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
        except Exception as error:  # noqa: BLE001 - no wait may go on when its poller has ended
            self._end = error
            await self.waits.end_all(error)

    def _start_due(self) -> None:
        """Start the requests that are due, and plan the next ones, until this poller has ended."""
        try:
            if self._client is not None and not self._failure.done():
                self._start_requests(self._client)
                self._plan_request()
        except Exception as error:  # noqa: BLE001 - no wait may go on when its poller has ended
            if not self._failure.done():
                self._failure.set_exception(error)

    def _start_requests(self, client: ModelArtsClient) -> None:
        now = time.monotonic()
        if self.waits.due:
            self._plan_last_polls(now)
        if now >= self._next_pass and not self._is_passing and self.waits:
            self._last_pass = now
            self._plan_next_pass(now, now)  # even if the pass is cancelled
            self.waits.follow_clock()
            if self._plan.begin_pass(now):
                self._is_passing = True
                self._start(self._make_pass, client)
            else:
                self._plan_shows(now, now)
        if now >= self._next_show and self._plan.has_shows:
            self._next_show = now + self._plan.show_spacing
            self._start(self._show, client)

    def _plan_request(self) -> None:
        """Set the timer for the next request, as far as its time is known."""
        if self._client is not None:
            next_pass = math.inf if self._is_passing or not self.waits else self._next_pass
            self._timer.set(min(next_pass, self._next_show if self._plan.has_shows else math.inf))

    def _start(self, request: Callable[[ModelArtsClient], Awaitable[None]], client: ModelArtsClient) -> None:
        task = asyncio.create_task(self._run_request(request, client))
        if not task.done():  # as a task may be that a loop with an eager task factory has run already
            self._tasks.add(task)

    async def _run_request(
        self, request: Callable[[ModelArtsClient], Awaitable[None]], client: ModelArtsClient
    ) -> None:
        try:
            await request(client)
        finally:
            # Not in a callback of the task, which would need an iteration of the event loop.
            self._tasks.discard(asyncio.current_task())
            self._plan_request()

    def _plan_last_polls(self, now: float) -> None:
        """Let the waits whose deadline has passed be answered by a pass or, if they are few, by shows."""
        if self._plan.is_pass_cheaper(len({wait.key for wait in self.waits.due}), now):
            self._next_pass = min(self._next_pass, max(now, self._last_pass + LAST_PASS_PAUSE))
        else:
            self._show_last(self.waits.due)
            self.waits.due.clear()

    def _show_last(self, waits: Iterable[Wait[ItemT]]) -> None:
        for wait in waits:
            self._plan.show_soon(wait.resource_id)
            self.waits.last_shows[wait] = None
            self._next_show = min(self._next_show, time.monotonic())

    def _delay(self, client: ModelArtsClient, *, is_show: bool) -> float:
        """Return 0 if a request must be sent now, else the seconds to wait before asking again."""
        now = time.monotonic()
        if delay := self._pace.delay(now, is_show=is_show):
            return delay
        is_last = bool(self.waits.due or self.waits.last_shows)
        delay = client.delay_before_poll(self.waits.interval, is_last=is_last)
        if delay:
            # While the circuit breaker is open, last polls are skipped.
            for wait in self.waits.take_last_polls():
                self._time_out(wait, client.last_poll_error)
        else:
            self._pace.take(now, is_show=is_show)
        return delay

    async def _make_pass(self, client: ModelArtsClient) -> None:
        """Read the list in a pass that has begun, and end the pass."""
        began = time.monotonic()
        try:
            is_complete = await self._read_list(client)
        except Exception:  # a fault of one record must not end all waits
            name = self._resource.name
            log.exception("The list of %ss cannot be processed, so each %s is polled by its id", name, name)
            self._plan.refuse_list(time.monotonic())
            is_complete = True
        finally:
            self._is_passing = False
        self._end_pass(began, is_complete=is_complete)

    def _end_pass(self, began: float, *, is_complete: bool) -> None:
        """Plan the next pass, and what is shown until then; time out the waits that had their last poll."""
        due = self.waits.due_in_pass
        now = time.monotonic()
        self._plan_next_pass(began, now)
        if is_complete:
            self._plan_shows(began, now)
            self.waits.succeed(self._plan.has_seen)
            self._show_last([wait for wait in due if not self._plan.has_seen(wait.key)])
        else:
            self._plan.abort_pass(now)
            due.update(self.waits.last_shows)
            self.waits.last_shows.clear()
        for wait in due:
            if wait not in self.waits.last_shows:
                self._time_out(wait, self.error)
        due.clear()
        self._gather_due()  # those whose deadline has passed since its pages were requested

    def _plan_next_pass(self, began: float, now: float) -> None:
        self._next_pass = max(began + self.waits.interval * uniform(0.9, 1.1), now)  # noqa: S311 - jitter

    def _plan_shows(self, began: float, now: float) -> None:
        """Spread the shows of what no page contained over the time until the next pass."""
        between = self._next_pass - began
        left = max(self._next_pass - now, MIN_TIME_FOR_SHOWS * between)
        cycle = self._plan.finish_pass(left)
        if cycle > 1.01 * left:
            self._log_cycle(self.waits.interval, cycle * between / left)
        self._next_show = min(self._next_show, now)

    def _time_out(self, wait: Wait[ItemT], cause: ModelArtsError | None) -> None:
        """End a wait, because its last poll is over; with the failure that only a list has shown, if any."""
        record = self._plan.read_failed_show(wait.resource_id)
        if record is not None:
            self.waits.give(record)
        wait.time_out(cause)

    async def _read_list(self, client: ModelArtsClient) -> bool:
        """Read the pages of a pass that has begun, and return whether all of them were read."""
        is_first = True
        while (query := self._plan.next_page()) is not None:
            if delay := self._delay(client, is_show=False):
                await self._pass_pause.until(time.monotonic() + delay)
                if is_first:
                    self._plan.begin_pass(time.monotonic())  # with the waits that have joined meanwhile
                continue
            # A resource that was not seen yet may be on a page that is requested after the deadline.
            for wait in [w for w in self.waits.due if is_first or not self._plan.has_seen(w.key)]:
                self.waits.due_in_pass[wait] = self.waits.due.pop(wait)
            is_first = False
            if not await self._read_page(client, query):
                return False
        return True

    async def _read_page(self, client: ModelArtsClient, query: PageQuery) -> bool:
        """Request a page, and return whether the pass goes on."""
        operation = self._resource.list_page(
            workspace_id=self._workspace_id,
            offset=query.offset,
            limit=query.limit,
            newest_first=query.newest_first,
        )
        try:
            page = await client.poll(operation, poll_interval=self.waits.interval)
        except CONCERNS_ALL as error:
            await self.waits.end_all(error)
            return False
        except ModelArtsError as error:
            return self._survives(error)
        self._list_errors.succeeded()
        self.error = None
        self.waits.answered_at = time.monotonic()
        self._log.recovered()
        await asyncio.sleep(0)  # others have their turn between two pages, each of which takes milliseconds
        await self.waits.deliver(self._plan.read_page(page))
        return True

    def _survives(self, error: ModelArtsError) -> bool:
        """Whether the pass goes on after a page has failed, with another page or without the list."""
        if isinstance(error, ResponseTooLargeError) and self._plan.shrink_pages():
            return True
        now = time.monotonic()
        try:
            self._list_errors.accept(error, now)
        except ModelArtsError as final:
            self._list_errors.succeeded()
            if not (isinstance(final, BadRequestError) and self._plan.simplify_list()):
                self._plan.refuse_list(now)
                level = logging.DEBUG if self._has_logged_refusal else logging.WARNING
                self._has_logged_refusal = True
                name = self._resource.name
                log.log(
                    level, "The list of %ss is refused, so each %s is polled by its id: %s", name, name, final
                )
            return True
        self.error = error
        self._log.failed(error)
        return False

    def _log_cycle(self, interval: float, cycle: float) -> None:
        if not self._has_logged_cycle:
            self._has_logged_cycle = True
            log.warning(
                "%d %ss are polled one by one, as no list contains them, each every %.0f s instead of %.0f s",
                *(self._plan.shows, self._resource.name, cycle, interval),
            )

    def _next_show_key(self, client: ModelArtsClient) -> str | None:
        """Return the key of the resource to show now, if any."""
        key = self._plan.next_show()
        if key is None:
            return None
        if key in self._showing:
            self._plan.begin_show(key)  # the request of the last interval is still in flight
            return None
        if delay := self._delay(client, is_show=True):
            self._next_show = time.monotonic() + delay
            return None
        return key

    async def _show(self, client: ModelArtsClient) -> None:
        """Request the resource that is shown next, and wake or end the waits for it."""
        key = self._next_show_key(client)
        if key is None:
            return
        resource_id = self._plan.begin_show(key)
        waits = self.waits.of(key)
        due = [wait for wait in waits if wait.is_due]
        for wait in due:
            self.waits.begin_last_show(wait)
        left = max([wait.deadline for wait in waits], default=0.0) - time.time()
        timeout = max(0.0, left) + LAST_POLL_TIMEOUT
        operation = self._show_operation(resource_id)
        self._showing.add(key)
        try:
            item = await client.poll(operation, poll_interval=self.waits.interval, timeout=timeout)
        except CONCERNS_ALL as error:
            await self.waits.end_all(error)
        except Exception as error:  # noqa: BLE001 - a fault of one response ends its waits only
            self._fail_show(key, error)
        else:
            self.waits.answered_at = time.monotonic()
            self.waits.succeed(key.__eq__)
            news = self._plan.read_show(item)
            if news is not None:
                self.waits.give(news)
        finally:
            self._showing.discard(key)
        if self.waits.last_shows and any(wait in self.waits.last_shows for wait in self.waits.of(key)):
            self._plan.show_soon(key)  # its deadline has passed since the request was sent
            self._next_show = min(self._next_show, time.monotonic())
        for wait in due:
            self._time_out(wait, wait.error or client.last_poll_error)

    def _fail_show(self, key: str, error: Exception) -> None:
        if not isinstance(error, ModelArtsError):
            for wait in self.waits.of(key):
                wait.fail(error)
        elif (record := self._plan.read_failed_show(key)) is not None:
            self.waits.give(record)
        else:
            self.waits.fail(key, error)
