"""A list as its pages are read."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar

from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.models import Page


class HasId(Protocol):
    """An item of a list that is read page by page."""

    @property
    def id(self) -> str:
        """The item's id, by which an item on two pages is returned once."""


Item = TypeVar("Item", bound=HasId)


class Listing(Generic[Item]):
    """
    The items of the pages that were read so far.

    :param limit: records of a page at most, or 0 if unknown.
    :param until: whether the items suffice, although the list may have more.
    :param is_read_on: whether a full page is never the last one, whatever the total is.
    """

    def __init__(
        self,
        limit: int,
        until: Callable[[Collection[Item]], bool] | None = None,
        *,
        is_read_on: bool = False,
    ) -> None:
        self._limit = limit
        self._until = until
        self._is_read_on = is_read_on
        self._is_full = False
        self.items: dict[str, Item] = {}
        self.unreadable = 0
        self._largest_total = -1
        self._has_ended = False

    def add(self, page: Page[Item]) -> bool:
        """Add a page, and return whether it holds anything new."""
        count = len(self.items)
        for item in page.data:
            self.items.setdefault(item.id, item)
        unreadable = page.records - len(page.data)
        is_new = len(self.items) > count or (unreadable > 0 and not page.data)
        self.unreadable += unreadable if is_new else 0
        # A full page with nothing new is no end, but a service that ignores the offset.
        self._has_ended = not is_new and not 0 < self._limit <= page.records
        self._is_full = is_new and 0 < self._limit <= page.records
        # A record that disappears moves the later ones to the front, so that the next page leaves one out.
        # Only the total of an earlier page shows that.
        self._largest_total = max(self._largest_total, -1 if page.total is None else page.total)
        return is_new

    @property
    def _total(self) -> int | None:
        """The largest total of any page, or None if it is unknown."""
        # One below the number of records read is wrong; with it an incomplete list would pass.
        is_total = self._largest_total >= len(self.items) + self.unreadable
        return self._largest_total if is_total else None

    @property
    def is_complete(self) -> bool:
        """
        Whether all items were read, or suffice.

        Without a total, the first page with nothing new is the end.
        """
        if self._until is not None and self._until(self.items.values()):
            return True
        if self._is_read_on and self._is_full:
            return False
        return self._has_ended if self._total is None else len(self.items) + self.unreadable >= self._total

    def __str__(self) -> str:
        return f"{len(self.items)} of {self._total or 'more'} records"


def strictly(operation: Operation[Page[Item]]) -> Operation[Page[Item]]:
    """Return a list that fails on a record that cannot be parsed, which would otherwise be left out."""

    def parse(data: Any) -> Page[Item]:
        page = operation.parse(data)
        if page.records > len(page.data):
            raise ValueError(f"{page.records - len(page.data)} of its records cannot be parsed")
        return page

    return replace(operation, parse=parse)
