"""
The types of a response's fields: read if possible, absent if not.

Texts end in logs, in XCom and in databases, so they are printable and of bounded length.

What is as documented is read by pydantic's core alone, and only what is not costs a call of Python: a page
of 500 records costs an event loop a few milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema

MAX_TEXT = 4096
"""Bytes of the longest text."""
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_DATETIME = TypeAdapter(datetime)


class _Else:
    """How a value is read that does not fit its type, so that no odd field hides the rest of its record."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self.read = read

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the type's schema with this reader behind it."""
        odd = core_schema.no_info_plain_validator_function(self.read)
        return core_schema.union_schema([handler(source), odd], mode="left_to_right")


class Skippable:
    """Marks items of a list that are left out if they cannot be read."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the item's schema, which omits what it cannot read."""
        return core_schema.with_default_schema(handler(source), on_error="omit")


def absent(_: Any) -> None:
    """Read any value as none."""


def _printable(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    text = "".join(c if c.isprintable() else " " for c in _without_surrogates(value))
    data = text.encode()
    return text if len(data) <= MAX_TEXT else f"{data[: MAX_TEXT - 3].decode('utf-8', 'ignore')}…"


def _without_surrogates(text: str) -> str:
    """Replace halves of surrogate pairs, which services that count in UTF-16 leave of what they cut."""
    return text.encode("utf-8", "replace").decode()


def _status(value: Any) -> str | None:
    text = _printable(value)
    return None if text is None else text.strip().upper()


def flat(value: Any) -> str:
    """
    Return any JSON value as text in which its words can be found.

    :raises ValueError: it is nested too deeply.
    """
    try:
        text = value if isinstance(value, str) else str(value)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
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
    if not (isinstance(value, str) and re.match(r"\s*[0-9]{4}-[0-9]{2}-", value)):
        return _integer(value)
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
"""The one field that is never absent: without it there is nothing to ask about."""

Text = Annotated[_Plain | None, _Else(_printable)]
"""One printable line of at most :data:`MAX_TEXT` bytes."""

Texts = Annotated[list[_Plain] | None, _Else(_texts)]
"""Those of a list that are texts."""

Status = Annotated[
    Annotated[_Plain, StringConstraints(strip_whitespace=True, to_upper=True)] | None, _Else(_status)
]
"""In capitals, without white space around it."""

Description = Annotated[Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")] | None, _Else(flat)]
"""
A user's words as they were given, line breaks and all, and of an odd type as text.

The marker of the task that saved an image stands in it, and a marker that is not seen is a second save: so
this is never absent for its type. Name, tag and status may be: a marked image without them is one's own.
"""

Integer = Annotated[_Integer | None, _Else(_integer)]
"""Of 64 bits, also one that came as text or with a point; no truth value."""

Timestamp = Annotated[_Integer | None, _Else(_timestamp)]
"""Milliseconds since the epoch, UTC; also from a date in ISO 8601, which without a zone is UTC."""

Boolean = Annotated[bool | None, _Else(absent)]
"""True or false, in any of their spellings."""

Optionally = _Else(absent)
"""Marks a type as absent if it cannot be read."""
