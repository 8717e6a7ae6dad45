"""The simulator's clock: real time, moved on at will."""

from __future__ import annotations

import time
from datetime import datetime, timezone


class SimulatedClock:
    """Epoch seconds that never step back: a jump of the machine's own clock does not reach it."""

    def __init__(self) -> None:
        """Start at the machine's time."""
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Give the present time in epoch seconds."""
        return time.monotonic() + self._offset

    def advance(self, seconds: float) -> None:
        """Move time on."""
        if seconds < 0:
            raise ValueError(f"time only moves on: cannot advance by {seconds} seconds")
        self._offset += seconds


def iso(at: float) -> str:
    """Write epoch seconds as IAM does, in UTC with microseconds."""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
