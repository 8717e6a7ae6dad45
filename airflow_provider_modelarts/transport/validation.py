"""
Validation of addresses, headers and proxies before a library sees them.

A library would quote what it refuses, and with it a password or a token.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from airflow_provider_modelarts.client.http_types import Request
from airflow_provider_modelarts.exceptions import InvalidConnectionError

_NEVER_IN_AN_ADDRESS = re.compile(r"[\x00-\x20\x7f\\]")
_NEVER_IN_A_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Proxy:
    """
    A proxy, its password apart from its address, so that no library can show it.

    :param authorization: what proves to it who we are, if anything is to.
    """

    url: str
    authorization: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What it is to be told besides the request."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


def parse_proxy(address: str, *, origin: str) -> Proxy:
    """
    Return the proxy at an address, which may hold a user name and a password.

    :param origin: where the address is from, for the message.
    :raises InvalidConnectionError: no proxy can be there. The message does not hold the address.
    """
    fault, parts = _split(address)
    # A password with one of these characters makes the rest of it look like a path, a query or a fragment.
    if not fault and (parts.path not in {"", "/"} or "?" in address or "#" in address):
        fault = "it goes on after host and port"
    if fault:
        raise not_sent(
            f"{origin} cannot be used: {fault}. It must read http://host:port or "
            "http://user:password@host:port, with every special character of both percent-encoded"
        )
    user, at, place = parts.netloc.rpartition("@")
    if not at:
        return Proxy(f"{parts.scheme}://{place}")
    name, _, password = user.partition(":")
    proof = unquote_to_bytes(name) + b":" + unquote_to_bytes(password)
    return Proxy(f"{parts.scheme}://{place}", f"Basic {b64encode(proof).decode()}")


def validate(request: Request) -> None:
    """
    See that a request can be written as it was signed.

    :raises InvalidConnectionError: it cannot. What is wrong comes from the connection, because everything
        else in a request is quoted by us; the message names the part and not the value.
    """
    fault, parts = _split(request.url)
    if not fault and "@" in request.url:
        fault = "it holds an @"
    if not fault and not f"{parts.path}{parts.query}".isascii():
        fault = "its path is not percent-encoded"
    if fault:
        raise not_sent(f"The address of {request.service} cannot be used: {fault}. Check host and endpoints")
    for name, value in request.headers.items():
        if not _NAME.fullmatch(name):
            raise not_sent(f"A header for {request.service} cannot be sent: its name is none")
        if fault := _header_fault(value):
            raise not_sent(
                f"The header {name} for {request.service} cannot be sent: {fault}. Check the connection for "
                "a key, token or id that was pasted with a line break"
            )


def not_sent(what: str) -> InvalidConnectionError:
    """Return the error for what no try can mend, and which left nothing at the service."""
    error = InvalidConnectionError(f"Nothing was sent. {what}.")
    error.may_have_been_processed = False
    return error


def name_of(request: Request) -> str:
    """Return a request's method and address, without the query, for messages. It has been checked."""
    url = urlsplit(request.url)
    return f"{request.method} {url.scheme}://{url.netloc}{url.path}"


def _header_fault(value: str) -> str:
    if _NEVER_IN_A_VALUE.search(value):
        return "it holds a line break or another control character"
    if value != value.strip():
        return "it begins or ends with white space"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "it holds half a character"
    return ""


def _split(url: str) -> tuple[str, SplitResult]:
    """Return what makes an address unusable, which is nothing for a good one, and its parts."""
    nothing = SplitResult("", "", "", "", "")
    if _NEVER_IN_AN_ADDRESS.search(url):
        return "it holds white space, a control character or a backslash", nothing
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "its host or port cannot be read", nothing
    if parts.scheme not in {"http", "https"}:
        return "it begins with neither http:// nor https://", nothing
    if not host:
        return "it names no host", nothing
    try:
        host.encode("idna")
    except UnicodeError:
        return "its host name is none", nothing
    return "", parts
