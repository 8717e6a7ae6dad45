"""The log of API requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_KEPT = 100_000


@dataclass(frozen=True)
class JournalEntry:
    """One API request; requests to the control address are not logged."""

    at: float
    method: str
    path: str
    query: str
    operation: str
    client: str
    status: int | None
    """The HTTP status that is sent; None if the connection is reset or closed without a response."""
    fault: str | None
    effect: bool
    """Whether the request changed something: a save, a deletion, a start or a renewal, for example."""
    request_id: str


class RequestLog:
    """The newest 100,000 entries, oldest first; an observer is called with each new one."""

    def __init__(self, observer: Callable[[JournalEntry], None] | None = None) -> None:
        """Start empty."""
        self._entries: deque[JournalEntry] = deque(maxlen=_KEPT)
        self._observer = observer

    def add(self, entry: JournalEntry) -> None:
        """Append an entry and call the observer."""
        self._entries.append(entry)
        if self._observer is not None:
            self._observer(entry)

    def entries(self) -> tuple[JournalEntry, ...]:
        """Return the entries, oldest first."""
        return tuple(self._entries)

    def clear(self) -> None:
        """Remove all entries."""
        self._entries.clear()
