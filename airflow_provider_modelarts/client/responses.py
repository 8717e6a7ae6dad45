"""
From a reply to what was asked for, or to the error that the reply stands for.

Nothing of a reply's values or of its body is ever quoted: a notebook's reply holds its access token.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from airflow_provider_modelarts.client.error_codes import ErrorCode, classify
from airflow_provider_modelarts.client.http_types import Response
from airflow_provider_modelarts.exceptions import InvalidResponseError, sanitize

T = TypeVar("T")

MAX_DIGITS = 1000
"""Digits of the longest integer that is read; no field has a twentieth of them."""


def parse_response(
    what: str,
    response: Response,
    parse: Callable[[Any], T],
    at: datetime,
    *,
    classify: Callable[[int, str], ErrorCode] = classify,
) -> T:
    """
    Return what the reply says.

    :param what: the operation, for messages.
    :param parse: from the reply's JSON, with the ``request_id`` of the exchange added.
    :param at: now, against which ``Retry-After`` and the server's clock are read.
    :param classify: from a refusal's HTTP status and code to what it means.
    :raises InvalidResponseError: it cannot be read, or it is a redirect.
    :raises ApiError: it is a refusal; the class says why.
    """
    reply = _decoded(response.body)
    request_id = _request_id(response, reply)
    facts = _facts(response, request_id)
    if 200 <= response.status < 300:
        if isinstance(reply, dict):
            reply = {**reply, "request_id": request_id}
        try:
            return parse(reply)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(map(str, first["loc"])) or "the body"
            reason = f"{place}: {first['msg']}"
        except ValueError as error:
            reason = _scrubbed(str(error))
        raise InvalidResponseError(f"{what} brought an unexpected reply: {reason} ({facts})")
    if 300 <= response.status < 400:
        raise InvalidResponseError(
            f"{what} was redirected, which a signed request does not follow: "
            f"check the connection's host ({facts})"
        )
    code, text = _parse_error(reply)
    code = "" if code == str(response.status) else code  # IAM's own is no more than that
    known = classify(response.status, code)
    refusal = known.error(
        " ".join(filter(None, [f"{what} was refused: {text or 'no reason given'}.", known.remedy])),
        status=response.status,
        code=code,
        request_id=request_id,
        retry_after=_retry_after(response.headers.get("retry-after", ""), at),
        clock_skew=_clock_skew(response.headers.get("date", ""), at),
    )
    refusal.is_brief = known.is_brief
    refusal.may_have_been_processed = refusal.may_have_been_processed and not known.is_brief
    raise refusal


def _retry_after(value: str, at: datetime) -> float | None:
    """Return the seconds that the header asks for, given as seconds or as a date."""
    if value.strip().isdecimal():
        return float(value)
    clock_skew = _clock_skew(value, at)
    return None if clock_skew is None else max(0.0, clock_skew)


def _clock_skew(date: str, at: datetime) -> float | None:
    """Return by how many seconds a date is ahead of now, or None if it is none."""
    try:
        parsed = parsedate_to_datetime(date)
        # "-0000" says that it is UTC and nothing of where it was written, and is parsed without a zone.
        aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)
        return aware.timestamp() - at.timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def _decoded(body: bytes) -> Any:
    """
    Return the JSON of a body, or None: what is missing and what is broken end alike.

    A text with bytes that are no UTF-8, or with a bare line break, and a number of thousands of digits are
    one odd value each: they hide neither the rest of a record nor the others of a page.
    """
    text = body.decode(json.detect_encoding(body), "replace")
    try:
        return json.loads(text, strict=False, parse_int=_number)
    except (ValueError, RecursionError):
        return None


def _number(digits: str) -> int | None:
    """Return a number, which is none where Python would refuse to read it."""
    return int(digits) if len(digits) < MAX_DIGITS else None


def _request_id(response: Response, reply: Any) -> str:
    in_body = reply.get("request_id") if isinstance(reply, dict) else None
    headers = response.headers
    return _scrubbed(headers.get("x-request-id") or headers.get("x-iam-trace-id") or in_body)


def _facts(response: Response, request_id: str) -> str:
    kind = _scrubbed(response.headers.get("content-type", "no content type"))
    facts = f"HTTP {response.status}, {kind}, {len(response.body)} bytes"
    return f"{facts}, request id {request_id}" if request_id else facts


# Each producer has an envelope of its own: ModelArts, its older API, the gateway, other services, IAM.
_ENVELOPES = (
    ("error_code", "error_msg"),
    ("error_code", "error_message"),
    ("errorCode", "errorMsg"),
    ("code", "message"),
)


def _parse_error(reply: Any) -> tuple[str, str]:
    """Return the server's code and its words, from whichever envelope it used, however deep it lies."""
    level = [reply]
    words = ""
    while level:
        inner: list[Any] = []
        for part in level:
            if isinstance(part, list):
                inner += part
            if not isinstance(part, dict):
                continue
            for code, message in _ENVELOPES:
                if code in part and message in part:
                    words = words or _scrubbed(part[message])
                    if part[code]:
                        return _scrubbed(part[code]), words
            if part.get("error_code"):
                return _scrubbed(part["error_code"]), words
            inner += part.values()
        level = inner
    return "", words


def _scrubbed(message: Any) -> str:
    """Return a server's words on one short line, without the request that the gateway may echo."""
    message = message or ""
    said = message if isinstance(message, str) else reprlib.repr(message)  # of what is too deep, a part
    text = re.split(r"canonical", said, maxsplit=1, flags=re.IGNORECASE)[0]
    return sanitize(text, 300).rstrip(" ,.:;")
