"""The checks of the values that operations put into paths, queries and bodies."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import quote

from airflow_provider_modelarts.client.models import text_rule
from airflow_provider_modelarts.exceptions import FieldViolation, RequestValidationError

MAX_PAGE_BYTES = 1024 * 1024
"""Bytes of the largest page that is read: 200 records of 5 KiB, more than their fields can hold."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_IMAGE_ADDRESS = re.compile(r"[^\s/]+(?:/[^\s/:]+)+:[^\s/:]+")


def given(query: dict[str, str | None]) -> dict[str, str]:
    """
    Return the filters that are not None.

    :raises RequestValidationError: a filter is blank, and so would match everything.
    """
    given = {key: value for key, value in query.items() if value is not None}
    violations = [
        FieldViolation(key, rule, value) for key, value in given.items() if (rule := text_rule(value))
    ]
    if violations:
        raise RequestValidationError(violations)
    return given


def flag(field: str, value: bool) -> str:
    """
    Return a boolean as a query value.

    :raises RequestValidationError: it is no boolean, such as ``"false"``, which would count as true.
    """
    if not isinstance(value, bool):
        raise RequestValidationError([FieldViolation(field, "must be True or False", value)])
    return "true" if value else "false"


def path_segment(field: str, value: str) -> str:
    """
    Return an id as one path segment.

    :raises RequestValidationError: it would change the path.
    """
    return quote(identifier(field, value), safe="")


def identifier(field: str, value: str) -> str:
    """
    Return an id, a UUID in lower case.

    :raises RequestValidationError: it cannot stand in a path.
    """
    if isinstance(value, str) and _UUID.fullmatch(value):
        return value.lower()
    rule = text_rule("" if value is None else value)
    if not rule and (
        value.startswith(".") or any(c in "/\\?#%;" or c.isspace() or not c.isprintable() for c in value)
    ):
        rule = "must be one id, without slash, percent sign, white space or leading period"
    if rule:
        raise RequestValidationError([FieldViolation(field, rule, value)])
    return value


def milliseconds(field: str, value: timedelta) -> int:
    """
    Return a duration in milliseconds, as the API counts it.

    :raises RequestValidationError: it is no duration, or below a millisecond.
    """
    if not isinstance(value, timedelta):
        rule = f"must be a timedelta, not {type(value).__name__}"
    elif value < timedelta(milliseconds=1):
        rule = "must be positive"
    else:
        return value // timedelta(milliseconds=1)
    raise RequestValidationError([FieldViolation(field, rule, value)])


def choice(field: str, value: str, choices: tuple[str, ...]) -> str:
    """
    Return one of the choices, whatever the case of the given value.

    :raises RequestValidationError: it is none of them.
    """
    found = [c for c in choices if isinstance(value, str) and c.lower() == value.strip().lower()]
    if not found:
        raise RequestValidationError([FieldViolation(field, f"must be {' or '.join(choices)}", value)])
    return found[0]


def image_address(field: str, value: str) -> str:
    """
    Return the address of an image in SWR.

    :raises RequestValidationError: it has no namespace or no tag.
    """
    rule = text_rule("" if value is None else value)
    if not rule and not _IMAGE_ADDRESS.fullmatch(value):
        rule = "must be an image's address such as swr.eu-de.otc.t-systems.com/team/research:v1"
    if rule:
        raise RequestValidationError([FieldViolation(field, rule, value)])
    return value
