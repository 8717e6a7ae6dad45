"""A future that thousands of tasks may wait for."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")

WAKE_BATCH = 5
"""Tasks that wake in one turn of the event loop, because a thousand at once would block it."""


class SharedFuture(Generic[T]):
    """
    Lets many tasks of an event loop wait for one future, and wakes them a few at a time.

    The cancellation of one of them does not cancel the future.
    """

    def __init__(self, future: asyncio.Future[T]) -> None:
        self._future = future
        self._loop = future.get_loop()
        self._waiters: dict[asyncio.Future[None], None] = {}
        future.add_done_callback(self._wake)

    def has_failed(self) -> bool:
        """Whether it was cancelled or has an exception."""
        return self._future.done() and (self._future.cancelled() or self._future.exception() is not None)

    def cancel(self) -> None:
        """Cancel the future itself, unless it is done."""
        self._future.cancel()

    async def wait(self, timeout: float | None = None) -> bool:
        """
        Wait until it is done, and return whether it is.

        :param timeout: seconds after which it may not be.
        """
        if not self._future.done():
            waiter = self._loop.create_future()
            self._waiters[waiter] = None
            timer = None if timeout is None else self._loop.call_later(max(0.0, timeout), _end, waiter)
            try:
                await waiter
            finally:
                self._waiters.pop(waiter, None)
                if timer is not None:
                    timer.cancel()
        return self._future.done()

    async def result(self) -> T:
        """Return the result when there is one, or raise the exception."""
        await self.wait()
        return self._future.result()

    def _wake(self, _: object = None) -> None:
        for waiter in list(islice(self._waiters, WAKE_BATCH)):
            del self._waiters[waiter]
            _end(waiter)
        if self._waiters:
            self._loop.call_soon(self._wake)


def _end(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
