"""A clock that moves only when all tasks sleep, so that hours of waiting take minutes."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")

MAX_REAL_SECONDS = 60.0
"""Real seconds after which a task that neither sleeps nor ends is considered hanging."""


class VirtualTime:
    """
    The clock and the sleep of all tasks that :meth:`start` began.

    What they do while they are awake, such as an exchange with a server, takes as long as it takes;
    meanwhile the clock stands still.

    :param now: seconds since the epoch.
    """

    def __init__(self, now: float) -> None:
        self.now = now
        self._awake = 0
        self._all_asleep = asyncio.Event()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = count()

    def time(self) -> float:
        """Return the time; with :meth:`monotonic` a clock for those who live in it."""
        return self.now

    monotonic = time

    def start(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Let a task live in this time."""
        self._wake_up()
        task = asyncio.ensure_future(coroutine)
        task.add_done_callback(lambda _: self._fall_asleep())
        return task

    async def sleep(self, seconds: float) -> None:
        """Sleep until the clock was moved on this far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._number), woken))
        self._fall_asleep()
        try:
            await woken
        except asyncio.CancelledError:
            if woken.cancelled():
                self._wake_up()
            raise

    async def all_asleep(self) -> bool:
        """
        Wait until no task runs, and return whether one sleeps.

        :raises TimeoutError: a task neither sleeps nor ends.
        """
        await asyncio.wait_for(self._all_asleep.wait(), MAX_REAL_SECONDS)
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return bool(self._sleepers)

    def pass_(self, move: Callable[[float], float], at_least: float) -> None:
        """
        Move the clock to where the next task wakes up.

        :param move: moves the simulator's clock on by some seconds, and returns its time.
        :param at_least: seconds; all tasks that would wake up within them wake up together.
        """
        self.now = move(max(at_least, self._sleepers[0][0] - self.now))

    def wake(self) -> None:
        """Wake up all whose time has come."""
        while self._sleepers and self._sleepers[0][0] <= self.now:
            woken = heapq.heappop(self._sleepers)[2]
            if not woken.done():
                self._wake_up()
                woken.set_result(None)

    def _wake_up(self) -> None:
        self._awake += 1
        self._all_asleep.clear()

    def _fall_asleep(self) -> None:
        self._awake -= 1
        if not self._awake:
            self._all_asleep.set()
