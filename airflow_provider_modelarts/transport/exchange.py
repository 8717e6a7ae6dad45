"""What one request may take in time and bytes, and what is said when it fails."""

from __future__ import annotations

import asyncio
import math
import os
import socket
import ssl
import time
import zlib
from collections.abc import Iterable, Mapping
from contextvars import ContextVar

from airflow_provider_modelarts import __version__
from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.exceptions import ModelArtsError, ResponseTooLargeError, TransportError
from airflow_provider_modelarts.transport.config import TransportConfig
from airflow_provider_modelarts.transport.validation import name_of, not_sent, validate

HEAD_BYTES = 64 * 1024
"""Bytes that a reply may have besides its body: status, headers, interim replies, chunk sizes, trailers."""


# Added after signing, because proxies on the way may change them. No compression: what is counted is then
# what came over the wire.
UNSIGNED_HEADERS = {
    "User-Agent": f"airflow-provider-modelarts/{__version__}",
    "Accept-Encoding": "identity",
    "Connection": "keep-alive",
}


class Exchange:
    """
    One request on its way, from the wait for a free connection to the last byte of its reply.

    :param environment: its proxies.
    :param timeout: seconds for all of it, where that is less than the route allows.
    :raises InvalidConnectionError: the request can never be sent.
    """

    def __init__(
        self,
        request: Request,
        config: TransportConfig,
        environment: Mapping[str, str],
        *,
        timeout: float | None = None,
    ) -> None:
        validate(request)
        self.request = request
        self.proxy = config.parsed_proxy_for(request.url, environment)
        self.is_sent = False
        self._config = config
        self._began_at = time.monotonic()
        self._ends_at = self._gives_up_at = self._began_at + (math.inf if timeout is None else timeout)
        self._bytes_left = request.max_bytes + HEAD_BYTES

    def begin_connecting(self) -> None:
        """From here on the connect time-out counts."""
        self._gives_up_at = min(self._ends_at, time.monotonic() + self._config.connect_timeout)

    def begin_sending(self) -> None:
        """From here on the read time-out counts, and the service may have seen the request."""
        self.is_sent = True
        self._gives_up_at = min(self._ends_at, time.monotonic() + self._config.read_timeout)

    @property
    def total_remaining(self) -> float:
        """Seconds that are left of all that the exchange was given; there may be no bound to them."""
        return self._ends_at - time.monotonic()

    def remaining(self) -> float:
        """
        Return the seconds that are left of the present step.

        :raises TimeoutError: none are.
        """
        left = self._gives_up_at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def count_bytes(self, size: int) -> None:
        """
        Count bytes that came in, whatever they are.

        :raises ResponseTooLargeError: there are more than this request can need.
        """
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise self._too_large()

    def check_length(self, headers: Mapping[str, str]) -> None:
        """
        Refuse a body by its length before any of it is read.

        :raises ResponseTooLargeError: it is too large.
        """
        length = headers.get("content-length", "").strip()
        if length.isascii() and length.isdigit():
            digits = length.lstrip("0")
            # Python reads no number of thousands of digits.
            if len(digits) > 18 or int(digits or "0") > self.request.max_bytes:
                raise self._too_large()

    def check_size(self, body: bytes | bytearray) -> None:
        """
        Refuse a body for what has come of it.

        :raises ResponseTooLargeError: it is too large.
        """
        if len(body) > self.request.max_bytes:
            raise self._too_large()

    def response(self, status: int, headers: Mapping[str, str], body: bytes | bytearray) -> Response:
        """
        Return the reply, decompressed should a proxy on the way have thought it clever to compress it.

        :raises ResponseTooLargeError: it is too large when it is unfolded.
        :raises TransportError: it is a proxy's that does not let us through, or it cannot be decompressed.
        """
        if status == 407:
            raise self.proxy_refused(status)
        if headers.get("content-encoding", "").strip().lower() in {"gzip", "x-gzip", "deflate"}:
            try:
                body = self._decompressed(bytes(body))
            except zlib.error:
                raise self._failed("connection", "its body cannot be decompressed") from None
        return Response(status, headers, bytes(body))

    def _decompressed(self, data: bytes) -> bytearray:
        body = bytearray()
        while data:
            # 47: gzip or zlib, whichever it is; -15: deflate without either, as some servers send it.
            try:
                inflater = zlib.decompressobj(47)
                body += inflater.decompress(data, self.request.max_bytes + 1 - len(body))
            except zlib.error:
                inflater = zlib.decompressobj(-15)
                body += inflater.decompress(data, self.request.max_bytes + 1 - len(body))
            self.check_size(body)
            if not inflater.eof:
                raise zlib.error("torn")
            data = inflater.unused_data.lstrip(b"\0")
        return body

    def failure(self, error: BaseException) -> ModelArtsError:
        """
        Return the one error for all the ways in which no reply came.

        It says nothing in a library's words, which may quote a header, an address or a proxy, and does
        not chain to the error that had them: what it was is read from the types.
        """
        if isinstance(error, ModelArtsError):
            error.__context__ = None
            return error.with_traceback(None)
        causes = _causes(error)
        kind = type(causes[-1]).__name__
        stage = _stage(causes, is_sent=self.is_sent)
        if stage == "address":
            return not_sent(f"The request to {self.request.service} cannot be written ({kind})")
        if self.proxy and not self.is_sent and stage in {"dns", "refused", "connection"}:
            stage = "proxy"
        if stage == "timeout":
            words = f"timed out after {time.monotonic() - self._began_at:.1f} s"
        else:
            words = ": ".join(filter(None, (kind, _words(causes))))
        return self._failed(stage, words)

    def queue_timeout(self) -> TransportError:
        """Return the error for a request whose time ran out before it had a connection."""
        waited = time.monotonic() - self._began_at
        return TransportError(
            f"Nothing was sent: {name_of(self.request)} had no free connection within {waited:.1f} s",
            stage="timeout",
            may_have_been_processed=False,
        )

    def proxy_refused(self, status: int) -> TransportError:
        """Return the error for what a proxy refused by itself."""
        self.is_sent = False
        advice = "; its user name or password is missing or wrong" if status == 407 else ""
        return self._failed("proxy", f"the proxy refuses with HTTP {status}{advice}")

    def _failed(self, stage: str, words: str) -> TransportError:
        if self.is_sent:
            consequence = "whether the service acted on it is not known"
        else:
            consequence = "the service never saw it; check host, port, proxy and certificates"
        return TransportError(
            f"No reply to {name_of(self.request)}: {words}; {consequence}",
            stage=stage,
            may_have_been_processed=self.is_sent,
        )

    def _too_large(self) -> ResponseTooLargeError:
        return ResponseTooLargeError(
            f"The reply to {name_of(self.request)} is larger than {self.request.max_bytes} bytes: not read"
        )


