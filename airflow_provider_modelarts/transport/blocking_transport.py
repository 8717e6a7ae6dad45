"""The transport for a worker, which may block."""

from __future__ import annotations

import os
import time
from collections.abc import Coroutine
from contextlib import closing
from functools import cache
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.transport.config import Proxy, Routes, TransportConfig
from airflow_provider_modelarts.transport.exchange import UNSIGNED_HEADERS, Exchange, current

if TYPE_CHECKING:
    from requests import PreparedRequest

    from airflow_provider_modelarts.transport.adapter import BoundedAdapter

T = TypeVar("T")


def block_on(coroutine: Coroutine[Any, Any, T]) -> T:
    """
    Run a coroutine that never suspends, without an event loop, and return its result.

    With a blocking transport the client's coroutines never suspend, so that one step runs them completely.

    :raises RuntimeError: the coroutine suspended; it is closed.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    else:
        raise RuntimeError(
            "a coroutine suspended, which no event loop can resume: run it only with a blocking transport"
        )
    finally:
        coroutine.close()


class BlockingTransport:
    """
    Sends requests with ``requests`` on kept-alive connections, and blocks the thread.

    :raises InvalidConnectionError: the config's file of CA certificates cannot be used.
    """

    def __init__(self, config: TransportConfig | None = None) -> None:
        import urllib3

        self._config = config or TransportConfig()
        self._config.check_ca_file()
        if self._config.verify is False:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # the hook logs it once
        self._routes = Routes(self._config)
        self._tls = cache(self._config.tls)
        self._adapters: dict[tuple[int, Proxy | None], BoundedAdapter] = {}

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """
        Send a request and return its response.

        :param timeout: seconds for the whole exchange. The timeouts of the config apply too.
        :raises InvalidConnectionError: the request can never be sent.
        :raises TransportError: no complete response was received.
        :raises ResponseTooLargeError: the response is larger than the request's ``max_bytes``; not read.
        """
        from urllib3.exceptions import HTTPError

        exchange = Exchange(request, self._config, self._routes, timeout=timeout)
        if exchange.total_remaining <= 0:
            raise exchange.queue_timeout()
        exchange.begin_connecting()
        token = current.set(exchange)
        try:
            return self._exchange(exchange)
        except (ModelArtsError, HTTPError, HTTPException, OSError, ValueError) as error:
            failure = exchange.failure(error)
        finally:
            current.reset(token)
        # Outside of except, where Python would chain it to the library's error, which may quote secrets.
        raise failure

    def _exchange(self, exchange: Exchange) -> Response:
        proxy = exchange.proxy
        response = self._adapter(proxy).send(
            _prepare(exchange.request),
            # The sockets enforce tighter limits; these are for any wait of the library itself.
            timeout=(self._config.connect_timeout, self._config.read_timeout),
            proxies={"http": proxy.url, "https": proxy.url} if proxy else {},
            stream=True,
        )
        with closing(response):
            headers = {name.lower(): value for name, value in response.headers.items()}
            exchange.check_length(headers)
            body = bytearray()
            while chunk := response.raw.read1(64 * 1024, decode_content=False):
                body += chunk
                exchange.check_size(len(body))
        return exchange.response(response.status_code, headers, body)

    def _adapter(self, proxy: Proxy | None) -> BoundedAdapter:
        """Return this process's adapter for a proxy, or for direct connections."""
        from airflow_provider_modelarts.transport.adapter import BoundedAdapter

        # An adapter and not a session, which would read .netrc, keep cookies and read a redirect's whole body
        # even if it does not follow it. One per process: after a fork two processes would share a connection,
        # and each could read the other's response.
        key = os.getpid(), proxy
        if key not in self._adapters:
            self._adapters[key] = BoundedAdapter(self._tls, proxy)
        return self._adapters[key]

    async def sleep(self, seconds: float) -> None:
        """Block the thread for some seconds."""
        time.sleep(seconds)  # noqa: ASYNC251 - there is no event loop in a worker

    def close(self) -> None:
        """Close the kept-alive connections."""
        for adapter in self._adapters.values():
            adapter.close()


def _prepare(request: Request) -> PreparedRequest:
    import requests

    # As bytes, because http.client would encode a header otherwise than it was signed.
    headers = {name: value.encode() for name, value in {**request.headers, **UNSIGNED_HEADERS}.items()}
    prepared = requests.Request(
        request.method, request.url, headers=headers, data=request.body or None
    ).prepare()
    prepared.url = request.url  # as it was signed, not quoted again
    return prepared
