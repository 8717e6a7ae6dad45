"""What goes in and out of the simulator: requests, replies, refusals and the shapes of error bodies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

ENVELOPES = ("modelarts", "legacy", "gateway", "iam")
"""Who speaks: ModelArts v1, its older notebook API, the API gateway, or IAM."""


@dataclass(frozen=True)
class HttpRequest:
    """An HTTP request as it was received; header names and target are kept as the client wrote them."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    client: str = ""

    @property
    def path(self) -> str:
        """The target without its query, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What follows the question mark, still percent-encoded."""
        return self.target.partition("?")[2]

    @property
    def segments(self) -> tuple[str, ...]:
        """The decoded parts of the path."""
        return tuple(unquote(part) for part in self.path[1:].split("/"))

    @property
    def query_pairs(self) -> list[tuple[str, str]]:
        """The decoded query, in the order it was sent."""
        return parse_qsl(self.query, keep_blank_values=True)

    def header(self, name: str) -> str | None:
        """Give the value of a header, or None; the values of a repeated header are joined by commas."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ",".join(values) if values else None


class Ending(Enum):
    """How much of a reply reaches the client."""

    WHOLE = auto()
    TORN = auto()
    RESET = auto()
    NOTHING = auto()
    """Not even an end, until the client goes away or the reply's delay is over."""


@dataclass(frozen=True)
class HttpReply:
    """An HTTP reply, and how it is delivered."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json;charset=utf-8"
    delay: float = 0.0
    ending: Ending = Ending.WHOLE


class Refusal(Exception):
    """
    A request that is answered with an error; the code's prefix says who refuses.

    No code at all is Keystone's, the part of IAM under ``/v3``.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        """Keep what the reply will say."""
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message

    def reply(self, request_id: str) -> HttpReply:
        """Put the refusal into the envelope of its speaker."""
        speaker = self.code.partition(".")[0]
        envelope = {"APIGW": "gateway", "": "iam"}.get(speaker, "modelarts")
        return error_reply(envelope, self.status, self.code, self.message, request_id)


@dataclass(frozen=True)
class Outcome:
    """What came of a request."""

    reply: HttpReply
    effect: bool = False
    fault: str | None = None


def whole_number(text: str) -> int | None:
    """Read a number if it is one; Python refuses to read thousands of digits."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def json_reply(status: int, document: Any, *headers: tuple[str, str]) -> HttpReply:
    """Answer with a JSON document."""
    return HttpReply(status, json.dumps(document, ensure_ascii=False).encode(), headers)


def error_reply(envelope: str, status: int, code: str, message: str, request_id: str) -> HttpReply:
    """Answer with an error in one of the four envelopes ModelArts clients meet."""
    documents: Mapping[str, dict[str, Any]] = {
        "modelarts": {"error_code": code, "error_msg": message},
        "legacy": {"error_code": code, "error_message": message},
        "gateway": {"error_msg": message, "error_code": code, "request_id": request_id},
        "iam": {"error": {"code": status, "message": message, "title": phrase(status)}},
    }
    document = documents[envelope]
    if not code:
        document.pop("error_code", None)
    return json_reply(status, document)


def phrase(status: int) -> str:
    """Name an HTTP status, the unregistered ones included."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
