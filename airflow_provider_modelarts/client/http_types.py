"""
The values that cross the seam between the conversation and the world.

A :class:`Operation` says what is wanted of the API, a :class:`Request` is the bytes that ask for it, a
:class:`Response` the bytes that came back, and a :class:`Transport` is all that the conversation
needs of the world: send this, wait this long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")


MAX_BYTES = 256 * 1024
"""Bytes of the largest body that is read, unless its operation says otherwise."""


class Clock(Protocol):
    """The two clocks of a process. The standard library's module ``time`` is one."""

    def time(self) -> float:
        """Return seconds since the epoch, for deadlines, signatures and what the service dates."""

    def monotonic(self) -> float:
        """Return seconds that nobody can set, for durations."""


@dataclass(frozen=True, slots=True)
class Request:
    """
    One HTTP request, byte for byte: the URL is not re-quoted by anyone after this point.

    :param service: whose gateway it is for, which some signatures name.
    :param max_bytes: of the largest response that is read.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    service: str = "modelarts"
    max_bytes: int = field(default=MAX_BYTES, repr=False)

    def with_headers(self, headers: Mapping[str, str]) -> Request:
        """Return the same request with more headers."""
        return replace(self, headers={**self.headers, **headers})


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP reply. Header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """
    An API operation as a value.

    :param name: the API's name of it, for messages.
    :param path: below ``/v1/{project_id}``; every part that varies is quoted.
    :param parse: from the reply's decoded JSON to what the operation returns.
    :param subject: what is asked about, for messages, such as ``image 4e0d…``.
    :param max_bytes: of the largest response that is read.
    :param page_sizes: of a list, the values of ``limit`` that may be sent, largest first: one that
        brings a response larger than ``max_bytes`` is asked for again with the next.
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

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing, so that it may be made again and again."""
        return self.method == "GET"

    def with_query(self, **query: str) -> Operation[T]:
        """Return the same call with these query values set."""
        return replace(self, query={**self.query, **query})


class Transport(Protocol):
    """The two verbs in which a worker and a triggerer differ."""

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """
        Exchange a request for its reply; redirects are replies, not followed.

        :param timeout: seconds for the whole exchange, the wait for a free connection included, where
            that is less than the connection's own time-outs allow.
        :raises TransportError: no complete reply came back.
        :raises ResponseTooLargeError: the reply is larger than the request allows; it was not read.
        """

    async def sleep(self, seconds: float) -> None:
        """Wait this long."""
