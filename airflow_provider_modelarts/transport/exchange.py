"""The time and size limits of one request, and the errors if it exceeds them or fails."""

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

    :param environment: the environment's proxies.
    :param timeout: seconds for the whole exchange. The timeouts of the config apply too.
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
        self._started_at = time.monotonic()
        self._ends_at = self._gives_up_at = self._started_at + (math.inf if timeout is None else timeout)
        self._bytes_left = request.max_bytes + HEAD_BYTES

    def begin_connecting(self) -> None:
        """Start the connect timeout."""
        self._gives_up_at = min(self._ends_at, time.monotonic() + self._config.connect_timeout)

    def begin_sending(self) -> None:
        """Start the read timeout; from now on the service may have received the request."""
        self.is_sent = True
        self._gives_up_at = min(self._ends_at, time.monotonic() + self._config.read_timeout)

    @property
    def total_remaining(self) -> float:
        """Seconds left for the whole exchange; infinite without a timeout."""
        return self._ends_at - time.monotonic()

    def remaining(self) -> float:
        """
        Return the seconds left for the present step.

        :raises TimeoutError: no time is left.
        """
        left = self._gives_up_at - time.monotonic()
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

    def check_size(self, body: bytes | bytearray) -> None:
        """
        Check the size of the body received so far.

        :raises ResponseTooLargeError: the body exceeds its limit.
        """
        if len(body) > self.request.max_bytes:
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
            self.check_size(body)
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
        stage = _stage(causes, is_sent=self.is_sent)
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
            f"Nothing was sent: no connection was free for {name_of(self.request)} within {waited:.1f} s",
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
        return TransportError(
            f"No response to {name_of(self.request)}: {reason}; {consequence}",
            stage=stage,
            may_have_been_processed=self.is_sent,
        )

    def _too_large(self) -> ResponseTooLargeError:
        return ResponseTooLargeError(
            f"The response to {name_of(self.request)} is larger than {self.request.max_bytes} bytes: not read"
        )


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
