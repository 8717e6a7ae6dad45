"""A transport to a simulator in the same process, without sockets, for tests with very many requests."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.exceptions import TransportError
from airflow_provider_modelarts.simulator import Simulator
from airflow_provider_modelarts.simulator.exchange import Ending, HttpRequest


class DirectTransport:
    """
    Gives each request to the simulator, whose clock is the only one.

    :param before: called before each request.
    :param after: called after each request that the simulator answered.
    """

    def __init__(
        self,
        simulator: Simulator,
        *,
        before: Callable[[Request], None] = lambda _: None,
        after: Callable[[Request], None] = lambda _: None,
    ) -> None:
        self._simulator = simulator
        self._before = before
        self._after = after

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:  # noqa: ARG002
        """Answer a request."""
        self._before(request)
        parts = urlsplit(request.url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        headers = tuple({"host": parts.netloc, **{k.lower(): v for k, v in request.headers.items()}}.items())
        reply = self._simulator._handler.handle(HttpRequest(request.method, target, headers, request.body))
        self._simulator.advance(reply.delay)
        self._after(request)
        if reply.ending is not Ending.WHOLE:
            raise TransportError("the connection was reset")
        given = {name.lower(): value for name, value in reply.headers}
        return Response(reply.status, {"content-type": reply.content_type, **given}, reply.body)

    async def sleep(self, seconds: float) -> None:
        """Move the simulator's clock on."""
        self._simulator.advance(seconds)
