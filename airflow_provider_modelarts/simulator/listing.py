"""Filtering, sorting and paging of images and notebooks by the query of a request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar

from .choices import check_choice
from .documents import NOTEBOOK_STATUSES, ImageRecord, NotebookRecord
from .exchange import HttpRequest, Refusal, whole_number
from .notebook_behaviour import FEATURES
from .rules import invalid

OFFSET_UNITS = ("records", "pages", "none")
ORDERS = ("asked", "stored", "random")

_T = TypeVar("_T", ImageRecord, NotebookRecord)
_SORT_KEYS = {
    "create_at": "create_at",
    "createTime": "create_at",
    "update_at": "update_at",
    "updateTime": "update_at",
    "name": "name",
}
_SERVICE_TYPES = ("COMMON", "INFERENCE", "TRAIN", "DEV", "UNKNOWN")


class Query:
    """The query of a list request, parsed with the documented types; unknown names are ignored."""

    def __init__(self, request: HttpRequest) -> None:
        """Parse the query; the last value of a repeated name counts."""
        self._values = dict(request.query_pairs)

    def text(self, *names: str) -> str | None:
        """Return the value of the first of these names that is present, or None."""
        return next((self._values[name] for name in names if name in self._values), None)

    def integer(self, name: str, default: int, least: int) -> int:
        """Return an integer; refuse one below ``least``."""
        value = whole_number(self._values.get(name, str(default)))
        if value is None or value < least:
            raise invalid(name, f"must be an integer from {least}")
        return value

    def boolean(self, name: str, default: bool) -> bool:
        """Return a boolean; refuse anything but true and false."""
        value = self._values.get(name, str(default)).lower()
        if value not in ("true", "false"):
            raise invalid(name, "must be true or false")
        return value == "true"

    def choice(self, name: str, allowed: Sequence[str], default: str | None = None) -> str | None:
        """Return a value; refuse one that is not allowed."""
        value = self._values.get(name, default)
        if value is not None and value not in allowed:
            raise invalid(name, f"must be one of {', '.join(allowed)}")
        return value


class Pages:
    """
    Cuts lists into pages, as documented or as a faulty service might.

    :param offset_unit: what ``offset`` counts; ``none`` ignores it and always returns the first page
    :param cap: maximum number of records in a page, whatever ``limit`` is
    :param order: ``asked`` sorts as requested; ``stored`` keeps the order of creation; ``random`` draws a new
        order for each page, so that records are repeated and missed
    :param seed: of the generator for ``random``
    """

    def __init__(
        self, offset_unit: str = "records", cap: int | None = None, order: str = "asked", seed: int = 0
    ) -> None:
        """Validate the options."""
        check_choice("offset unit", offset_unit, OFFSET_UNITS)
        check_choice("order of lists", order, ORDERS)
        if cap is not None and cap < 1:
            raise ValueError(f"page_cap must be at least 1, not {cap}")
        self._offset_unit = offset_unit
        self._cap = cap
        self._order = order
        self._seed = seed
        self.reset()

    def reset(self) -> None:
        """Restart the generator from its seed."""
        self._random = Random(self._seed)  # noqa: S311 - for the order of records

    def arrange(self, sorted_: Sequence[_T], stored: Sequence[_T]) -> list[_T]:
        """Return the records in the order in which pages are cut."""
        if self._order == "random":
            return self._random.sample(sorted_, len(sorted_))
        return list(stored if self._order == "stored" else sorted_)

    def cut(self, offset: int, limit: int) -> tuple[int, int]:
        """Return the index of a page's first record and the maximum number of its records."""
        size = limit if self._cap is None else min(limit, self._cap)
        return {"records": offset, "pages": offset * size, "none": 0}[self._offset_unit], size


