"""Counters of connections and of requests in progress."""

from __future__ import annotations

import threading
from collections.abc import Hashable


class Traffic:
    """Counts connections and requests; the server's thread writes, any thread may read."""

    def __init__(self) -> None:
        """Start at zero."""
        self._lock = threading.Lock()
        self._in_flight: set[Hashable] = set()
        self._accepted = 0
        self._max_in_flight = 0

    @property
    def accepted(self) -> int:
        """Number of connections accepted since the start or the last reset."""
        return self._accepted

    @property
    def in_flight(self) -> int:
        """Number of requests whose response has not started; one whose client disconnected is not counted."""
        return len(self._in_flight)

    @property
    def max_in_flight(self) -> int:
        """Maximum of :attr:`in_flight` since the start or the last reset."""
        return self._max_in_flight

    def reset(self) -> None:
        """Restart the counters; requests in flight still count."""
        with self._lock:
            self._accepted = 0
            self._max_in_flight = len(self._in_flight)

    def accept(self) -> None:
        """Count a connection."""
        with self._lock:
            self._accepted += 1

    def begin(self, connection: Hashable) -> None:
        """Count the request of a connection, which sends one at a time."""
        with self._lock:
            self._in_flight.add(connection)
            self._max_in_flight = max(self._max_in_flight, len(self._in_flight))

    def end(self, connection: Hashable) -> None:
        """Stop counting the request of a connection; a second call does nothing."""
        with self._lock:
            self._in_flight.discard(connection)
