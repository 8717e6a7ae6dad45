"""HTTP/1.1 on a stream: parsing of requests and the head of responses."""

from __future__ import annotations

import asyncio

from .exchange import HttpReply, HttpRequest, Refusal, phrase, whole_number

HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 12 * 1024 * 1024
"""Bytes; the API gateway answers 413 above 12 MB, by OTC's page of gateway errors."""


async def read_request(reader: asyncio.StreamReader, client: str) -> HttpRequest | None:
    """
    Read the next request of a connection; return None if the client closed it.

    Raises :class:`Refusal` for a malformed request, after which the connection must be closed.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise Refusal(431, "APIGW.0201", "The request header is too large.") from None
    request_line, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, target = _split_request_line(request_line)
    request = HttpRequest(method, target, tuple(_split_header(line) for line in lines), client=client)
    body = await reader.readexactly(_body_length(request))
    return HttpRequest(method, target, request.headers, body, client)


def wants_to_stay(request: HttpRequest) -> bool:
    """Return whether the client keeps the connection open for another request."""
    return (request.header("Connection") or "").lower() != "close"


def head_of(reply: HttpReply, stay: bool) -> bytes:
    """Return the status line and the headers of a response as bytes."""
    headers = [
        ("Content-Length", str(len(reply.body))),
        ("Connection", "keep-alive" if stay else "close"),
        *reply.headers,
    ]
    if reply.body:
        headers.insert(0, ("Content-Type", reply.content_type))
    lines = [f"HTTP/1.1 {reply.status} {phrase(reply.status)}", *(f"{k}: {v}" for k, v in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _split_request_line(line: str) -> tuple[str, str]:
    parts = line.split(" ")
    if len(parts) != 3 or parts[2] != "HTTP/1.1" or not parts[1].startswith("/"):
        raise Refusal(400, "APIGW.0201", "The request line is not one of HTTP/1.1.")
    return parts[0], parts[1]


def _split_header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise Refusal(400, "APIGW.0201", "A request header is malformed.")
    return name, value.strip()


def _body_length(request: HttpRequest) -> int:
    if request.header("Transfer-Encoding") is not None:
        raise Refusal(411, "APIGW.0201", "The request body needs a Content-Length.")
    value = request.header("Content-Length") or "0"
    length = whole_number(value)
    if length is None:
        raise Refusal(400, "APIGW.0201", "The Content-Length is not a number.")
    if length > BODY_LIMIT:
        raise Refusal(413, "APIGW.0201", "The request body is larger than 12 MB.")
    return length
