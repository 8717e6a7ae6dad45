"""A clock that sleeping moves on, for tests that run a whole task in this process."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from typing import Any

import pytest

MAX_SLEEP = 10.0
"""Real seconds after which an alarm that was due and did not ring is given up."""


class FastForward:
    """
    Whoever sleeps in the main thread sleeps through at once: the clocks of :mod:`time` and the alarm of
    Airflow's ``execution_timeout`` are moved on instead.

    How fast the machine is then decides nothing. What reads the time from ``datetime`` (Airflow's
    rescheduling) sees the real one. Not for several tasks of one event loop: the sleep of one of them
    would be a jump for the others.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._skipped = 0.0
        self._sleep, self._async_sleep = time.sleep, asyncio.sleep
        self._time, self._monotonic = time.time, time.monotonic
        monkeypatch.setattr(time, "sleep", self.sleep)
        monkeypatch.setattr(time, "time", lambda: self._time() + self._skipped)
        monkeypatch.setattr(time, "monotonic", lambda: self._monotonic() + self._skipped)
        monkeypatch.setattr(asyncio, "sleep", self.async_sleep)

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

    async def async_sleep(self, seconds: float, result: Any = None) -> Any:
        """Move the clocks on, and let others have a turn."""
        if threading.current_thread() is not threading.main_thread():
            return await self._async_sleep(seconds, result)
        self._skipped += max(0.0, seconds)
        return await self._async_sleep(0, result)
