"""
The types of a response's fields: a value that cannot be parsed becomes None.

Texts are stored in logs, XCom and databases, so they are printable and of bounded length.

Pydantic's core validates a documented value without calling Python; only other values call a function here.
So a page of 500 records occupies an event loop for a few milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema

MAX_TEXT = 4096
"""Bytes of the longest text; a longer one is cut."""
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1
_MIN_SECONDS, _MIN_MILLISECONDS = 10**9, 10**11
"""2001 in seconds, and 1973 in milliseconds: a number between them is a time in seconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_DATETIME = TypeAdapter(datetime)


class _Fallback:
    """
    Parses a value that does not fit its type, so that the rest of its record is not lost.

    :param parse: returns the parsed value, or None.
    """

    def __init__(self, parse: Callable[[Any], Any]) -> None:
        self.parse = parse

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the type's schema, followed by this fallback."""
        fallback = core_schema.no_info_plain_validator_function(self.parse)
        return core_schema.union_schema([handler(source), fallback], mode="left_to_right")


class Skippable:
    """Annotates the items of a list: those that cannot be parsed are left out."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the item's schema, which omits items that it cannot parse."""
        return core_schema.with_default_schema(handler(source), on_error="omit")


def absent(_: Any) -> None:
    """Return None for any value."""


def _printable(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    text = "".join(c if c.isprintable() else " " for c in _without_surrogates(value))
    data = text.encode()
    return text if len(data) <= MAX_TEXT else f"{data[: MAX_TEXT - 3].decode('utf-8', 'ignore')}…"


def _without_surrogates(text: str) -> str:
    """Replace halves of surrogate pairs, which a service leaves that cuts a text in UTF-16."""
    return text.encode("utf-8", "replace").decode()


def _status(value: Any) -> str | None:
    text = _printable(value)
    return None if text is None else text.strip().upper()


def flatten(value: Any) -> str:
    """
    Return any JSON value as text that can be searched.

    :raises ValueError: the value is nested too deeply.
    """
    try:
        text = value if isinstance(value, str) else str(value)
    except RecursionError:
        raise ValueError("the JSON value is nested too deeply to be read as text") from None
    return _without_surrogates(text).replace("\0", " ")


def _integer(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,19}(\.0*)?\s*", value):
        value = int(value.partition(".")[0])
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if _MIN_INTEGER <= value <= _MAX_INTEGER else None


def _timestamp(value: Any) -> int | None:
    if isinstance(value, str) and re.match(r"\s*[0-9]{4}-[0-9]{2}-", value):
        found = _milliseconds_of_date(value)
    else:
        found = _integer(value)
        if found is not None and _MIN_SECONDS <= found < _MIN_MILLISECONDS:
            found *= 1000
    return found if found is not None and found > 0 else None


def _milliseconds_of_date(value: str) -> int | None:
    try:
        at = _DATETIME.validate_python(value.strip())
    except ValidationError:
        return None
    aware = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    return (aware - _EPOCH) // timedelta(milliseconds=1)


def _texts(value: Any) -> list[str] | None:
    if not isinstance(value, list):
        return None
    return [text for text in map(_printable, value) if text is not None]


_Plain = Annotated[str, StringConstraints(max_length=MAX_TEXT, pattern=r"^[ -~]*$")]
_Integer = Annotated[int, Field(strict=True, ge=_MIN_INTEGER, le=_MAX_INTEGER)]

Id = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256, pattern=r"^[!-~]+$")
]
"""An id, the only mandatory field of a record: without it there can be no further request."""

Text = Annotated[_Plain | None, _Fallback(_printable)]
"""One printable line of at most :data:`MAX_TEXT` bytes."""

Texts = Annotated[list[_Plain] | None, _Fallback(_texts)]
"""The items of a list that are texts."""

Status = Annotated[
    Annotated[_Plain, StringConstraints(strip_whitespace=True, to_upper=True)] | None, _Fallback(_status)
]
"""A status in capitals, without white space around it."""

Description = Annotated[Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")] | None, _Fallback(flatten)]
"""
A user's text unchanged, line breaks included; a value of another type as text.

It contains the marker of the task that saved an image, and a lost marker would cause a second save. So its
type never makes it None. Name, tag and status may be None: the marker alone identifies an image.
"""

Integer = Annotated[_Integer | None, _Fallback(_integer)]
"""An integer of 64 bits, also from text or a float without a fraction; a boolean becomes None."""

_Milliseconds = Annotated[int, Field(strict=True, ge=_MIN_MILLISECONDS, le=_MAX_INTEGER)]
Timestamp = Annotated[_Milliseconds | None, _Fallback(_timestamp)]
"""
Milliseconds since the epoch, also from seconds, or from a date in ISO 8601, which without a zone is UTC.

Zero and what is before 1970 become None: services have such a time where none is set.
A start in seconds, read as milliseconds, would be in 1970, so that a snapshot from before it would count.
"""

Boolean = Annotated[bool | None, _Fallback(absent)]
"""A boolean in any spelling that pydantic accepts."""

Optionally = _Fallback(absent)
"""Annotates a type: a value that cannot be parsed becomes None."""
