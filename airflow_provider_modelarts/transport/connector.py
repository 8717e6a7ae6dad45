"""
The connector with which ``aiohttp`` obeys the size and time limits of an :class:`Exchange`.

The library limits the length of a line and the total time, but until then it reads any number of interim
responses, chunk extensions and trailers.

This module imports ``aiohttp``, so import it in a thread.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import ssl
from functools import partial
from typing import TYPE_CHECKING, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler

from airflow_provider_modelarts.exceptions import ResponseTooLargeError
from airflow_provider_modelarts.transport.exchange import Exchange, current

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace


class BoundedConnector(aiohttp.TCPConnector):
    """
    A connector whose connections obey the limits of the current exchange; the transport limits their number.

    :param tls: the TLS context of all connections.
    """

    def __init__(self, *, tls: ssl.SSLContext) -> None:
        super().__init__(limit=0, ssl=tls, keepalive_timeout=75)
        self._factory = cast("partial[ResponseHandler]", partial(_Protocol, loop=asyncio.get_running_loop()))

    async def connect(
        self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """Return a connection for the request of the current exchange, which is sent once."""
        exchange = current.get()
        if exchange.is_sent:
            # aiohttp repeats some requests by itself; only the client may decide which are safe to repeat.
            raise aiohttp.ServerDisconnectedError
        connection = await super().connect(req, traces, timeout)
        exchange.begin_sending()
        if isinstance(connection.protocol, _Protocol):
            connection.protocol.begin(exchange)
        return connection


class _Protocol(ResponseHandler):
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._exchange = current.get()
        # Not that of an exchange, which would be kept until the timer ends. And not one for all connections:
        # only one thread at a time can enter a context, and each event loop has its own thread.
        self._timer_context = contextvars.Context()
        self._read_timer: asyncio.TimerHandle | None = None
        self._expires_at = math.inf

    def begin(self, exchange: Exchange) -> None:
        """
        Start the read timeout of an exchange, which ends with the exchange and not with each read.

        The library's own timeouts would start and cancel several timers for each request. Here the timer of
        the last exchange goes on if it ends early enough, and is set again when it does.
        """
        self._exchange = exchange
        if self._read_timer is None or exchange.gives_up_at < self._expires_at:
            self._set_read_timer()

    def _set_read_timer(self) -> None:
        self._cancel_read_timer()
        self._expires_at = self._exchange.gives_up_at
        delay = max(0.0, self._exchange.left)
        self._read_timer = self._loop.call_later(delay, self._expire, context=self._timer_context)

    def _cancel_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def data_received(self, data: bytes) -> None:
        try:
            self._exchange.count_bytes(len(data))
        except ResponseTooLargeError as error:
            self._abort(error)
        else:
            super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._cancel_read_timer()
        super().connection_lost(exc)

    def _expire(self) -> None:
        self._read_timer = None
        if self._exchange.is_over:
            return
        if self._exchange.left > 0:
            self._set_read_timer()
        else:
            # If the event loop was blocked, the response may have come in time: then it is read first.
            self._loop.call_soon(self._end_overdue, self._exchange)

    def _end_overdue(self, exchange: Exchange) -> None:
        if self._exchange is exchange and not exchange.is_over:
            exchange.is_overdue = True
            self._abort(TimeoutError())

    def _abort(self, error: Exception) -> None:
        self.set_exception(error)
        if self._payload is not None:
            self._payload.set_exception(error)
        if self.transport is not None:
            self.transport.abort()
