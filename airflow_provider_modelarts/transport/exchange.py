"""The time and size limits of one request, and the errors if it exceeds them or fails."""

from __future__ import annotations

import asyncio
import math
import os
import re
import socket
import ssl
import time
import zlib
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from urllib.parse import urlsplit

from airflow_provider_modelarts import __version__
from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.exceptions import ModelArtsError, ResponseTooLargeError, TransportError
from airflow_provider_modelarts.transport.config import Routes, TransportConfig, not_sent, split_address

HEAD_BYTES = 64 * 1024
"""Bytes of a response besides its body: status, headers, interim responses, chunk sizes, trailers."""


# Added after signing, because proxies may change them. No compression, so that the bytes counted on the wire
# are the body's.
UNSIGNED_HEADERS = {
    "User-Agent": f"airflow-provider-modelarts/{__version__}",
    "Accept-Encoding": "identity",
    "Connection": "keep-alive",
}


class Exchange:
    """
    One request and its response, from the wait for a free connection to the last byte.

    :param routes: of the transport.
    :param timeout: seconds for the whole exchange. The timeouts of the config apply too.
    :raises InvalidConnectionError: the request can never be sent.

    A transport that does not block sets ``is_overdue`` when its timer ends the exchange, and ``is_over``
    after its end.
    """

    __slots__ = (
        "_bytes_left",
        "_config",
        "_ends_at",
        "_started_at",
        "gives_up_at",
        "is_over",
        "is_overdue",
        "is_sent",
        "origin",
        "proxy",
        "request",
    )

    def __init__(
        self,
        request: Request,
        config: TransportConfig,
        routes: Routes,
        *,
        timeout: float | None = None,
    ) -> None:
        self.request = request
        self.origin = _checked_origin(request, routes)
        _check_headers(request)
        self.proxy = routes.proxy_for(self.origin)
        self.is_sent = False
        self.is_overdue = False
        self.is_over = False
        self._config = config
        self._started_at = time.monotonic()
        self._ends_at = self.gives_up_at = self._started_at + (math.inf if timeout is None else timeout)
        self._bytes_left = request.max_bytes + HEAD_BYTES

    def begin_connecting(self) -> None:
        """Start the connect timeout."""
        self.gives_up_at = min(self._ends_at, time.monotonic() + self._config.connect_timeout)

    def begin_sending(self) -> None:
        """Start the read timeout; from now on the service may have received the request."""
        self.is_sent = True
        self.gives_up_at = min(self._ends_at, time.monotonic() + self._config.read_timeout)

    @property
    def total_remaining(self) -> float:
        """Seconds left for the whole exchange; infinite without a timeout."""
        return self._ends_at - time.monotonic()

    @property
    def left(self) -> float:
        """Seconds left for the present step; below 0 once they are over."""
        return self.gives_up_at - time.monotonic()

    def remaining(self) -> float:
        """
        Return the seconds left for the present step.

        :raises TimeoutError: no time is left.
        """
        left = self.left
        if left <= 0:
            raise TimeoutError
        return left

    def count_bytes(self, size: int) -> None:
        """
        Count received bytes, of head or body.

        :raises ResponseTooLargeError: the response exceeds its limit.
        """
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise self._too_large()

    def check_length(self, headers: Mapping[str, str]) -> None:
        """
        Check the header ``Content-Length`` before the body is read.

        :raises ResponseTooLargeError: the body exceeds its limit.
        """
        length = headers.get("content-length", "").strip()
        if length.isascii() and length.isdigit():
            digits = length.lstrip("0")
            # Python cannot convert a number of thousands of digits.
            if len(digits) > 18 or int(digits or "0") > self.request.max_bytes:
                raise self._too_large()

    def check_size(self, size: int) -> None:
        """
        Check the size of the body received so far.

        :param size: in bytes.
        :raises ResponseTooLargeError: the body exceeds its limit.
        """
        if size > self.request.max_bytes:
            raise self._too_large()

    def response(self, status: int, headers: Mapping[str, str], body: bytes | bytearray) -> Response:
        """
        Return the response, decompressed if a proxy compressed it.

        :raises ResponseTooLargeError: the decompressed body exceeds its limit.
        :raises TransportError: the proxy refused the request, or the body cannot be decompressed.
        """
        if status == 407:
            raise self.proxy_refused(status)
        if headers.get("content-encoding", "").strip().lower() in {"gzip", "x-gzip", "deflate"}:
            try:
                body = self._decompress(bytes(body))
            except zlib.error:
                raise self._failed("connection", "its body cannot be decompressed") from None
        return Response(status, headers, bytes(body))

    def _decompress(self, data: bytes) -> bytearray:
        body = bytearray()
        while data:
            # 47: gzip or zlib, detected; -15: raw deflate, which some servers send.
            try:
                inflater = zlib.decompressobj(47)
                body += inflater.decompress(data, self.request.max_bytes + 1 - len(body))
            except zlib.error:
                inflater = zlib.decompressobj(-15)
                body += inflater.decompress(data, self.request.max_bytes + 1 - len(body))
            self.check_size(len(body))
            if not inflater.eof:
                raise zlib.error("incomplete")
            data = inflater.unused_data.lstrip(b"\0")
        return body

    def failure(self, error: BaseException) -> ModelArtsError:
        """
        Return the provider's error for a library's error.

        Its message is made from the types of the errors: a library's message may quote a header, a URL or
        a proxy, so it is neither repeated nor chained.
        """
        if isinstance(error, ModelArtsError):
            error.__context__ = None
            return error.with_traceback(None)
        causes = _causes(error)
        kind = type(causes[-1]).__name__
        stage = "timeout" if self.is_overdue else _stage(causes, is_sent=self.is_sent)
        if stage == "address":
            return not_sent(f"The request to {self.request.service} cannot be encoded ({kind})")
        if self.proxy and not self.is_sent and stage in {"dns", "refused", "connection"}:
            stage = "proxy"
        if stage == "timeout":
            reason = f"timed out after {time.monotonic() - self._started_at:.1f} s"
        else:
            reason = ": ".join(filter(None, (kind, _reason(causes))))
        return self._failed(stage, reason)

    def queue_timeout(self) -> TransportError:
        """Return the error for a request that timed out before a connection was free."""
        waited = time.monotonic() - self._started_at
        return TransportError(
            f"Nothing was sent: no connection was free for {_name_of(self.request)} within {waited:.1f} s",
            stage="timeout",
            may_have_been_processed=False,
        )

    def proxy_refused(self, status: int) -> TransportError:
        """Return the error for a request that the proxy refused."""
        self.is_sent = False
        advice = "; its user name or password is missing or wrong" if status == 407 else ""
        return self._failed("proxy", f"the proxy refused it with HTTP {status}{advice}")

    def _failed(self, stage: str, reason: str) -> TransportError:
        if self.is_sent:
            consequence = "the service may have processed the request"
        else:
            consequence = "the service did not receive it: check host, port, proxy and certificates"
        error = TransportError(
            f"No response to {_name_of(self.request)}: {reason}; {consequence}",
            stage=stage,
            may_have_been_processed=self.is_sent,
        )
        error.reason = f"no response: {reason}"
        return error

    def _too_large(self) -> ResponseTooLargeError:
        name, limit = _name_of(self.request), self.request.max_bytes
        return ResponseTooLargeError(f"The response to {name} is larger than {limit} bytes: not read")


