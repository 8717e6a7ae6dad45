"""The waits that a poller serves: each is a future, a timer and a log."""

from __future__ import annotations

import asyncio
import copy
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Protocol

from airflow_provider_modelarts.client import client
from airflow_provider_modelarts.client.poll_errors import PollErrors
from airflow_provider_modelarts.client.poll_log import PollLog
from airflow_provider_modelarts.client.poll_plan import ItemT
from airflow_provider_modelarts.exceptions import ModelArtsError, WaitTimeoutError
from airflow_provider_modelarts.hooks import pool

WAKE_BATCH = 10
"""Waits that wake in one turn of the event loop, so that a thousand which end together do not block it."""


class Alarm:
    """A sleep that others can end."""

    def __init__(self) -> None:
        self._sleeping: asyncio.Future[None] | None = None

    async def sleep_until(self, at: float) -> None:
        """Sleep until a time, in monotonic seconds, or until :meth:`ring`."""
        loop = asyncio.get_running_loop()
        self._sleeping = loop.create_future()
        timer = None if at == math.inf else loop.call_later(max(0.0, at - time.monotonic()), self.ring)
        try:
            await self._sleeping
        finally:
            self._sleeping = None
            if timer is not None:
                timer.cancel()

    def ring(self) -> None:
        """End the sleep, if any."""
        if self._sleeping is not None and not self._sleeping.done():
            self._sleeping.set_result(None)


class ServesWaits(Protocol[ItemT]):
    """What a wait needs of its poller."""

    waits: Waits[ItemT]
    error: ModelArtsError | None

    def join(self, wait: Wait[ItemT]) -> None:
        """Poll for one more wait."""

    def leave(self, wait: Wait[ItemT]) -> None:
        """Forget a wait."""


class Wait(Generic[ItemT]):
    """
    One wait for one resource, with its own deadline, interval and log.

    Its coroutine sleeps until the poller has a change of its resource, its end, or a heartbeat is due.

    :param is_done: whether the resource ends the wait.
    :param poll_interval: seconds between polls; other waits of the poller may poll more often.
    :param deadline: epoch seconds.
    :param not_before: epoch seconds before which there is no poll.
    """

    # A triggerer may have thousands.
    __slots__ = (
        *("_is_awake", "_waking", "began", "deadline", "end", "error", "errors", "is_due", "item", "key"),
        *("is_done", "log", "not_before", "poll_interval", "resource_id", "subject", "timer"),
    )

    def __init__(
        self,
        resource_id: str,
        subject: str,
        *,
        is_done: Callable[[ItemT], bool],
        poll_interval: float,
        deadline: float,
        not_before: float | None,
    ) -> None:
        self.resource_id = resource_id
        self.key = resource_id.lower()
        self.subject = subject
        self.is_done = is_done
        self.poll_interval = max(client.MIN_POLL_INTERVAL, poll_interval)
        self.deadline = deadline
        self.not_before = not_before
        self.began = time.monotonic()
        self.errors = PollErrors()
        self.log = PollLog(subject, time)
        self.is_due = False
        self.item: ItemT | None = None
        self.error: ModelArtsError | None = None
        self.end: Callable[[], Exception] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self._waking: asyncio.Future[None] | None = None
        self._is_awake = False

    async def result(self, poller: ServesWaits[ItemT]) -> ItemT:
        """
        Return the resource when it ends the wait.

        :raises WaitTimeoutError: it did not before the deadline.
        :raises ModelArtsError: an error that no later poll can cure.
        """
        self.end = None
        self.is_due = False
        poller.join(self)
        try:
            while True:
                await self._change()
                if self.item is not None:
                    self.log.succeeded(self.item.describe())
                    if self.is_done(self.item):
                        return self.item
                    self.item = None  # of which only the line is kept
                elif self.error is not None:
                    self.log.failed(self.error)
                else:
                    self.log.recovered()
                if self.end is not None:
                    raise self.end()
                self.log.heartbeat(self.error or poller.error)
                poller.waits.set_timer(self)
        finally:
            poller.leave(self)

    async def _change(self) -> None:
        if not self._is_awake:
            self._waking = asyncio.get_running_loop().create_future()
            await self._waking
        self._is_awake = False

    def wake(self) -> None:
        """Let the wait's coroutine read what has changed."""
        self._is_awake = True
        if self._waking is not None and not self._waking.done():
            self._waking.set_result(None)

    def fail(self, error: Exception) -> None:
        """End the wait with an error of its own, because a raised one collects a traceback."""
        self.end = lambda: copy.copy(error) if isinstance(error, ModelArtsError) else error
        self.wake()

    def time_out(self, cause: ModelArtsError | None) -> None:
        """End the wait, because its last poll is over."""
        if self.end is None:
            self.end = lambda: self._timed_out(
                f"last poll: {self.log.last}" if self.log.last else "no poll succeeded",
                f". Last error: {cause}" if cause else "",
            )
        self.wake()

    def hang(self) -> None:
        """End the wait, because its last poll does not end."""
        self.end = self.end or self.hung
        self.wake()

    def hung(self) -> WaitTimeoutError:
        """Return the error of a wait whose last step did not end in time."""
        return self._timed_out(
            f"last seen: {self.log.last or 'nothing, because no poll succeeded'}",
            ". The last step hangs: the connection's lookup, a login, a thread or the network",
        )

    def _timed_out(self, last: str, cause: str) -> WaitTimeoutError:
        waited = time.monotonic() - self.began
        return WaitTimeoutError(f"Timed out after {waited:.0f} s waiting for {self.subject}: {last}{cause}")


