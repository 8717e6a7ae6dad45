"""
Turns an HTTP response into a model or an exception.

No message quotes a value or the body of a response: a notebook's response holds its access token.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Callable
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from airflow_provider_modelarts.client.error_codes import ErrorCode, classify
from airflow_provider_modelarts.client.http_types import Items, Response
from airflow_provider_modelarts.exceptions import InvalidResponseError, sanitize

T = TypeVar("T")

MAX_DIGITS = 1000
"""Digits of the longest integer that is read; the longest field has 19."""


def parse_response(
    what: str,
    response: Response,
    parse: Callable[[Any], T],
    now: float,
    *,
    classify: Callable[[int, str], ErrorCode] = classify,
) -> T:
    """
    Return the result of an operation from its response.

    :param what: the operation, for messages.
    :param parse: makes the result from the response's JSON, to which ``request_id`` and ``response_date`` are
        added, from the headers. It receives an array as :class:`Items`.
    :param now: epoch seconds, with which ``Retry-After`` and the header ``Date`` are compared.
    :param classify: returns the meaning of an HTTP status and an error code.
    :raises InvalidResponseError: the response cannot be parsed, or it is a redirect.
    :raises ApiError: an error response, with the class that its status and code have.
    """
    data = _decode(response.body)
    request_id = _request_id(response, data)
    if 200 <= response.status < 300:
        if isinstance(data, list):
            data = Items(data, response.headers.get("content-range"))
        elif isinstance(data, dict):
            data["request_id"] = request_id
            data["response_date"] = response.headers.get("date")
        try:
            return parse(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(map(str, first["loc"])) or "the body"
            reason = f"{place}: {first['msg']}"
        except ValueError as error:
            reason = _scrub(str(error))
        raise InvalidResponseError(
            f"{what} returned an unexpected response: {reason} ({_facts(response, request_id)})"
        )
    if 300 <= response.status < 400:
        raise InvalidResponseError(
            f"{what} was redirected, and a signed request cannot follow: "
            f"check the connection's host ({_facts(response, request_id)})"
        )
    code, text = _parse_error(data)
    code = "" if code == str(response.status) else code  # IAM repeats the HTTP status as its code
    meaning = classify(response.status, code)
    reason = " ".join(filter(None, [f"{text or 'no reason given'}.", meaning.remedy]))
    refusal = meaning.error(
        f"{what} failed: {reason}",
        status=response.status,
        code=code,
        request_id=request_id,
        retry_after=_retry_after(response.headers.get("retry-after", ""), now),
        clock_skew=_clock_skew(response.headers.get("date", ""), now),
    )
    refusal.reason = reason
    refusal.is_brief = meaning.is_brief
    refusal.may_have_been_processed = refusal.may_have_been_processed and not meaning.is_brief
    raise refusal


def _retry_after(value: str, now: float) -> float | None:
    """Return the seconds of a ``Retry-After``, which holds seconds or a date; None if it is neither."""
    if value.strip().isdecimal():
        return float(value)
    clock_skew = _clock_skew(value, now)
    return None if clock_skew is None else max(0.0, clock_skew)


def _clock_skew(date: str, now: float) -> float | None:
    """Return by how many seconds an HTTP date is ahead of now, or None if it is no date."""
    try:
        parsed = parsedate_to_datetime(date)
        # The zone "-0000" is UTC too, but the parser returns it without a zone.
        aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)
        return aware.timestamp() - now
    except (TypeError, ValueError, OverflowError):
        return None


def _number(digits: str) -> int | None:
    """Return an integer, or None if it has more digits than Python converts."""
    return int(digits) if len(digits) < MAX_DIGITS else None


_DECODER = json.JSONDecoder(strict=False, parse_int=_number)


def _decode(body: bytes) -> Any:
    """
    Return the JSON of a body, or None if it is missing or malformed.

    Invalid UTF-8, a bare line break in a string or a number of thousands of digits spoils one value, so that
    the rest of its record and the other records of the page can still be read. Pydantic's parser, which needs
    half of the time, reads all other bodies: almost all.
    """
    try:
        return from_json(body)
    except ValueError:
        pass
    text = body.decode(json.detect_encoding(body), "replace")
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


def _request_id(response: Response, data: Any) -> str:
    in_body = data.get("request_id") if isinstance(data, dict) else None
    headers = response.headers
    return _scrub(headers.get("x-request-id") or headers.get("x-iam-trace-id") or in_body)


def _facts(response: Response, request_id: str) -> str:
    kind = _scrub(response.headers.get("content-type", "no content type"))
    facts = f"HTTP {response.status}, {kind}, {len(response.body)} bytes"
    return f"{facts}, request id {request_id}" if request_id else facts


# The fields of an error response: ModelArts and the gateway, older ModelArts, other services, SWR, IAM.
_ENVELOPES = (
    ("error_code", "error_msg"),
    ("error_code", "error_message"),
    ("errorCode", "errorMsg"),
    ("errorCode", "errorMessage"),
    ("code", "message"),
)


def _parse_error(data: Any) -> tuple[str, str]:
    """Return the error code and text of an error response, whichever fields hold them, at any depth."""
    level = [data]
    text = ""
    while level:
        inner: list[Any] = []
        for part in level:
            if isinstance(part, list):
                inner += part
            if not isinstance(part, dict):
                continue
            for code, message in _ENVELOPES:
                if code in part and message in part:
                    text = text or _scrub(part[message])
                    if part[code]:
                        return _scrub(part[code]), text
            if lone := part.get("error_code") or part.get("errorCode"):
                return _scrub(lone), text
            inner += part.values()
        level = inner
    return "", text


# "canonicalRequest" in every spelling, whatever stands between its letters.
_ECHO = re.compile(r"[\W_]*".join("canonical"), re.IGNORECASE)


def _scrub(value: Any) -> str:
    """Return a server's text as one short line, without the request that the gateway may echo."""
    value = value or ""
    text = value if isinstance(value, str) else reprlib.repr(value)  # which limits depth and length
    text = _ECHO.split(text, maxsplit=1)[0]
    return sanitize(text, 300).rstrip(" ,.:;")
