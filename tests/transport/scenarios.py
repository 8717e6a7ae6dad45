"""Runs a scenario through either transport, and the scenarios of several test modules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime, timezone
from typing import Any, TypeVar

from airflow_provider_modelarts.client.http_types import Request, Response, Transport
from airflow_provider_modelarts.client.signing import sign
from airflow_provider_modelarts.simulator import Simulator
from airflow_provider_modelarts.transport import BlockingTransport, TransportConfig, block_on
from airflow_provider_modelarts.transport.async_transport import AsyncTransport

T = TypeVar("T")
Scenario = Callable[[Transport], Coroutine[Any, Any, T]]
Run = Callable[..., Any]

NOW = datetime(2025, 1, 1, tzinfo=timezone.utc).timestamp()
SHORT = TransportConfig(connect_timeout=60.0, read_timeout=0.2)
TARGET = "/v1/p%20r%C3%A9%2Fj~x/images//a+b?b=2&a=1&a=%7E~&q=%2B%20+&empty=&flag"


def blocking(scenario: Scenario[T], config: TransportConfig | None = None) -> T:
    """Run a scenario as a worker does."""
    transport = BlockingTransport(config)
    try:
        return block_on(scenario(transport))
    finally:
        transport.close()


def awaiting(scenario: Scenario[T], config: TransportConfig | None = None) -> T:
    """Run a scenario as the triggerer does."""

    async def main() -> T:
        async with AsyncTransport.open(config or TransportConfig()) as transport:
            return await scenario(transport)

    return asyncio.run(main())


def send(request: Request, timeout: float | None = None) -> Scenario[Response]:
    """Return the scenario that sends one request."""
    return lambda transport: transport.send(request, timeout=timeout)


def get(url: str) -> Callable[[Transport], Coroutine[Any, Any, Response]]:
    """Return the scenario that sends one GET."""
    return lambda transport: transport.send(Request("GET", url))


def post(url: str, body: bytes = b"{}") -> Callable[[Transport], Coroutine[Any, Any, Response]]:
    """Return the scenario that sends one POST, which no library may repeat."""
    return lambda transport: transport.send(Request("POST", url, {"Content-Type": "application/json"}, body))


def signed(simulator: Simulator, method: str, path: str, body: bytes = b"") -> Request:
    """Return a request with a signature that the simulator accepts."""
    connection = simulator.connection
    url = f"{connection['host']}/v1/{connection['extra']['project_id']}{path}"
    request = Request(method, url, {"Content-Type": "application/json"}, body)
    return sign(
        request,
        access_key=connection["login"],
        secret_key=connection["password"],
        now=simulator.now(),
    )


def header_lines(head: bytes) -> dict[str, str]:
    """Return the header lines of a recorded request by lower-case name."""
    pairs = (line.split(": ", 1) for line in head.decode().split("\r\n\r\n")[0].split("\r\n")[1:])
    return {name.lower(): value for name, value in pairs}
