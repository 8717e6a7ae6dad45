"""A client whose requests reach the simulator without a socket."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.credentials import AccessKeyCredentials
from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.client.session import Project
from airflow_provider_modelarts.exceptions import TransportError
from airflow_provider_modelarts.simulator import Simulator
from airflow_provider_modelarts.simulator.exchange import Ending, HttpRequest
from tests.transports import SimulatorClock

HOST = "127.0.0.1"


class InProcessTransport:
    """
    Hands requests to a simulator that serves no port; sleeping moves its clock on.

    :param before: called with each request before it is handled.
    """

    def __init__(self, simulator: Simulator, before: Callable[[Request], None] = lambda _: None) -> None:
        self._simulator = simulator
        self._before = before

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:  # noqa: ARG002
        """Return the simulator's response; a reset or a torn one is an error, as on a socket."""
        self._before(request)
        target = request.url.removeprefix(f"http://{HOST}")
        headers = {"Host": HOST, **request.headers}
        received = HttpRequest(request.method, target, tuple(headers.items()), request.body)
        reply = self._simulator._handler.handle(received)
        if reply.ending is not Ending.WHOLE:
            raise TransportError(f"{request.method} {target}: no complete response")
        return Response(reply.status, {name.lower(): value for name, value in reply.headers}, reply.body)

    async def sleep(self, seconds: float) -> None:
        """Move the simulator's clock on."""
        self._simulator.advance(seconds)


def in_process_client(
    simulator: Simulator, before: Callable[[Request], None] = lambda _: None
) -> ModelArtsClient:
    """Return a client of a simulator that serves no port."""
    connection = simulator.connection
    return ModelArtsClient(
        endpoint=f"http://{HOST}",
        project=Project(connection["extra"]["project_id"]),
        credentials=AccessKeyCredentials(connection["login"], connection["password"]),
        transport=InProcessTransport(simulator, before),
        clock=SimulatorClock(simulator),
        random=Random(1),
    )
