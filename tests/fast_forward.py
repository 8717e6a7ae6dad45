"""A clock that sleeping moves on, for tests that run a whole task in this process."""

from __future__ import annotations

import asyncio
import selectors
import signal
import threading
import time
from typing import Any

import pytest

from airflow_provider_modelarts.transport.async_transport import AsyncTransport

MAX_SLEEP = 10.0
"""Real seconds after which an alarm that was due and did not ring is given up."""


class FastForward:
    """
    Whoever sleeps in the main thread sleeps through at once: the clocks of :mod:`time` and the alarm of
    Airflow's ``execution_timeout`` are moved on instead.

    An event loop sleeps when its timers are all that is left to do, with no request in flight. How fast the
    machine is then decides nothing. What reads the time from ``datetime`` (Airflow's rescheduling) sees the
    real one.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._skipped = 0.0
        self._busy = 0
        self._sleep = time.sleep
        self._time, self._monotonic = time.time, time.monotonic
        monkeypatch.setattr(time, "sleep", self.sleep)
        monkeypatch.setattr(time, "time", lambda: self._time() + self._skipped)
        monkeypatch.setattr(time, "monotonic", lambda: self._monotonic() + self._skipped)
        self._skip_idle_loops(monkeypatch)

    def sleep(self, seconds: float) -> None:
        """Move the clocks on, as far as to the alarm if one rings meanwhile."""
        if threading.current_thread() is not threading.main_thread():
            self._sleep(seconds)
            return
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        self._skipped += min(seconds, left or seconds)
        if left > seconds:
            signal.setitimer(signal.ITIMER_REAL, left - seconds)
        elif left:
            signal.setitimer(signal.ITIMER_REAL, 1e-6)
            self._sleep(MAX_SLEEP)
            raise AssertionError("no alarm rang, although one was set")

    def _skip_idle_loops(self, monkeypatch: pytest.MonkeyPatch) -> None:
        select, send = selectors.DefaultSelector.select, AsyncTransport.send
        run_in_executor = asyncio.BaseEventLoop.run_in_executor
        shutdown = asyncio.BaseEventLoop.shutdown_default_executor

        def skip(selector: Any, timeout: float | None = None) -> Any:
            is_idle = threading.current_thread() is threading.main_thread() and not self._busy
            if not is_idle or timeout is None or timeout <= 0:
                return select(selector, timeout)
            ready = select(selector, 0)
            if not ready:
                self.sleep(timeout)
            return ready

        async def counted_send(transport: AsyncTransport, *args: Any, **kwargs: Any) -> Any:
            self._busy += 1
            try:
                return await send(transport, *args, **kwargs)
            finally:
                self._busy -= 1

        def counted_thread(loop: asyncio.BaseEventLoop, *args: Any) -> Any:
            self._busy += 1
            future = run_in_executor(loop, *args)
            future.add_done_callback(self._end_thread)
            return future

        async def counted_shutdown(loop: asyncio.BaseEventLoop, *args: Any) -> None:
            # From Python 3.12 on it waits for a thread of its own, with a time limit that would be skipped.
            self._busy += 1
            try:
                await shutdown(loop, *args)
            finally:
                self._busy -= 1

        monkeypatch.setattr(selectors.DefaultSelector, "select", skip)
        monkeypatch.setattr(AsyncTransport, "send", counted_send)
        monkeypatch.setattr(asyncio.BaseEventLoop, "run_in_executor", counted_thread)
        monkeypatch.setattr(asyncio.BaseEventLoop, "shutdown_default_executor", counted_shutdown)

    def _end_thread(self, _: Any) -> None:
        self._busy -= 1