class Waits(Generic[ItemT]):
    """
    All waits of a poller, several of which may wait for the same resource.

    :param on_due: called when the deadline of a wait has passed, so that it needs a last poll.
    """

    def __init__(self, on_due: Callable[[], None]) -> None:
        self._on_due = on_due
        self._by_key: dict[str, list[Wait[ItemT]]] = {}
        self._intervals: Counter[float] = Counter()
        self._failing: set[str] = set()
        self.due: dict[Wait[ItemT], None] = {}
        """Those whose deadline has passed and whose last poll was not sent yet."""
        self.last_shows: dict[Wait[ItemT], None] = {}
        """Those whose last poll is a show that was not sent yet."""

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def of(self, key: str) -> Sequence[Wait[ItemT]]:
        """Return the waits for a resource."""
        return self._by_key.get(key, ())

    @property
    def interval(self) -> float:
        """The shortest interval of the waits; infinite without any."""
        return min(self._intervals, default=math.inf)

    def add(self, wait: Wait[ItemT]) -> None:
        """Add a wait, and let it wake at its deadline."""
        self._by_key.setdefault(wait.key, []).append(wait)
        self._intervals[wait.poll_interval] += 1
        self.set_timer(wait)

    def remove(self, wait: Wait[ItemT]) -> bool:
        """Remove a wait, and return whether none is left for its resource."""
        if wait.timer is not None:
            wait.timer.cancel()
        self.due.pop(wait, None)
        self.last_shows.pop(wait, None)
        self._intervals[wait.poll_interval] -= 1
        if not self._intervals[wait.poll_interval]:
            del self._intervals[wait.poll_interval]
        self._by_key[wait.key].remove(wait)
        if self._by_key[wait.key]:
            return False
        del self._by_key[wait.key]
        self._failing.discard(wait.key)
        return True

    def set_timer(self, wait: Wait[ItemT], after_deadline: float = 0.0) -> None:
        """
        Let a wait wake at its deadline, or when its next heartbeat is due.

        :param after_deadline: seconds until the last poll of a wait that is due is sent.
        """
        if wait.timer is not None:
            wait.timer.cancel()
        if wait.is_due:
            seconds = after_deadline + pool.DEADLINE_GRACE
        else:
            seconds = min(wait.log.until_heartbeat, max(0.0, wait.deadline - time.time()))
        wait.timer = asyncio.get_running_loop().call_later(seconds, self._on_timer, wait)

    def _on_timer(self, wait: Wait[ItemT]) -> None:
        if wait.is_due:
            wait.hang()
        elif wait.deadline > time.time():
            wait.wake()
        else:
            wait.is_due = True
            self.due[wait] = None
            self.set_timer(wait)
            self._on_due()

    def skip_last_polls(self, cause: ModelArtsError | None) -> None:
        """End the waits that are due, because no poll may be sent now."""
        for wait in (*self.due, *self.last_shows):
            wait.time_out(cause)
        self.due.clear()
        self.last_shows.clear()

    async def deliver(self, news: Iterable[ItemT]) -> None:
        """Wake the waits for some resources, which have changed."""
        for number, item in enumerate(news, 1):
            for wait in self.of(item.id.lower()):
                wait.item = item
                wait.errors.succeeded()
                wait.wake()
            if number % WAKE_BATCH == 0:
                await asyncio.sleep(0)

    def succeed(self, has_seen: Callable[[str], bool]) -> None:
        """Record a successful poll of the resources whose last show failed, as far as it has seen them."""
        for key in [key for key in self._failing if has_seen(key)]:
            self._failing.discard(key)
            for wait in self.of(key):
                wait.errors.succeeded()
                wait.error = None
                wait.wake()

    def fail(self, key: str, error: ModelArtsError) -> None:
        """Record a failed show of a resource, which ends its waits or not."""
        self._failing.add(key)
        for wait in self.of(key):
            wait.error = error
            try:
                wait.errors.accept(error, time.monotonic())
            except ModelArtsError as final:
                wait.fail(final)
            else:
                wait.wake()

    async def end_all(self, error: Exception) -> None:
        """End all waits with an error that concerns all of them."""
        waits = [wait for waits in self._by_key.values() for wait in waits]
        for number, wait in enumerate(waits, 1):
            wait.fail(error)
            if number % WAKE_BATCH == 0:
                await asyncio.sleep(0)
