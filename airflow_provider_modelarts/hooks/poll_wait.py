"""The waits that a poller serves: each is a future, a timer and a log."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Protocol

from airflow_provider_modelarts.client import client
from airflow_provider_modelarts.client.poll_errors import PollErrors
from airflow_provider_modelarts.client.poll_log import PollLog, hung, timed_out
from airflow_provider_modelarts.client.poll_plan import ItemT
from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.hooks import pool
from airflow_provider_modelarts.hooks.shared_future import WAKE_BATCH

QUEUE_GRACE = 480.0
"""Seconds after its deadline at which a wait ends though its last poll is not over; Airflow's are 600."""
CLOCK_TOLERANCE = 1.0
"""Seconds by which the wall clock is set that make no difference to a deadline."""


class Timer:
    """
    Calls a function at the earliest of the times that were set, and then forgets all of them.

    :param callback: runs in a context of its own: in that of a wait it would log for that wait.
    """

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.Context()
        self._at = math.inf
        self._handle: asyncio.TimerHandle | None = None

    def set(self, at: float) -> None:
        """Call at a time, in monotonic seconds, unless an earlier one is set."""
        if at < self._at:
            self.cancel()
            self._at = at
            delay = max(0.0, at - time.monotonic())
            self._handle = self._loop.call_later(delay, self._call, context=self._context)

    def cancel(self) -> None:
        """Forget the time."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle, self._at = None, math.inf

    def _call(self) -> None:
        self._handle, self._at = None, math.inf
        self._callback()


class InterruptibleSleep:
    """A sleep that others can end."""

    def __init__(self) -> None:
        self._sleeping: asyncio.Future[None] | None = None

    async def until(self, at: float) -> None:
        """Sleep until a time, in monotonic seconds, or until :meth:`interrupt`."""
        loop = asyncio.get_running_loop()
        self._sleeping = loop.create_future()
        timer = None if at == math.inf else loop.call_later(max(0.0, at - time.monotonic()), self.interrupt)
        try:
            await self._sleeping
        finally:
            self._sleeping = None
            if timer is not None:
                timer.cancel()

    def interrupt(self) -> None:
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
        *(
            "_is_awake",
            "_waking",
            "began",
            "deadline",
            "due_at",
            "end",
            "error",
            "errors",
            "is_done",
            "is_due",
        ),
        *("item", "key", "log", "not_before", "poll_interval", "resource_id", "subject", "timer"),
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
        self.due_at = math.inf
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
        # With a new key the wait goes on with another poller, which has its own failures.
        self.end = self.error = None
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
                if not self.is_due:
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
            self.end = lambda: timed_out(self.subject, self._waited, self.log.last, cause)
        self.wake()

    def hang(self) -> None:
        """End the wait, because its last poll does not end."""
        if self.end is None:
            self.end = lambda: hung(self.subject, self._waited, self.log.last)
        self.wake()

    @property
    def _waited(self) -> float:
        return time.monotonic() - self.began


class Waits(Generic[ItemT]):
    """
    All waits of a poller, several of which may wait for the same resource.

    :param on_due: called when the deadline of a wait has passed, so that it needs a last poll.
    """

    def __init__(self, on_due: Callable[[], None]) -> None:
        self._on_due = on_due
        self._by_key: dict[str, list[Wait[ItemT]]] = {}
        self._intervals: Counter[float] = Counter()
        self.interval = math.inf
        """The shortest interval of the waits; infinite without any."""
        self._failing: set[str] = set()
        self.due: dict[Wait[ItemT], None] = {}
        """Those whose deadline has passed and whose last poll was not sent yet."""
        self.due_in_pass: dict[Wait[ItemT], None] = {}
        """Those whose last poll is the present pass."""
        self.last_shows: dict[Wait[ItemT], None] = {}
        """Those whose last poll is a show that was not sent yet."""
        self.answered_at = -math.inf
        """When the last poll succeeded, in monotonic seconds."""
        self._clock_offset = time.time() - time.monotonic()

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def of(self, key: str) -> Sequence[Wait[ItemT]]:
        """Return the waits for a resource."""
        return self._by_key.get(key, ())

    def add(self, wait: Wait[ItemT]) -> None:
        """Add a wait, and let it wake at its deadline."""
        self._by_key.setdefault(wait.key, []).append(wait)
        self._intervals[wait.poll_interval] += 1
        self.interval = min(self._intervals)
        self.set_timer(wait)

    def remove(self, wait: Wait[ItemT]) -> bool:
        """Remove a wait, and return whether none is left for its resource."""
        if wait.timer is not None:
            wait.timer.cancel()
            wait.timer = None
        for held in (self.due, self.due_in_pass, self.last_shows):
            held.pop(wait, None)
        self._intervals[wait.poll_interval] -= 1
        if not self._intervals[wait.poll_interval]:
            del self._intervals[wait.poll_interval]
            self.interval = min(self._intervals, default=math.inf)
        self._by_key[wait.key].remove(wait)
        if self._by_key[wait.key]:
            return False
        del self._by_key[wait.key]
        self._failing.discard(wait.key)
        return True

    def set_timer(self, wait: Wait[ItemT], seconds: float | None = None) -> None:
        """
        Let a wait wake at its deadline, or when its next heartbeat is due.

        :param seconds: after which it wakes instead.
        """
        loop = asyncio.get_running_loop()
        if seconds is None and wait.is_due:
            seconds = pool.DEADLINE_GRACE
        elif seconds is None:
            seconds = min(wait.log.until_heartbeat, max(0.0, wait.deadline - time.time()))
            now = loop.time()
            if wait.timer is not None and now < wait.timer.when() <= now + seconds:
                return  # the wait wakes before, and sets it again
        if wait.timer is not None:
            wait.timer.cancel()
        wait.timer = loop.call_later(seconds, self._on_timer, wait)

    def _on_timer(self, wait: Wait[ItemT]) -> None:
        if wait.is_due:
            # What many requests precede does not hang as long as they succeed.
            ends_at = min(self.answered_at + pool.DEADLINE_GRACE, wait.due_at + QUEUE_GRACE)
            left = ends_at - time.monotonic()
            is_in_turn = any(wait in held for held in (self.due, self.due_in_pass, self.last_shows))
            if is_in_turn and left > 0:
                self.set_timer(wait, left)
            else:
                wait.hang()
        elif wait.deadline > time.time():
            wait.wake()
        else:
            wait.is_due = True
            wait.due_at = time.monotonic()
            self.due[wait] = None
            self.set_timer(wait)
            self._on_due()

    def follow_clock(self) -> None:
        """Let the waits wake at their deadlines by the present clock, if it was set since the last call."""
        offset = time.time() - time.monotonic()
        if abs(offset - self._clock_offset) > CLOCK_TOLERANCE:
            self._clock_offset = offset
            for wait in [wait for waits in self._by_key.values() for wait in waits if not wait.is_due]:
                self.set_timer(wait)

    def take_last_polls(self) -> list[Wait[ItemT]]:
        """Return the waits whose last poll was not sent yet, and do not send it."""
        taken = [*self.due, *self.last_shows]
        self.due.clear()
        self.last_shows.clear()
        return taken

    def begin_last_show(self, wait: Wait[ItemT]) -> None:
        """Give the show that is sent now for a wait its time, unless it was sent before."""
        if wait in self.due or wait in self.last_shows:
            self.due.pop(wait, None)
            self.last_shows.pop(wait, None)
            self.set_timer(wait)

    def give(self, item: ItemT) -> None:
        """Wake the waits for a resource, which has changed."""
        for wait in self.of(item.id.lower()):
            wait.item = item
            wait.errors.succeeded()
            wait.wake()

    async def deliver(self, news: Iterable[ItemT]) -> None:
        """Wake the waits for some resources, which have changed."""
        for number, item in enumerate(news, 1):
            self.give(item)
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