def images(
    request: HttpRequest, records: Sequence[ImageRecord], pages: Pages
) -> tuple[dict[str, Any], list[ImageRecord]]:
    """
    Return the requested page of images: its envelope and its records.

    The default of ``type`` is that of Huawei's SDK: without ``type`` a client gets only built-in images. No
    page documents a filter by tag or status.
    """
    query = Query(request)
    wanted = {
        "namespace": query.text("namespace"),
        "service_type": query.choice("service_type", _SERVICE_TYPES),
        "type": query.choice("type", ("BUILD_IN", "DEDICATED"), "BUILD_IN"),
        "workspace_id": query.text("workspace_id") or "0",
        "show_name": query.text("show_name"),
        "show_tag": query.text("show_tag"),
    }
    named = _named(query.text("name"), query.boolean("name_fuzzy_match", True))
    chosen = [image for image in records if not image.deleted and _equal(image, wanted) and named(image.name)]
    limit = min(query.integer("limit", 200, least=1), 500)
    return _page(query, pages.arrange(_sorted(query, chosen), chosen), limit, pages)


def notebooks(
    request: HttpRequest, records: Sequence[NotebookRecord], pages: Pages, *, unset_feature: str
) -> tuple[dict[str, Any], list[NotebookRecord]]:
    """
    Return the requested page of notebooks: its envelope and its records.

    The workspace is ``workspaceId`` in the OTC documents and ``workspace_id`` in Huawei's SDK, which also
    limits a page to 10, 20 or 50 records.

    :param unset_feature: the feature of a request without one; ``all`` lists every notebook
    """
    query = Query(request)
    wanted = {
        "status": query.choice("status", NOTEBOOK_STATUSES),
        "workspace_id": query.text("workspace_id", "workspaceId"),
        "image_id": query.text("image_id"),
        "owner": query.text("owner"),
    }
    feature = query.choice("feature", FEATURES) or unset_feature
    wanted["feature"] = None if feature == "all" else feature
    named = _named(query.text("name"), fuzzy=True)
    chosen = [notebook for notebook in records if _equal(notebook, wanted) and named(notebook.name)]
    limit = query.choice("limit", ("10", "20", "50"), "10")
    return _page(query, pages.arrange(_sorted(query, chosen), chosen), int(limit or "10"), pages)


def _named(name: str | None, fuzzy: bool) -> Callable[[str], bool]:
    if name is None:
        return lambda _: True
    return (lambda candidate: name in candidate) if fuzzy else (lambda candidate: name == candidate)


def _equal(record: ImageRecord | NotebookRecord, wanted: dict[str, str | None]) -> bool:
    return all(value is None or getattr(record, field) == value for field, value in wanted.items())


def _sorted(query: Query, records: list[_T]) -> list[_T]:
    """Sort as requested, by default newest first; equal records keep the order of creation."""
    keys = (query.text("sort_key") or "create_at").split(",")
    unknown = [key for key in keys if key not in _SORT_KEYS]
    if unknown:
        raise Refusal(400, "ModelArts.6303", f"Invalid sort field {unknown[0]}.")
    descending = query.choice("sort_dir", ("ASC", "DESC"), "DESC") == "DESC"
    fields = [_SORT_KEYS[key] for key in keys]
    numbered = sorted(
        enumerate(records),
        key=lambda pair: ([getattr(pair[1], field) for field in fields], pair[0]),
        reverse=descending,
    )
    return [record for _, record in numbered]


def _page(query: Query, records: list[_T], limit: int, pages: Pages) -> tuple[dict[str, Any], list[_T]]:
    """
    Return one page of a list.

    The documents define ``offset`` as a number of records. ``current`` and ``pages`` contradict each other in
    the documents' samples, so a client cannot rely on them; here they only have plausible values.
    """
    first, size = pages.cut(query.integer("offset", 0, least=0), limit)
    envelope = {
        "current": first // size,
        "pages": -(-len(records) // size),
        "size": size,
        "total": len(records),
    }
    return envelope, records[first : first + size]
