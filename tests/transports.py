"""Runs a scenario through either transport, with real sockets and the simulator's clock."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from airflow.providers.common.compat.sdk import Connection

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.credentials import Credentials
from airflow_provider_modelarts.client.http_types import Transport
from airflow_provider_modelarts.hooks.clients import create_client
from airflow_provider_modelarts.hooks.connection import Settings, parse_connection
from airflow_provider_modelarts.simulator import Simulator
from airflow_provider_modelarts.transport import BlockingTransport, block_on
from airflow_provider_modelarts.transport.async_transport import AsyncTransport
from tests import virtual_loop

T = TypeVar("T")
Scenario = Callable[[ModelArtsClient], Coroutine[Any, Any, T]]


class SimulatorClock:
    """
    The simulator's time.

    :param clock_skew: seconds by which it is ahead.
    """

    def __init__(self, simulator: Simulator, clock_skew: float = 0) -> None:
        self._simulator = simulator
        self._clock_skew = clock_skew

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._simulator.now() + self._clock_skew

    monotonic = time


class TransportRunner(Protocol):
    """Runs scenarios through one transport."""

    def run(
        self,
        simulator: Simulator,
        scenario: Scenario[T],
        *,
        credentials: Credentials | None = None,
        clock_skew: float = 0,
        **fields: Any,
    ) -> T:
        """
        Run a scenario and return what it returns.

        :param credentials: in place of the connection's.
        :param clock_skew: seconds by which the client's clock is ahead.
        :param fields: of the connection, in place of the simulator's own; see :func:`settings`.
        """


def settings(simulator: Simulator, *, extra: dict[str, Any] | None = None, **fields: Any) -> Settings:
    """Return the settings of the simulator's connection, with some fields and extras replaced."""
    given = {**simulator.connection, "conn_id": "simulator", **fields}
    given["extra"] = json.dumps({**simulator.connection["extra"], "read_timeout": 5, **(extra or {})})
    return parse_connection(Connection(**given))


class BlockingRunner:
    """Runs scenarios as a worker does."""

    def run(
        self,
        simulator: Simulator,
        scenario: Scenario[T],
        *,
        credentials: Credentials | None = None,
        clock_skew: float = 0,
        **fields: Any,
    ) -> T:
        """Run it with ``block_on``."""
        found = settings(simulator, **fields)
        transport = _SimulatedBlockingTransport(found.transport_config)
        transport.simulator = simulator
        try:
            return block_on(scenario(_modelarts(simulator, found, transport, credentials, clock_skew)))
        finally:
            transport.close()


class AsyncRunner:
    """Runs scenarios as a triggerer does."""

    def run(
        self,
        simulator: Simulator,
        scenario: Scenario[T],
        *,
        credentials: Credentials | None = None,
        clock_skew: float = 0,
        **fields: Any,
    ) -> T:
        """Run it on an event loop."""
        found = settings(simulator, **fields)
        return asyncio.run(
            _hold(_SimulatedAsyncTransport, simulator, scenario, found, credentials, clock_skew)
        )


class VirtualRunner:
    """Runs scenarios as a triggerer does, on an event loop that skips its idle time."""

    def run(
        self,
        simulator: Simulator,
        scenario: Scenario[T],
        *,
        credentials: Credentials | None = None,
        clock_skew: float = 0,
        **fields: Any,
    ) -> T:
        """Run it. The simulator's clock follows the loop's, and is moved on to stay there."""
        found = settings(simulator, **fields)
        held = _hold(AsyncTransport, simulator, scenario, found, credentials, clock_skew)
        skipped: list[float] = []
        try:
            return virtual_loop.run(held, on_skip=skipped.append, ahead=simulator.now() - time.time())
        finally:
            simulator.advance(sum(skipped))


async def _hold(
    kind: type[AsyncTransport],
    simulator: Simulator,
    scenario: Scenario[T],
    found: Settings,
    credentials: Credentials | None,
    clock_skew: float,
) -> T:
    """Run a scenario with a transport that is open as long."""
    async with kind.open(found.transport_config) as transport:
        if isinstance(transport, _SimulatedAsyncTransport):
            transport.simulator = simulator
        return await scenario(_modelarts(simulator, found, transport, credentials, clock_skew))


class _SimulatedBlockingTransport(BlockingTransport):
    simulator: Simulator

    async def sleep(self, seconds: float) -> None:
        self.simulator.advance(seconds)


class _SimulatedAsyncTransport(AsyncTransport):
    simulator: Simulator

    async def sleep(self, seconds: float) -> None:
        self.simulator.advance(seconds)
        await asyncio.sleep(0)


def _modelarts(
    simulator: Simulator,
    found: Settings,
    transport: Transport,
    credentials: Credentials | None,
    clock_skew: float,
) -> ModelArtsClient:
    return create_client(
        found, transport, credentials=credentials, clock=SimulatorClock(simulator, clock_skew)
    )
