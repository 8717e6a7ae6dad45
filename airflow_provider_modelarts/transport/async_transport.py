"""
The transport for a triggerer, which does not block its event loop.

This module imports ``aiohttp``, which takes long, so import it in a thread.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property

import aiohttp
from yarl import URL

from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.transport.config import Routes, TransportConfig
from airflow_provider_modelarts.transport.connector import BoundedConnector
from airflow_provider_modelarts.transport.exchange import HEAD_BYTES, UNSIGNED_HEADERS, Exchange, current

MAX_CONNECTIONS = 8
"""Open connections of one transport to one host."""


class AsyncTransport:
    """
    Sends requests with ``aiohttp``, on up to :data:`MAX_CONNECTIONS` kept-alive connections to each host.

    :param session: of the running event loop; :meth:`open` makes it.
    """

    def __init__(self, session: aiohttp.ClientSession, config: TransportConfig) -> None:
        self._session = session
        self._config = config
        self._routes = Routes(config)
        # The connect timeout must not include the wait for a free connection. Each host has slots of its own,
        # so that one that hangs (a region, IAM) does not block requests to another.
        self._slots: defaultdict[str, _ConnectionSlots] = defaultdict(
            lambda: _ConnectionSlots(MAX_CONNECTIONS)
        )

    @classmethod
    @asynccontextmanager
    async def open(cls, config: TransportConfig) -> AsyncIterator[AsyncTransport]:
        """Open a transport on the running loop; the certificates are loaded in a thread."""
        async with aiohttp.ClientSession(
            connector=BoundedConnector(tls=await asyncio.to_thread(config.tls)),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=UNSIGNED_HEADERS,
            trust_env=False,
            auto_decompress=False,
            # A token is a header of some kilobytes; http.client has the same limit.
            max_line_size=HEAD_BYTES,
            max_field_size=HEAD_BYTES,
        ) as session:
            yield cls(session, config)

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """
        Send a request and return its response.

        :param timeout: seconds for the whole exchange, including the wait for a free connection. The timeouts
            of the config apply too.
        :raises InvalidConnectionError: the request can never be sent.
        :raises TransportError: no complete response was received.
        :raises ResponseTooLargeError: the response is larger than the request's ``max_bytes``; not read.
        """
        exchange = Exchange(request, self._config, self._routes, timeout=timeout)
        slots = self._slots[exchange.origin]
        if not await slots.acquire(timeout):
            raise exchange.queue_timeout()
        exchange.begin_connecting()
        token = current.set(exchange)
        try:
            return await self._exchange(exchange)
        except aiohttp.ClientHttpProxyError as error:
            failure: ModelArtsError = exchange.proxy_refused(error.status)
        except (ModelArtsError, aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            failure = exchange.failure(error)
        finally:
            current.reset(token)
            slots.release()
            exchange.is_over = True
        # Outside of except, where Python would chain it to the library's error, which may quote secrets.
        raise failure

    async def _exchange(self, exchange: Exchange) -> Response:
        request, proxy = exchange.request, exchange.proxy
        is_tunnelled = proxy is not None and request.url.startswith("https:")
        left = exchange.total_remaining
        async with self._session.request(
            request.method,
            URL(request.url, encoded=True),  # as it was signed
            headers={**request.headers, **proxy.headers} if proxy and not is_tunnelled else request.headers,
            data=request.body or None,
            proxy=proxy.url if proxy else None,
            proxy_headers=proxy.headers if proxy and is_tunnelled else None,
            allow_redirects=False,
            timeout=self._timeouts if left >= self._config.connect_timeout else self._connect_within(left),
        ) as response:
            response_headers = {name.lower(): value for name, value in response.headers.items()}
            exchange.check_length(response_headers)
            chunks, size = [], 0
            while chunk := await response.content.readany():
                chunks.append(chunk)
                size += len(chunk)
                exchange.check_size(size)
        return exchange.response(response.status, response_headers, b"".join(chunks))

    @cached_property
    def _timeouts(self) -> aiohttp.ClientTimeout:
        return self._connect_within(self._config.connect_timeout)

    def _connect_within(self, seconds: float) -> aiohttp.ClientTimeout:
        """Return the timeout of a new connection, which then ends an exchange that takes too long."""
        return aiohttp.ClientTimeout(connect=max(0.001, seconds))  # aiohttp treats 0 as no timeout

    async def sleep(self, seconds: float) -> None:
        """Wait for some seconds without blocking the loop."""
        await asyncio.sleep(seconds)


class _ConnectionSlots:
    """
    A semaphore for connections with a timeout, first come, first served.

    Not :class:`asyncio.Semaphore` in ``asyncio.wait_for``: in Python 3.10 that loses a slot which becomes
    free at the moment of the timeout.

    :param count: slots.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._queue: deque[asyncio.Future[bool]] = deque()

    async def acquire(self, timeout: float | None) -> bool:
        """
        Return whether a slot was acquired in time; if so, call :meth:`release` later.

        :param timeout: seconds; None for no limit.
        """
        if timeout is not None and timeout <= 0:
            return False
        if self._free:
            self._free -= 1
            return True
        loop = asyncio.get_running_loop()
        acquired: asyncio.Future[bool] = loop.create_future()
        self._queue.append(acquired)
        timer = None if timeout is None else loop.call_later(timeout, _resolve, acquired, False)
        try:
            return await acquired
        except asyncio.CancelledError:
            if not acquired.cancelled() and acquired.result():
                self.release()
            raise
        finally:
            if timer:
                timer.cancel()

    def release(self) -> None:
        """Give the slot to the first request that still waits, or make it free."""
        while self._queue:
            if _resolve(self._queue.popleft(), True):
                return
        self._free += 1


def _resolve(future: asyncio.Future[bool], result: bool) -> bool:
    """Set the result of a future unless it is done; return whether it was set."""
    if future.done():
        return False
    future.set_result(result)
    return True
