"""
The adapter with which ``requests`` obeys the time and size limits of an :class:`Exchange`.

The library's own timeout starts again with each read, and it reads any number of interim responses, chunk
extensions and trailers. So the sockets enforce the limits in each step: TLS handshake, a proxy's response,
every read and every write.

This module imports ``requests``, so import it only when a transport is opened.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from functools import cached_property
from http.client import HTTPResponse
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from airflow_provider_modelarts.transport.config import Proxy
from airflow_provider_modelarts.transport.exchange import current

_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})\b")


class BoundedAdapter(HTTPAdapter):
    """
    An adapter whose sockets obey the limits of the current exchange.

    :param tls: makes the TLS context, when the first connection needs it.
    :param proxy: the proxy of all requests; None for direct connections.
    """

    def __init__(self, tls: Callable[[], ssl.SSLContext], proxy: Proxy | None) -> None:
        self._make_tls = tls
        self._proxy = proxy
        super().__init__(max_retries=0)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = self._make_tls()
        context.sslsocket_class = _TLSSocket
        return context

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools use our connection classes."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make the pools of a proxy use them too."""
        if proxy.startswith("https:"):
            kwargs["proxy_ssl_context"] = self._tls
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:  # noqa: ARG002 - there is one
        """Return the headers that authenticate to the proxy, as its URL contains no credentials."""
        return self._proxy.headers if self._proxy else {}

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """Use one TLS context for all connections, instead of a CA file that each connection reads."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {"ssl_context": self._tls} if host["scheme"] == "https" else {}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Do nothing, as the TLS context verifies certificates."""


class _Socket(socket.socket):
    """A socket that counts received bytes and whose every step obeys the remaining time of its exchange."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        exchange = current.get()
        self.settimeout(exchange.remaining())
        size = super().recv_into(*args, **kwargs)
        exchange.count_bytes(size)
        return size

    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        exchange = current.get()
        self.settimeout(exchange.remaining())
        data = super().recv(*args, **kwargs)
        exchange.count_bytes(len(data))
        return data

    def send(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(current.get().remaining())
        return super().send(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self.settimeout(current.get().remaining())
        super().sendall(*args, **kwargs)


class _TLSSocket(_Socket, ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        self.settimeout(current.get().remaining())
        super().do_handshake(block)


class _Response(HTTPResponse):
    def begin(self) -> None:
        """Read the head, after any interim responses, of which the library skips one kind only."""
        super().begin()
        while 101 < self.status < 200:
            self.headers = None  # type: ignore[assignment]
            super().begin()
        # For a malformed head urllib3 logs a warning with the whole head, which may contain a token.
        self.msg.defects = []
        self.msg.set_payload("")


class _Connection(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        try:
            return _connected(self._dns_host.strip("[]"), self.port, self.socket_options or ())
        except OSError as error:
            raise NewConnectionError(self, f"cannot connect to {self.host}:{self.port}") from error

    def _tunnel(self) -> None:
        try:
            super()._tunnel()
            return
        except OSError as error:
            refused = _TUNNEL_REFUSED.match(str(error))
            if not refused:
                raise
        raise current.get().proxy_refused(int(refused[1]))

    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        current.get().begin_sending()
        super().endheaders(*args, **kwargs)


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


_POOLS = {"http": _Pool, "https": _TLSPool}


def _connected(host: str, port: int, options: Any) -> socket.socket:
    """Return a socket to the first address that accepts; each address has a share of the remaining time."""
    exchange = current.get()
    addresses = _addresses(host, port, exchange.remaining())
    failure = OSError()
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        opened: socket.socket | None = None
        try:
            opened = _Socket(family, kind, protocol)
            for option in options:
                opened.setsockopt(*option)
            opened.settimeout(exchange.remaining() / (len(addresses) - number))
            opened.connect(address)
            return opened
        except OSError as error:
            failure = error
            if opened:
                opened.close()
    raise failure


def _addresses(host: str, port: int, seconds: float) -> list[Any]:
    """
    Return the addresses of a host, in a thread, because the operating system's lookup has no timeout.

    :raises TimeoutError: the lookup takes longer than these seconds.
    """
    queue: SimpleQueue[list[Any] | Exception] = SimpleQueue()

    def lookup() -> None:
        try:
            queue.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
            queue.put(error)

    Thread(target=lookup, daemon=True).start()
    try:
        result = queue.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    if isinstance(result, Exception):
        raise result
    return result
