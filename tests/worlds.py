"""The two worlds in which every scenario runs, with real sockets and a time that only the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, Protocol, TypeVar

from airflow_provider_modelarts.client.auth import AccessKey
from airflow_provider_modelarts.client.modelarts import ModelArts, Project
from airflow_provider_modelarts.client.wire import Transport
from airflow_provider_modelarts.simulator import Simulator
from airflow_provider_modelarts.transport import AsyncTransport, BlockingTransport, Route, block_on

T = TypeVar("T")
Talk = Callable[[ModelArts], Coroutine[Any, Any, T]]


class World(Protocol):
    """One way to hold a conversation."""

    def talk(
        self, simulator: Simulator, conversation: Talk[T], *, secret_key: str = ..., skew: float = ...
    ) -> T:
        """Hold it and return what it returns."""


class BlockingWorld:
    """A worker's."""

    def talk(
        self, simulator: Simulator, conversation: Talk[T], *, secret_key: str = "", skew: float = 0
    ) -> T:
        transport = _PatientBlockingTransport(Route(read_timeout=5))
        transport.simulator = simulator
        try:
            return block_on(conversation(_modelarts(simulator, transport, secret_key, skew)))
        finally:
            transport.close()


class AsyncWorld:
    """A triggerer's."""

    def talk(
        self, simulator: Simulator, conversation: Talk[T], *, secret_key: str = "", skew: float = 0
    ) -> T:
        async def hold() -> T:
            async with _PatientAsyncTransport.open(Route(read_timeout=5)) as transport:
                assert isinstance(transport, _PatientAsyncTransport)
                transport.simulator = simulator
                return await conversation(_modelarts(simulator, transport, secret_key, skew))

        return asyncio.run(hold())


class _PatientBlockingTransport(BlockingTransport):
    simulator: Simulator

    async def sleep(self, seconds: float) -> None:
        self.simulator.advance(seconds)


class _PatientAsyncTransport(AsyncTransport):
    simulator: Simulator

    async def sleep(self, seconds: float) -> None:
        self.simulator.advance(seconds)
        await asyncio.sleep(0)


def _modelarts(simulator: Simulator, transport: Transport, secret_key: str, skew: float) -> ModelArts:
    connection = simulator.connection
    return ModelArts(
        endpoint=simulator.endpoint,
        project=Project(connection["extra"]["project_id"]),
        credentials=AccessKey(connection["login"], secret_key or connection["password"]),
        transport=transport,
        clock=lambda: simulator.now() + skew,
        random=Random(20261121),
    )
