"""HTTP requests and responses of the simulator, refusals, and the forms of error bodies."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

ENVELOPES = ("modelarts", "legacy", "gateway", "iam", "swr", "swr_errors")
"""
Forms of error bodies: of ModelArts v1, its older notebook API, the API gateway, IAM, and SWR, whose page has
an array; another client parses an object with the array ``errors``.
"""


@dataclass(frozen=True)
class HttpRequest:
    """An HTTP request as received; header names and target are kept as the client sent them."""

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
        """The query of the target, still percent-encoded."""
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
        """Return a header's value or None; the values of a repeated header are joined by commas."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ",".join(values) if values else None


class Ending(Enum):
    """How much of a response reaches the client."""

    WHOLE = auto()
    TORN = auto()
    RESET = auto()
    NOTHING = auto()
    """Nothing; the connection closes when the client disconnects or the delay is over."""


@dataclass(frozen=True)
class HttpReply:
    """An HTTP response, and how it is delivered."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json;charset=utf-8"
    delay: float = 0.0
    ending: Ending = Ending.WHOLE


class Refusal(Exception):
    """
    An error response to a request; the prefix of the code is the service that refuses.

    Keystone, the part of IAM under ``/v3``, sends no code.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        """Keep status, code and message of the response."""
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message

    def reply(self, request_id: str, swr: str = "swr") -> HttpReply:
        """Return the error response in the form of the service that refuses; ``swr`` is the form of SWR."""
        service = self.code.partition(".")[0]
        envelope = {"APIGW": "gateway", "": "iam", "SVCSTG": swr}.get(service, "modelarts")
        return error_reply(envelope, self.status, self.code, self.message, request_id)


@dataclass(frozen=True)
class Outcome:
    """The result of a request: its response, and whether it changed the project."""

    reply: HttpReply
    effect: bool = False
    fault: str | None = None


def whole_number(text: str) -> int | None:
    """Return the number, or None; Python refuses to parse thousands of digits."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def json_reply(status: int, document: Any, *headers: tuple[str, str]) -> HttpReply:
    """Return a response with a JSON document."""
    return HttpReply(status, json.dumps(document, ensure_ascii=False).encode(), headers)


def error_reply(envelope: str, status: int, code: str, message: str, request_id: str) -> HttpReply:
    """Return an error response in one of :data:`ENVELOPES`."""
    error = {"errorCode": code, "errorMessage": message, "detail": ""}
    documents: Mapping[str, Any] = {
        "modelarts": {"error_code": code, "error_msg": message},
        "legacy": {"error_code": code, "error_message": message},
        "gateway": {"error_msg": message, "error_code": code, "request_id": request_id},
        "iam": {"error": {"code": status, "message": message, "title": phrase(status)}},
        "swr": [error],
        "swr_errors": {"errors": [error]},
    }
    document = documents[envelope]
    if not code:
        error.pop("errorCode")
        if isinstance(document, dict):
            document.pop("error_code", None)
    return json_reply(status, document)


def phrase(status: int) -> str:
    """Return the reason phrase of an HTTP status; ``Unknown`` for an unregistered one."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
