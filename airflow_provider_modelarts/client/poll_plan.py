"""
Decides what a poll of many resources requests, and what is new in the responses.

Nothing here sends, sleeps or reads a clock: times are arguments, in monotonic seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.models import Page

MAX_REQUESTS_PER_SECOND = 10.0
"""Requests of all polls of one project."""
PAGE_PRECEDENCE = 0.5
"""Seconds for which a page that had to wait keeps shows back, and between two shows meanwhile."""
LIST_REFUSAL_TTL = 300.0
"""Seconds for which a list that was refused is not requested again."""
FAILURES_BEFORE_PROBE = 3
"""Failed passes in a row after which one resource is shown, to learn whether only the list fails."""


class PolledItem(Protocol):
    """A resource that a list contains and that can be shown by its id."""

    @property
    def id(self) -> str:
        """The resource's id."""

    def describe(self) -> str:
        """Return a line for the log."""


ItemT = TypeVar("ItemT", bound=PolledItem)


class ListPage(Protocol):
    """Returns the operation that reads one page of a list."""

    def __call__(
        self, *, workspace_id: str, offset: int, limit: int, newest_first: bool
    ) -> Operation[Page[Any]]:
        """Return the operation."""


@dataclass(frozen=True, slots=True)
class PolledResource(Generic[ItemT]):
    """
    A kind of resource that can be polled, such as images.

    :param name: in messages, such as ``image``.
    :param show: returns the operation that reads the resource with an id.
    :param list_page: returns the operation that reads a page of the list.
    :param page_sizes: values of ``limit`` that may be sent, smallest first.
    :param rank: how far a resource has come; a response with a smaller rank is outdated.
    :param state: what is compared with the last response; equal states are no news.
    :param lacks_status: whether a list's record does not contain what is waited for.
    :param lacks_details: whether a list's record lacks what only a show returns.
    """

    name: str
    show: Callable[[str], Operation[ItemT]]
    list_page: ListPage
    page_sizes: tuple[int, ...]
    rank: Callable[[ItemT], int]
    state: Callable[[ItemT], object]
    lacks_status: Callable[[ItemT], bool]
    lacks_details: Callable[[ItemT], bool]


@dataclass(frozen=True, slots=True)
class PageQuery:
    """
    The part of a list that is read next.

    :param newest_first: whether an order is requested; a service may refuse or ignore it.
    """

    offset: int
    limit: int
    newest_first: bool


@dataclass(slots=True)
class _Known:
    """What is known of a resource that is waited for."""

    id: str
    rank: int = -1
    state: object = None


