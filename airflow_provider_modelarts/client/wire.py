"""
The values that cross the seam between the conversation and the world.

A :class:`Call` says what is wanted of the API, a :class:`Request` is the bytes that ask for it, a
:class:`Response` the bytes that came back, and a :class:`Transport` is all that the conversation
needs of the world: send this, wait this long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """
    One HTTP request, byte for byte: the URL is not re-quoted by anyone after this point.

    :param service: whose gateway it is for, which some signatures name.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    service: str = "modelarts"

    def with_headers(self, headers: Mapping[str, str]) -> Request:
        """Return the same request with more headers."""
        return replace(self, headers={**self.headers, **headers})


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP reply. Header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """
    An API operation as a value.

    :param operation: the API's name of it, for messages.
    :param path: below ``/v1/{project_id}``; every part that varies is quoted.
    :param parse: from the reply's decoded JSON to what the operation returns.
    """

    operation: str
    method: str
    path: str
    parse: Callable[[Any], T]
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing, so that it may be made again and again."""
        return self.method == "GET"

    def with_query(self, **query: str) -> Call[T]:
        """Return the same call with these query values set."""
        return replace(self, query={**self.query, **query})


class Transport(Protocol):
    """The two verbs in which a worker and a triggerer differ."""

    async def send(self, request: Request) -> Response:
        """
        Exchange a request for its reply; redirects are replies, not followed.

        :raises TransportFailed: no complete reply came back.
        """

    async def sleep(self, seconds: float) -> None:
        """Wait this long."""
