"""
What makes ``requests`` keep to an :class:`Exchange`'s time and size.

Its time-out counts each read anew, and it reads as many interim replies, chunk extensions and trailers as
a server sends. So it is the sockets that know how much is left, for each step that they take: the TLS
handshake, what a proxy says, every read and every write.

Loads ``requests``: to be imported when a transport is opened.
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

from airflow_provider_modelarts.transport.exchange import current
from airflow_provider_modelarts.transport.validation import Proxy

_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})\b")


class BoundedAdapter(HTTPAdapter):
    """
    The adapter whose sockets keep to the exchange that they work for.

    :param tls: makes what decides whom to trust, when it is needed.
    :param proxy: the one that all requests go through.
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
        """Let the pools make our connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Let the pools of a proxy make them, too."""
        if proxy.startswith("https:"):
            kwargs["proxy_ssl_context"] = self._tls
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:  # noqa: ARG002 - there is one
        """Say who we are to the proxy, whose address does not tell."""
        return self._proxy.headers if self._proxy else {}

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """Say whom to trust by one context for all connections, instead of a file that each reads anew."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {"ssl_context": self._tls} if host["scheme"] == "https" else {}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave it to the context."""


class _Socket(socket.socket):
    """A socket of which each step takes no longer than what is left of its exchange, and that counts."""

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
        """Read the head, past all interim replies, of which the library knows one kind."""
        super().begin()
        while 101 < self.status < 200:
            self.headers = None  # type: ignore[assignment]
            super().begin()
        # Of what it cannot read of a head urllib3 logs a warning, with all of it: tokens come in a head.
        self.msg.defects = []
        self.msg.set_payload("")


class _Connection(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        try:
            return _connected(self._dns_host.strip("[]"), self.port, self.socket_options or ())
        except OSError as error:
            raise NewConnectionError(self, "no connection") from error

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
    """Return a socket to the first address of a host that takes one; each has its share of the time."""
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
    """Look a host up, for no longer than this, which the operating system cannot be told."""
    answer: SimpleQueue[list[Any] | Exception] = SimpleQueue()

    def look_up() -> None:
        try:
            answer.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001 - it is raised where it was asked for
            answer.put(error)

    Thread(target=look_up, daemon=True).start()
    try:
        found = answer.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    if isinstance(found, Exception):
        raise found
    return found
