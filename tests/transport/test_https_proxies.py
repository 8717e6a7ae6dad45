"""Proxies that are connected to by TLS, with TLS to the service inside."""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_modelarts.client.http_types import Request
from airflow_provider_modelarts.exceptions import TransportError
from airflow_provider_modelarts.transport import TransportConfig
from tests.proxy import forward
from tests.servers import Peer, answering, reply, serving
from tests.transport.scenarios import Run, awaiting, send
from tests.transport.test_limits import LONG, Pourer


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """The TLS context of a server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture(autouse=True)
def _needs_tls_in_tls(run: Run) -> None:
    if run is awaiting and sys.version_info < (3, 11):
        pytest.skip("asyncio cannot do this before Python 3.11")


def tunnelling(port: int) -> Callable[[Peer], None]:
    """Serve as a proxy that forwards everything to this port."""

    def handle(peer: Peer) -> None:
        peer.request()
        with socket.create_connection(("127.0.0.1", port)) as there:
            peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            forward(peer._connection, there)

    return handle


@pytest.mark.parametrize("verify", [True, False])
def test_https_request_is_tunnelled_through_https_proxy(run: Run, tls: ssl.SSLContext, verify: bool) -> None:
    with serving(answering(reply(b"hello")), tls) as server, serving(tunnelling(server.port), tls) as proxy:
        request = Request("GET", f"https://127.0.0.1:{server.port}/")
        config = TransportConfig(verify=verify, proxy=f"https://someone:word@127.0.0.1:{proxy.port}")
        assert run(send(request), config).body == b"hello"
        assert b"Proxy-Authorization" in proxy.requests[0]
        assert b"Proxy-Authorization" not in server.requests[0]


def test_http_request_is_forwarded_by_https_proxy(run: Run, tls: ssl.SSLContext) -> None:
    with serving(answering(reply(b"hello")), tls) as proxy:
        config = TransportConfig(proxy=f"https://127.0.0.1:{proxy.port}")
        assert run(send(Request("GET", "http://modelarts.invalid/x")), config).body == b"hello"
        assert proxy.requests[0].startswith(b"GET http://modelarts.invalid/x ")


def test_connect_timeout_limits_slow_handshake_through_https_proxy(run: Run, tls: ssl.SSLContext) -> None:
    handshake = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"
    pourer = Pourer(b"HTTP/1.1 200 OK\r\n\r\n" + handshake, b"\x03", seconds=0.02)
    with serving(pourer, tls) as proxy:
        config = TransportConfig(connect_timeout=0.5, proxy=f"https://127.0.0.1:{proxy.port}")
        with pytest.raises(TransportError) as failed:
            run(send(Request("GET", "https://modelarts.invalid/")), config)
        assert pourer.was_left.wait(LONG)
    assert (failed.value.stage, failed.value.may_have_been_processed) == ("timeout", False)
