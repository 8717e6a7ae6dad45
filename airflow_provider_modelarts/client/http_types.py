"""
The types between the client and a transport.

An :class:`Operation` describes an API operation, a :class:`Request` holds the bytes to send, a
:class:`Response` the bytes received, and a :class:`Transport` sends and sleeps for the client.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, Protocol, TypeVar

T = TypeVar("T")
Service = Literal["modelarts", "swr"]
"""The services that operations go to: ModelArts, and SWR, the registry of its images."""


MAX_BYTES = 256 * 1024
"""Bytes of the largest body that is read, unless the operation sets another limit."""


class Clock(Protocol):
    """The two clocks of a process; the standard library's module ``time`` is one."""

    def time(self) -> float:
        """Return seconds since the epoch, for deadlines, signatures and dates of the service."""

    def monotonic(self) -> float:
        """Return seconds of a clock that cannot be set, for durations."""


@dataclass(frozen=True, slots=True)
class Request:
    """
    One HTTP request, sent byte for byte: its URL is already quoted and must not be quoted again.

    :param service: name of the cloud service, which derived signatures contain.
    :param max_bytes: bytes of the largest response body that is read.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    service: str = "modelarts"
    max_bytes: int = field(default=MAX_BYTES, repr=False)

    def with_headers(self, headers: Mapping[str, str]) -> Request:
        """Return the same request with more headers."""
        merged = {**self.headers, **headers}
        return Request(self.method, self.url, merged, self.body, self.service, self.max_bytes)


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response, with header names in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Items:
    """
    The records of a response that is an array, as :attr:`Operation.parse` receives them.

    :param content_range: the header ``Content-Range``, with the number of all records; None without one.
    """

    records: list[Any] = field(repr=False)
    content_range: str | None = None


@dataclass(slots=True)
class LastCall:
    """
    The last request and response of an operation that is repeated, so that neither is made or parsed again.

    :param request: before it was authenticated; None before the first.
    :param body: of the last successful response.
    :param result: of that response.
    """

    request: Request | None = field(default=None, repr=False)
    body: bytes | None = field(default=None, repr=False)
    result: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """
    An API operation as a value: what to send and how to parse the response.

    :param name: the API's name of the operation, for messages.
    :param path: below ``/v1/{project_id}`` of ModelArts or ``/v2/manage`` of SWR, with every variable part
        quoted.
    :param parse: makes the result from the response's decoded JSON; see :func:`parse_response` for what is
        added from the headers.
    :param subject: the resource, for messages, such as ``image 4e0d…``.
    :param max_bytes: bytes of the largest response body that is read.
    :param page_sizes: of a list, the values of ``limit`` that may be sent, largest first. If a page exceeds
        ``max_bytes``, it is requested again with the next smaller one.
    :param service: that the operation is sent to.
    :param last: of an operation that polls a resource, whose response is mostly the same as before: then it
        is not parsed again. The result must not depend on the response's headers, and one client sends all
        of these calls.
    """

    name: str
    method: str
    path: str
    parse: Callable[[Any], T]
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    max_bytes: int = MAX_BYTES
    page_sizes: tuple[int, ...] = ()
    subject: str = ""
    service: Service = "modelarts"
    last: LastCall | None = None

    @property
    def is_read(self) -> bool:
        """Whether the operation changes nothing, so that it may be repeated."""
        return self.method == "GET"

    @property
    def limit(self) -> int:
        """The number of records of a page that a list requests; 0 if it requests none."""
        return int(self.query.get("limit", 0))

    def with_query(self, **query: str) -> Operation[T]:
        """Return the same operation with these query values set."""
        return replace(self, query={**self.query, **query}, last=None)


class Transport(Protocol):
    """The I/O of the client: a worker's transport blocks, a triggerer's awaits."""

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """
        Send a request and return its response; a redirect is returned, not followed.

        :param timeout: seconds for the whole exchange, including the wait for a free connection. The
            connection's own timeouts apply too.
        :raises TransportError: no complete response was received.
        :raises ResponseTooLargeError: the response is larger than the request's ``max_bytes``; not read.
        """

    async def sleep(self, seconds: float) -> None:
        """Wait for some seconds."""
