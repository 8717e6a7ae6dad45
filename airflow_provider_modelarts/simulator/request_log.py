"""The log of API requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_MAX_ENTRIES = 100_000


@dataclass(frozen=True)
class JournalEntry:
    """
    One API request; requests to the control address are not logged.

    :param at: when it was answered, in seconds since 1970 by the simulated clock.
    :param path: without the query.
    :param operation: name of the API operation, such as ``CreateImage``; ``Unknown`` if there is none.
    :param client: host and port that it came from.
    :param fault: kind of the fault that happened to it; None without one.
    :param request_id: the id that the response contains.
    """

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
        self._entries: deque[JournalEntry] = deque(maxlen=_MAX_ENTRIES)
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