current: ContextVar[Exchange] = ContextVar("current")
"""The exchange that a socket works for, which it outlives when it is kept alive."""


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error and all that it wraps, innermost last: each library has its own way to wrap."""
    found = [error]
    for each in found:
        inner: Iterable[object] = (
            *each.args,
            getattr(each, "reason", None),
            getattr(each, "os_error", None),
            getattr(each, "certificate_error", None),
            each.__cause__,
        )
        found += [one for one in inner if isinstance(one, BaseException) and one not in found]
    return found


def _stage(causes: list[BaseException], *, is_sent: bool) -> str:
    """Return what failed, as :class:`TransportError` names it, or ``address`` for what cannot be sent."""
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


def _words(causes: list[BaseException]) -> str:
    """Return what the operating system or OpenSSL call it: words that quote nothing of ours."""
    for error in causes:
        if isinstance(error, ssl.SSLError):
            # Those that a library makes itself have neither.
            words = getattr(error, "verify_message", None) or getattr(error, "reason", None)
            if isinstance(words, str):
                return f"certificate refused: {words}" if hasattr(error, "verify_message") else words
        elif isinstance(error, socket.gaierror):
            return error.strerror or ""
        elif isinstance(error, OSError) and error.errno is not None and error.errno > 0:
            return os.strerror(error.errno)
    return ""
