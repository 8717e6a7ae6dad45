"""The two ways to run a scenario that is written once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from airflow_provider_modelarts.client.http_types import Request, Response, Transport
from airflow_provider_modelarts.transport import AsyncTransport, BlockingTransport, TransportConfig, block_on

T = TypeVar("T")
Scenario = Callable[[Transport], Coroutine[Any, Any, T]]
Run = Callable[..., Any]


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
