"""
Validation of URLs, headers and proxies before they are passed to a library.

A library quotes the value that it refuses in its error, which could reveal a password or a token.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from airflow_provider_modelarts.client.http_types import Request
from airflow_provider_modelarts.exceptions import InvalidConnectionError

_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f\\]")
_NOT_IN_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Proxy:
    """
    A proxy, with its credentials apart from its address, so that no library can log them.

    :param authorization: value of ``Proxy-Authorization``; empty without credentials.
    """

    url: str
    authorization: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """The headers for the proxy itself."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


def parse_proxy(address: str, *, origin: str) -> Proxy:
    """
    Return the proxy of an address, which may contain a user name and a password.

    :param origin: the source of the address, for the message.
    :raises InvalidConnectionError: the address is invalid. The message does not contain it.
    """
    fault, parts = _split(address)
    # A password with one of these characters unencoded is parsed as a path, a query or a fragment.
    if not fault and (parts.path not in {"", "/"} or "?" in address or "#" in address):
        fault = "it continues after host and port"
    if fault:
        raise not_sent(
            f"{origin} cannot be used: {fault}. It must be http://host:port or "
            "http://user:password@host:port, with every special character of both percent-encoded"
        )
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return Proxy(f"{parts.scheme}://{host}")
    name, _, password = user.partition(":")
    pair = unquote_to_bytes(name) + b":" + unquote_to_bytes(password)
    return Proxy(f"{parts.scheme}://{host}", f"Basic {b64encode(pair).decode()}")


def validate(request: Request) -> None:
    """
    Check that a request can be sent as it was signed.

    :raises InvalidConnectionError: it cannot. The cause is a field of the connection, as all other parts of a
        request are quoted; the message names the part, not the value.
    """
    fault, parts = _split(request.url)
    if not fault and "@" in request.url:
        fault = "it contains an @"
    if not fault and not f"{parts.path}{parts.query}".isascii():
        fault = "its path is not percent-encoded"
    if fault:
        raise not_sent(f"The address of {request.service} cannot be used: {fault}. Check host and endpoints")
    for name, value in request.headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise not_sent(f"A header for {request.service} cannot be sent: its name is invalid")
        if fault := _header_fault(value):
            raise not_sent(
                f"The header {name} for {request.service} cannot be sent: {fault}. Check the connection for "
                "a key, token or id that was pasted with a line break"
            )


def not_sent(what: str) -> InvalidConnectionError:
    """Return the error for a request that can never be sent; a retry cannot fix it."""
    error = InvalidConnectionError(f"Nothing was sent. {what}.")
    error.may_have_been_processed = False
    return error


def name_of(request: Request) -> str:
    """Return a validated request's method and URL, without the query, for messages."""
    url = urlsplit(request.url)
    return f"{request.method} {url.scheme}://{url.netloc}{url.path}"


def _header_fault(value: str) -> str:
    if _NOT_IN_HEADER.search(value):
        return "it contains a line break or another control character"
    if value != value.strip():
        return "it begins or ends with white space"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "it contains an incomplete character"
    return ""


def _split(url: str) -> tuple[str, SplitResult]:
    """Return why a URL cannot be used, empty for a valid one, and its parts."""
    no_parts = SplitResult("", "", "", "", "")
    if _NOT_IN_URL.search(url):
        return "it contains white space, a control character or a backslash", no_parts
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "its host or port is invalid", no_parts
    if parts.scheme not in {"http", "https"}:
        return "it begins with neither http:// nor https://", no_parts
    if not host:
        return "it has no host", no_parts
    try:
        host.encode("idna")
    except UnicodeError:
        return "its host name is invalid", no_parts
    return "", parts
