"""How much comes in: connections, and requests that are being answered."""

from __future__ import annotations

import threading
from collections.abc import Hashable


class Traffic:
    """Counts for the server's thread; any thread may ask."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._lock = threading.Lock()
        self._in_flight: set[Hashable] = set()
        self._accepted = 0
        self._max_in_flight = 0

    @property
    def accepted(self) -> int:
        """How many connections were accepted since the start or the last reset."""
        return self._accepted

    @property
    def in_flight(self) -> int:
        """How many requests came whose reply has not begun; one whose client has left is not counted."""
        return len(self._in_flight)

    @property
    def max_in_flight(self) -> int:
        """The largest number of them since the start or the last reset."""
        return self._max_in_flight

    def reset(self) -> None:
        """Count anew; what is still in flight goes on counting."""
        with self._lock:
            self._accepted = 0
            self._max_in_flight = len(self._in_flight)

    def accept(self) -> None:
        """Count a connection."""
        with self._lock:
            self._accepted += 1

    def begin(self, connection: Hashable) -> None:
        """Count the request that a connection has brought: it brings one at a time."""
        with self._lock:
            self._in_flight.add(connection)
            self._max_in_flight = max(self._max_in_flight, len(self._in_flight))

    def end(self, connection: Hashable) -> None:
        """Count it no longer; to say so twice does nothing."""
        with self._lock:
            self._in_flight.discard(connection)
