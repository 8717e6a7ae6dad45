"""Hypothesis strategies for what others write: valid documents that went wrong in a place or two."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

any_text = st.text(st.characters(), max_size=12)
"""Every character there is, halves of surrogate pairs among them."""

_texts = any_text | st.sampled_from(
    [
        "",
        " ",
        "a\nb\r\nc",
        "\x00",
        "\x1b[31mred",
        "\ud800",
        "\udcff",
        "\u2028",
        "\u202egnp",
        "x" * 5_000,
        "9" * 5_000,
        "null",
        "ACTIVE",
        "DELETED",
        "2026-11-21T10:00:00",
        "2026-11-21T10:00:00+00:00",
        "2026-11-21T10:00:00.000000Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+14:00",
    ]
)
_numbers = (
    st.integers()
    | st.floats()
    | st.sampled_from(
        [0, -1, 2**31, 2**63, 10**18, 10**400, -(10**400), 1e308, -0.0, float("inf"), float("nan")]
    )
)
scalars = st.none() | st.booleans() | _numbers | _texts


def _nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = [value]
    return value


documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=8,
)
"""Any JSON value."""

anything = scalars | documents | st.sampled_from([1, 30, 200]).map(_nested)


def mostly(usual: st.SearchStrategy[T], other: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """Return one strategy three times of four, whatever the number of their alternatives."""
    return st.integers(0, 3).flatmap(lambda number: usual if number else other)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Return every container in a document with each of its keys."""
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """Return the document with up to three places replaced, left out, repeated or joined by others."""
    root = [copy.deepcopy(document)]
    for _ in range(draw(st.integers(0, 3))):
        holder, key = draw(st.sampled_from(list(places(root))))
        what = draw(st.sampled_from(["replace", "omit", "wrap", "join"]))
        if what == "replace":
            holder[key] = draw(anything)
        elif what == "wrap":
            holder[key] = [holder[key]]
        elif what == "join" and isinstance(holder, dict):
            holder[draw(_texts)] = draw(anything)
        elif what == "omit" and holder is not root:
            del holder[key]
    return root[0]


@st.composite
def bodies(draw: st.DrawFn, document: Any) -> bytes:
    """Return the bytes of a mutated document, of which a part may be lost or another thing."""
    body = json.dumps(draw(mutated(document)), ensure_ascii=draw(st.booleans()))
    data = body.encode("utf-8", "surrogatepass")
    damage = draw(st.sampled_from(["none", "none", "none", "cut", "insert", "noise", "deep"]))
    at = draw(st.integers(0, len(data)))
    if damage == "cut":
        return data[:at]
    if damage == "insert":
        return data[:at] + draw(st.binary(max_size=4)) + data[at:]
    if damage == "noise":
        return draw(st.binary(max_size=40))
    if damage == "deep":
        brackets = draw(st.sampled_from([50, 900, 990, 5_000]))
        return b'{"error_code":' + b"[" * brackets + b"]" * brackets + b',"error_msg":"deep"}'
    return data


_dates = st.sampled_from(
    [
        "Sat, 21 Nov 2026 10:00:00 GMT",
        "Sat, 21 Nov 2026 10:00:00 -0000",
        "Sat, 21 Nov 0000 10:00:00 GMT",
        "Sat, 99 Nov 2026 99:99:99 GMT",
        "21 Nov 99999999999 10:00:00 +9999",
        "Saturday",
        ",",
    ]
)
_seconds = st.sampled_from(["0", "7", " 7 ", "-1", "1.5", "٣", "²", "9" * 400, "9" * 5_000])
headers = st.fixed_dictionaries(
    {},
    optional={
        "retry-after": _seconds | _dates | any_text,
        "date": _dates | any_text,
        "content-type": st.just("application/json") | any_text,
        "x-request-id": any_text,
        "x-iam-trace-id": any_text,
        "x-subject-token": any_text,
    },
)
"""As a server may send them, in lower case; what a parser of HTTP would refuse is among it."""
