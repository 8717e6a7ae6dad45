"""
What makes ``aiohttp`` keep to an :class:`Exchange`'s size, and to its time byte by byte.

It bounds a line and the whole in time, but reads as many interim replies, chunk extensions and trailers
as a server sends until then.

Loads ``aiohttp``: to be imported in a thread.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from typing import TYPE_CHECKING, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler

from airflow_provider_modelarts.exceptions import ResponseTooLargeError
from airflow_provider_modelarts.transport.exchange import current

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace


class BoundedConnector(aiohttp.TCPConnector):
    """
    The connector whose connections keep to the exchange that they work for.

    How many there are is for the transport to say.
    """

    def __init__(self, *, tls: ssl.SSLContext) -> None:
        super().__init__(limit=0, ssl=tls, keepalive_timeout=75)
        self._factory = cast("partial[ResponseHandler]", partial(_Protocol, loop=asyncio.get_running_loop()))

    async def connect(
        self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """Return a connection, on which the request is about to be sent; it is sent once."""
        exchange = current.get()
        if exchange.is_sent:
            # aiohttp sends by itself again what it takes for harmless: what is safe is not its to know.
            raise aiohttp.ServerDisconnectedError
        connection = await super().connect(req, traces, timeout)
        exchange.begin_sending()
        if isinstance(connection.protocol, _Protocol):
            connection.protocol.exchange = exchange
        return connection


class _Protocol(ResponseHandler):
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.exchange = current.get()

    def data_received(self, data: bytes) -> None:
        try:
            self.exchange.count_bytes(len(data))
            self.read_timeout = self.exchange.remaining()
        except (ResponseTooLargeError, TimeoutError) as error:
            self.set_exception(error)
            if self._payload is not None:
                self._payload.set_exception(error)
            if self.transport is not None:
                self.transport.abort()
        else:
            super().data_received(data)
