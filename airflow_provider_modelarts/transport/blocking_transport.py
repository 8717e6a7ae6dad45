"""Transport for a worker, which may block."""

from __future__ import annotations

import os
import time
from collections.abc import Coroutine
from contextlib import closing
from functools import cache
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.request import getproxies_environment

from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.transport.config import TransportConfig
from airflow_provider_modelarts.transport.exchange import UNSIGNED_HEADERS, Exchange, current
from airflow_provider_modelarts.transport.validation import Proxy

if TYPE_CHECKING:
    from requests import PreparedRequest

    from airflow_provider_modelarts.transport.adapter import BoundedAdapter

T = TypeVar("T")


def block_on(coroutine: Coroutine[Any, Any, T]) -> T:
    """
    Run a coroutine that never suspends to its end, without an event loop.

    With a blocking transport the conversation is ordinary code that happens to be spelled ``async``:
    one step runs all of it. Should it suspend after all, this raises instead of hanging.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    else:
        raise RuntimeError("a blocking transport must never suspend")
    finally:
        coroutine.close()


class BlockingTransport:
    """``requests`` on kept-alive connections, and a sleep that holds the thread."""

    def __init__(self, config: TransportConfig | None = None) -> None:
        import urllib3

        self._config = config or TransportConfig()
        self._config.check_ca_file()
        if self._config.verify is False:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # said once, by the hook
        self._environment = getproxies_environment()
        self._tls = cache(self._config.tls)
        self._adapters: dict[tuple[int, Proxy | None], BoundedAdapter] = {}

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """
        Exchange a request for its reply.

        :param timeout: seconds for all of it, where that is less than the route allows.
        :raises InvalidConnectionError: it can never be sent.
        :raises TransportError: no complete reply came back.
        :raises ResponseTooLargeError: the reply is larger than the request allows; it was not read.
        """
        from urllib3.exceptions import HTTPError

        exchange = Exchange(request, self._config, self._environment, timeout=timeout)
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
        # Here and not above, where Python would chain it to what the library said.
        raise failure

    def _exchange(self, exchange: Exchange) -> Response:
        proxy = exchange.proxy
        reply = self._adapter(proxy).send(
            _prepared(exchange.request),
            # The sockets know better, but nothing of the library's own is to wait for ever.
            timeout=(self._config.connect_timeout, self._config.read_timeout),
            proxies={"http": proxy.url, "https": proxy.url} if proxy else {},
            stream=True,
        )
        with closing(reply):
            headers = {name.lower(): value for name, value in reply.headers.items()}
            exchange.check_length(headers)
            body = bytearray()
            while chunk := reply.raw.read1(64 * 1024, decode_content=False):
                body += chunk
                exchange.check_size(body)
        return exchange.response(reply.status_code, headers, body)

    def _adapter(self, proxy: Proxy | None) -> BoundedAdapter:
        """Return what keeps the connections through a proxy, or those through none."""
        from airflow_provider_modelarts.transport.adapter import BoundedAdapter

        # An adapter and not a session, which would look into .netrc, keep cookies, and read the body
        # of a redirect to its end even when told not to follow it. Each process has its own: after a fork two
        # would speak on the same connection, and each read what the other was told.
        key = os.getpid(), proxy
        if key not in self._adapters:
            self._adapters[key] = BoundedAdapter(self._tls, proxy)
        return self._adapters[key]

    async def sleep(self, seconds: float) -> None:
        """Hold the thread this long."""
        time.sleep(seconds)  # noqa: ASYNC251 - there is no event loop in a worker

    def close(self) -> None:
        """Close the kept-alive connections."""
        for adapter in self._adapters.values():
            adapter.close()


def _prepared(request: Request) -> PreparedRequest:
    import requests

    # Bytes, because http.client would write a header in another encoding than was signed.
    headers = {name: value.encode() for name, value in {**request.headers, **UNSIGNED_HEADERS}.items()}
    prepared = requests.Request(
        request.method, request.url, headers=headers, data=request.body or None
    ).prepare()
    prepared.url = request.url  # as it was signed, without another round of quoting
    return prepared
