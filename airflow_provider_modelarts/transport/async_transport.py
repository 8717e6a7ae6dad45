"""Transport for a triggerer, whose event loop it must not block."""

from __future__ import annotations

import asyncio
import importlib
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.transport.config import TransportConfig
from airflow_provider_modelarts.transport.exchange import HEAD_BYTES, UNSIGNED_HEADERS, Exchange, current

if TYPE_CHECKING:
    import ssl

    import aiohttp

MAX_CONNECTIONS = 8
"""Open connections of one triggerer to one service."""


class AsyncTransport:
    """``aiohttp`` on a handful of kept-alive connections to each service."""

    def __init__(self, session: aiohttp.ClientSession, config: TransportConfig) -> None:
        self._session = session
        self._config = config
        self._environment = getproxies_environment()
        # Waiting for a free connection must not count against the time-outs of the route. And a service that
        # hangs must not hold those to another one: two regions, or ModelArts and IAM, are the same route.
        self._slots: defaultdict[str, _ConnectionSlots] = defaultdict(
            lambda: _ConnectionSlots(MAX_CONNECTIONS)
        )

    @classmethod
    @asynccontextmanager
    async def open(cls, config: TransportConfig) -> AsyncIterator[AsyncTransport]:
        """Open a session on the running loop; what is slow about it happens in a thread."""
        context = await asyncio.to_thread(_load, config)
        import aiohttp

        from airflow_provider_modelarts.transport.connector import BoundedConnector

        async with aiohttp.ClientSession(
            connector=BoundedConnector(tls=context),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            # A token is one line of some kilobytes; http.client allows as much.
            max_line_size=HEAD_BYTES,
            max_field_size=HEAD_BYTES,
        ) as session:
            yield cls(session, config)

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """
        Exchange a request for its reply.

        :param timeout: seconds for all of it, the wait for a free connection included, where that is less
            than the route allows.
        :raises InvalidConnectionError: it can never be sent.
        :raises TransportError: no complete reply came back.
        :raises ResponseTooLargeError: the reply is larger than the request allows; it was not read.
        """
        import aiohttp

        exchange = Exchange(request, self._config, self._environment, timeout=timeout)
        slots = self._slots[urlsplit(request.url).netloc]
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
        # Here and not above, where Python would chain it to what the library said.
        raise failure

    async def _exchange(self, exchange: Exchange) -> Response:
        import aiohttp
        from yarl import URL

        request, proxy = exchange.request, exchange.proxy
        headers = {**request.headers, **UNSIGNED_HEADERS}
        is_tunnelled = proxy is not None and request.url.startswith("https:")
        if proxy and not is_tunnelled:
            headers |= proxy.headers
        connect, read = self._config.connect_timeout, self._config.read_timeout
        async with self._session.request(
            request.method,
            URL(request.url, encoded=True),  # as it was signed
            headers=headers,
            data=request.body or None,
            proxy=proxy.url if proxy else None,
            proxy_headers=proxy.headers if proxy and is_tunnelled else None,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                # None at all is what it takes 0 for.
                total=max(0.001, min(exchange.total_remaining, connect + read)),
                connect=connect,
                sock_read=read,
            ),
        ) as reply:
            found = {name.lower(): value for name, value in reply.headers.items()}
            exchange.check_length(found)
            body = bytearray()
            async for chunk in reply.content.iter_chunked(64 * 1024):
                body += chunk
                exchange.check_size(body)
        return exchange.response(reply.status, found, body)

    async def sleep(self, seconds: float) -> None:
        """Let the loop serve others this long."""
        await asyncio.sleep(seconds)


class _ConnectionSlots:
    """
    The right to use one of so many connections, first come, first served.

    Not a semaphore inside ``asyncio.wait_for``: in Python 3.10 that loses a slot that becomes free just as
    the time is over.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._queue: deque[asyncio.Future[bool]] = deque()

    async def acquire(self, timeout: float | None) -> bool:
        """
        Return whether a slot became free in time; each one is to be released.

        :param timeout: seconds.
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
        """Pass a slot on to the first that still waits for one."""
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


def _load(config: TransportConfig) -> ssl.SSLContext:
    """Load what takes its time: the library and the certificates."""
    importlib.import_module("airflow_provider_modelarts.transport.connector")
    return config.tls()
