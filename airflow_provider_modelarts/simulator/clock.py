"""The simulator's clock: real time plus an offset that tests advance."""

from __future__ import annotations

import time
from datetime import datetime, timezone


class SimulatedClock:
    """A clock in epoch seconds that never goes back, even if the machine's clock does."""

    def __init__(self) -> None:
        """Start at the machine's time."""
        self._offset = time.time() - time.monotonic()
        self._frozen_at: float | None = None

    def now(self) -> float:
        """Return the current time in epoch seconds."""
        return (time.monotonic() if self._frozen_at is None else self._frozen_at) + self._offset

    def freeze(self) -> None:
        """Let time pass only when the clock is moved."""
        self._frozen_at = time.monotonic()

    def advance(self, seconds: float) -> None:
        """Move the clock forward by some seconds; raises ValueError if they are negative."""
        if seconds < 0:
            raise ValueError(f"the clock cannot go back: cannot advance by {seconds} seconds")
        self._offset += seconds


def iso(at: float) -> str:
    """Format epoch seconds as IAM does: ISO 8601 in UTC with microseconds."""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