class PollPlan(Generic[ItemT]):
    """
    The plan of a poll that serves all waits for one kind of resource in one workspace.

    In each interval there is one *pass*. A single resource is shown. Several are searched on the pages of the
    list, and those that are on no page are shown one by one, as they also are while the list is refused. The
    caller begins a pass, reads the pages that :meth:`next_page` returns, and finishes or aborts it; it then
    shows the resources that :meth:`next_show` returns, :meth:`show_interval` seconds apart.

    A status never goes back: a response that is older than the last one is ignored.
    """

    def __init__(self, resource: PolledResource[ItemT]) -> None:
        self._resource = resource
        self._known: dict[str, _Known] = {}
        self._urgent: dict[str, None] = {}
        self._shows: dict[str, None] = {}
        self._incomplete: dict[str, ItemT] = {}
        # What was learned about the list.
        self._max_size = resource.page_sizes[-1]
        self._newest_first = True
        self._offset_counts_pages = self._is_unit_guessed = False
        self._refused_until = -math.inf
        self._failed_passes = 0
        self._shows_work = False
        # The present pass.
        self._reads_list = False
        self._is_probe = False
        self._unseen: dict[str, None] = {}
        self._limit = self._granted = self._max_size
        self._offset = self._requests = self._pages = self._records = 0
        self._has_ended = False
        self._first_id: str | None = None
        self._spacing = 1 / MAX_REQUESTS_PER_SECOND
        self.pages = 1
        """Pages of the last complete pass over the list."""

    def __len__(self) -> int:
        return len(self._known)

    def add(self, resource_id: str) -> None:
        """Wait for a resource, whose next response is news even if another wait knows it."""
        known = self._known.setdefault(resource_id.lower(), _Known(resource_id))
        known.state = None

    def remove(self, resource_id: str) -> None:
        """Stop waiting for a resource."""
        key = resource_id.lower()
        for held in (self._known, self._urgent, self._shows, self._incomplete, self._unseen):
            held.pop(key, None)

    # Pages

    def is_pass_cheaper(self, resources: int, now: float) -> bool:
        """Whether a pass needs fewer requests than to show some resources one by one."""
        return self._may_list(now) and resources > self.pages

    def _may_list(self, now: float) -> bool:
        is_failing = self._failed_passes >= FAILURES_BEFORE_PROBE
        return len(self._known) > 1 and now >= self._refused_until and not is_failing

    def begin_pass(self, now: float) -> bool:
        """Begin a pass over all resources that are waited for now, and return whether it reads the list."""
        self._is_probe = self._failed_passes >= FAILURES_BEFORE_PROBE
        self._reads_list = self._may_list(now)
        self._unseen = dict.fromkeys(self._known)
        if self._reads_list:
            self._begin_list()
        return self._reads_list

    def _begin_list(self) -> None:
        sizes = [size for size in self._resource.page_sizes if size <= self._max_size]
        self._limit = self._granted = next((s for s in sizes if s >= 2 * len(self._known)), sizes[-1])
        self._offset = self._requests = self._pages = self._records = 0
        self._has_ended = False
        self._first_id = None

    def next_page(self) -> PageQuery | None:
        """Return the page that the pass reads next; None if it reads no more."""
        if not self._reads_list:
            return None
        # Those that joined since the pass began are on these pages too. To read pages of one record each
        # would cost more than to show the resources.
        waited_for = len(self._known)
        max_pages = min(math.ceil(2 * waited_for / self._granted), waited_for)
        has_more = self._unseen and not self._has_ended and self._requests < max(2, max_pages)
        return PageQuery(self._offset, self._limit, self._newest_first) if has_more else None

    def read_page(self, page: Page[ItemT]) -> list[ItemT]:
        """Return what is new on a page; a record that lacks details is news after it was shown."""
        unseen = len(self._unseen)
        news = []
        for item in page.data:
            key = item.id.lower()
            if key not in self._known or self._resource.lacks_status(item):
                continue
            self._unseen.pop(key, None)
            if not self._is_news(key, item):
                continue
            if self._resource.lacks_details(item):
                self._incomplete[key] = item
                self._urgent[key] = None
            else:
                self._learn(key, item)
                news.append(item)
        self._turn_page(page, is_useful=len(self._unseen) < unseen)
        return news

    def _turn_page(self, page: Page[ItemT], *, is_useful: bool) -> None:
        """Decide where the next page begins by what the service returned, not by what was requested."""
        self._requests += 1
        first_id = page.data[0].id if page.data else None
        # A service that ignores the offset returns the first page again.
        is_new = page.records > 0 and (first_id is None or first_id != self._first_id)
        self._first_id = first_id
        if self._is_unit_guessed:
            self._is_unit_guessed = False
            self._offset_counts_pages = is_new = is_useful
        self._pages += is_new
        self._records += page.records if is_new else 0
        # A total below the number of records read is wrong.
        is_incomplete = page.total is not None and page.total > self._records
        if is_new:
            self._has_ended = page.total == self._records
            self._granted = self._granted if self._has_ended else min(self._limit, page.records)
        elif is_incomplete and not page.records and not self._offset_counts_pages:
            # The list has more than was read, so its offset may count pages.
            self._offset_counts_pages = self._is_unit_guessed = True
        else:
            self._has_ended = True
        self._offset = self._pages if self._offset_counts_pages else self._records

    def finish_pass(self, seconds_left: float) -> float:
        """
        End a pass whose pages were all read; what they did not contain is shown in the time that is left.

        What was shown last comes last, if more is to be shown than there is time for.

        :param seconds_left: until the next pass.
        :return: the seconds that it takes to show all of them, which may be more.
        """
        if self._reads_list:
            self.pages = self._requests
            self._failed_passes = 0
            self._shows_work = False
        # In the order of the last shows, some of which were sent during the pass.
        self._shows = {key: None for key in self._known if key in self._unseen}
        if self._is_probe:
            self._shows = dict.fromkeys(list(self._shows)[:1])
        shortest = 1 / MAX_REQUESTS_PER_SECOND
        self._spacing = max(shortest, seconds_left / len(self._shows)) if self._shows else shortest
        return len(self._shows) * self._spacing

    def abort_pass(self, now: float) -> None:
        """End a pass one of whose pages failed; nothing is shown until the next one."""
        self._shows.clear()
        self._urgent.clear()
        self._failed_passes += 1
        if self._shows_work:
            self.refuse_list(now)

    def refuse_list(self, now: float) -> None:
        """Request no list for :data:`LIST_REFUSAL_TTL`; the present pass continues without it."""
        self._refused_until = now + LIST_REFUSAL_TTL
        self._reads_list = False
        self._failed_passes = 0
        self._shows_work = False

    def simplify_list(self) -> bool:
        """
        Request the list without an order or, if there is none, by smaller pages, from its beginning.

        :return: whether anything could be simplified.
        """
        if self._newest_first:
            self._newest_first = False
            self._begin_list()
            return True
        return self.shrink_pages()

    def shrink_pages(self) -> bool:
        """Request smaller pages from now on, and return whether there are any."""
        sizes = [size for size in self._resource.page_sizes if size < self._limit]
        if sizes:
            self._max_size = sizes[-1]
            self._begin_list()
        return bool(sizes)

    # Shows

    def show_soon(self, resource_id: str) -> None:
        """Show a resource before all others."""
        if resource_id.lower() in self._known:
            self._urgent[resource_id.lower()] = None

    def next_show(self) -> str | None:
        """Return the key of the resource that is shown next; None if there is none."""
        for key in self._urgent or self._shows:
            return key
        return None

    def begin_show(self, key: str) -> str:
        """
        Take a resource off those that are to be shown, because its request is sent now.

        :param key: from :meth:`next_show`.
        :return: the resource's id.
        """
        self._urgent.pop(key, None)
        self._shows.pop(key, None)
        if self._is_probe:
            self._failed_passes = 0  # the next pass tries the list again
        known = self._known[key] = self._known.pop(key)
        return known.id

    @property
    def has_shows(self) -> bool:
        """Whether there is a resource to show."""
        return bool(self._urgent or self._shows)

    @property
    def show_spacing(self) -> float:
        """Seconds between two shows."""
        return 1 / MAX_REQUESTS_PER_SECOND if self._urgent else self._spacing

    @property
    def shows(self) -> int:
        """The number of resources that are left to be shown in this interval."""
        return len(self._shows)

    def read_show(self, item: ItemT) -> ItemT | None:
        """Return what is new about a resource that was shown, if anything."""
        key = item.id.lower()
        self._shows_work = self._shows_work or self._is_probe
        record = self._incomplete.pop(key, None)
        # The list has seen its end, so that a show which has not is outdated.
        is_outdated = record is not None and self._resource.rank(item) < self._resource.rank(record)
        item = record if record is not None and is_outdated else item
        if not self._is_news(key, item):
            return None
        self._learn(key, item)
        return item

    def read_failed_show(self, resource_id: str) -> ItemT | None:
        """Return what is new about a resource although its show failed: the record that the list had."""
        key = resource_id.lower()
        record = self._incomplete.pop(key, None)
        if record is None or key not in self._known:
            return None
        self._learn(key, record)
        return record

    # News

    def has_seen(self, resource_id: str) -> bool:
        """Whether the pages of the present or last pass contained all that a wait for it needs."""
        key = resource_id.lower()
        return key not in self._unseen and key not in self._incomplete

    def _is_news(self, key: str, item: ItemT) -> bool:
        known = self._known.get(key)
        if known is None or self._resource.state(item) == known.state:
            return False
        return self._resource.rank(item) >= known.rank

    def _learn(self, key: str, item: ItemT) -> None:
        known = self._known[key]
        known.rank = self._resource.rank(item)
        known.state = self._resource.state(item)


class RequestPace:
    """
    Spaces the requests of all polls of one project, :data:`MAX_REQUESTS_PER_SECOND` at most.

    A page answers many waits, a show hardly more than one. So while pages have to wait, a show is sent only
    every :data:`PAGE_PRECEDENCE`.
    """

    def __init__(self) -> None:
        self._next_at = -math.inf
        self._page_waited_at = self._shown_at = -math.inf

    def delay(self, now: float, *, is_show: bool) -> float:
        """Return the seconds until a page may be requested, or a resource shown."""
        next_at = self._next_at
        if is_show and now < self._page_waited_at + PAGE_PRECEDENCE:
            next_at = min(self._page_waited_at, self._shown_at) + PAGE_PRECEDENCE
        elif next_at > now and not is_show:
            self._page_waited_at = now
        return max(0.0, next_at - now)

    def take(self, now: float, *, is_show: bool) -> None:
        """Count a request that is sent now."""
        self._next_at = max(now, self._next_at) + 1 / MAX_REQUESTS_PER_SECOND
        if is_show:
            self._shown_at = now