_PLAIN_URL = re.compile(r"([a-z]+://[A-Za-z0-9.:\[\]-]+)/[!-?A-\[\]-~]*")
"""Most addresses, so that one expression checks the part that differs from request to request."""
_NOT_IN_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _checked_origin(request: Request, routes: Routes) -> str:
    """
    Return scheme, host and port of a request that can be sent as it was signed.

    Without this check a library would refuse a value with an error that quotes it, such as a token.

    :raises InvalidConnectionError: it cannot be sent. The cause is a field of the connection, as all other
        parts of a request are quoted; the message names the part, not the value.
    """
    plain = _PLAIN_URL.fullmatch(request.url)
    if plain and plain[1] in routes:
        return plain[1]
    fault, parts = split_address(request.url)
    if not fault and "@" in request.url:
        fault = "it contains an @"
    if not fault and not f"{parts.path}{parts.query}".isascii():
        fault = "its path is not percent-encoded"
    if fault:
        raise not_sent(f"The address of {request.service} cannot be used: {fault}. Check host and endpoints")
    return f"{parts.scheme}://{parts.netloc}"


def _check_headers(request: Request) -> None:
    """
    Check that headers can be sent as they were signed.

    :raises InvalidConnectionError: one cannot; its cause is a key, token or id of the connection.
    """
    values = f"|{'|'.join(request.headers.values())}|"
    is_plain = values.isascii() and values.isprintable() and "| " not in values and " |" not in values
    if is_plain and _HEADER_NAME.fullmatch("".join(request.headers)) and "" not in request.headers:
        return  # almost always, and without a check of each
    for name, value in request.headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise not_sent(f"A header for {request.service} cannot be sent: its name is invalid")
        if fault := _header_fault(value):
            raise not_sent(
                f"The header {name} for {request.service} cannot be sent: {fault}. Check the connection for "
                "a key, token or id that was pasted with a line break"
            )


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


def _name_of(request: Request) -> str:
    """Return a checked request's method and URL, without the query, for messages."""
    url = urlsplit(request.url)
    return f"{request.method} {url.scheme}://{url.netloc}{url.path}"


current: ContextVar[Exchange] = ContextVar("current")
"""The current exchange; a kept-alive connection serves several, one after the other."""


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error and all that it wraps, innermost last; each library wraps in its own way."""
    causes = [error]
    for each in causes:
        inner: Iterable[object] = (
            *each.args,
            getattr(each, "reason", None),
            getattr(each, "os_error", None),
            getattr(each, "certificate_error", None),
            each.__cause__,
        )
        causes += [one for one in inner if isinstance(one, BaseException) and one not in causes]
    return causes


def _stage(causes: list[BaseException], *, is_sent: bool) -> str:
    """Return the stage of a :class:`TransportError`, or ``address`` if the request cannot be sent."""
    if any(isinstance(error, ssl.SSLError) for error in causes):
        return "tls"
    if any(isinstance(error, (TimeoutError, asyncio.TimeoutError)) for error in causes):
        return "timeout"
    if any(isinstance(error, socket.gaierror) for error in causes):
        return "dns"
    if is_sent:
        return "connection"
    if any(isinstance(error, OSError) and error.errno is not None for error in causes):
        broken = any(isinstance(error, (ConnectionResetError, BrokenPipeError)) for error in causes)
        return "connection" if broken else "refused"
    return "address" if any(isinstance(error, ValueError) for error in causes) else "connection"


def _reason(causes: list[BaseException]) -> str:
    """Return the message of the operating system or OpenSSL, which contains no value of the request."""
    for error in causes:
        if isinstance(error, ssl.SSLError):
            # An SSLError that a library raises itself has neither.
            reason = getattr(error, "verify_message", None) or getattr(error, "reason", None)
            if isinstance(reason, str):
                return f"certificate refused: {reason}" if hasattr(error, "verify_message") else reason
        elif isinstance(error, socket.gaierror):
            return error.strerror or ""
        elif isinstance(error, OSError) and error.errno is not None and error.errno > 0:
            return os.strerror(error.errno)
    return ""
