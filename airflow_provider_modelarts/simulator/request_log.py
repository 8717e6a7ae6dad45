"""What happened, request by request."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_KEPT = 100_000


@dataclass(frozen=True)
class JournalEntry:
    """One API request. Requests to the control address are not among them."""

    at: float
    method: str
    path: str
    query: str
    operation: str
    client: str
    status: int | None
    """The HTTP status that is sent; None when none is, because of a reset or for want of any answer."""
    fault: str | None
    effect: bool
    """Whether the request changed the project: a save was started or an image deleted."""
    request_id: str


class RequestLog:
    """The newest entries, in order; an observer hears of each as it is made."""

    def __init__(self, observer: Callable[[JournalEntry], None] | None = None) -> None:
        """Begin empty."""
        self._entries: deque[JournalEntry] = deque(maxlen=_KEPT)
        self._observer = observer

    def add(self, entry: JournalEntry) -> None:
        """Write down what happened."""
        self._entries.append(entry)
        if self._observer is not None:
            self._observer(entry)

    def entries(self) -> tuple[JournalEntry, ...]:
        """Give what happened, oldest first."""
        return tuple(self._entries)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
