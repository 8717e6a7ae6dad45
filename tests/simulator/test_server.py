"""The HTTP server: connections, limits, start and stop."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from airflow_provider_modelarts.simulator import Fault, Simulator
from airflow_provider_modelarts.simulator.wire import BODY_LIMIT, HEAD_LIMIT

if TYPE_CHECKING:
    from tests.simulator.conftest import Client


@contextmanager
def connected(client: Client) -> Iterator[socket.socket]:
    """Open a connection."""
    host, port = client.host.split(":")
    with closing(socket.create_connection((host, int(port)), timeout=10)) as opened:
        yield opened


def answered(client: Client, raw: bytes) -> bytes:
    """Send bytes and read until the other side closes."""
    with connected(client) as opened, opened.makefile("rb") as replies:
        opened.sendall(raw)
        return replies.read()


def eventually(condition: Callable[[], object]) -> bool:
    """Poll until a condition holds, which the server's thread may need a moment for."""
    until = time.monotonic() + 30
    while not condition() and time.monotonic() < until:
        time.sleep(0.001)
    return bool(condition())


def request_bytes(client: Client, *lines: str) -> bytes:
    """Write a signed request for the list of images."""
    headers = client.signed("GET", f"{client.project}/images").header_params
    head = [f"GET {client.project}/images HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), *lines]
    return ("\r\n".join(head) + "\r\n\r\n").encode()


def test_connection_is_kept_alive(simulator: Simulator, client: Client) -> None:
    request = client.signed("GET", f"{client.project}/images")
    with closing(http.client.HTTPConnection(client.host)) as connection:
        for _ in range(5):
            connection.request("GET", request.uri, None, request.header_params)
            assert connection.getresponse().read()
        own = "{}:{}".format(*connection.sock.getsockname())
    assert (simulator.connections, {entry.client for entry in simulator.journal}) == (1, {own})


def test_requests_may_be_pipelined(client: Client) -> None:
    raw = request_bytes(client) + request_bytes(client, "Connection: close")
    assert answered(client, raw).count(b"HTTP/1.1 200 OK") == 2


def test_request_may_arrive_in_pieces(client: Client) -> None:
    raw = request_bytes(client, "Connection: close")
    with connected(client) as opened, opened.makefile("rb") as replies:
        for start in range(0, len(raw), 50):
            opened.sendall(raw[start : start + 50])
        assert replies.read().startswith(b"HTTP/1.1 200 OK")


def test_server_serves_a_thousand_open_connections(simulator: Simulator, client: Client) -> None:
    """As many waits as a triggerer may hold, without a thread for each."""
    threads_before = set(threading.enumerate())
    raw = request_bytes(client)
    with ExitStack() as stack:
        opened = [stack.enter_context(connected(client)) for _ in range(1000)]
        for _ in range(2):
            for connection in opened:
                connection.sendall(raw)
            assert {connection.recv(65536)[:15] for connection in opened} == {b"HTTP/1.1 200 OK"}
        assert (simulator.connections, simulator.open_connections) == (1000, 1000)
        assert set(threading.enumerate()) <= threads_before
    assert eventually(lambda: simulator.open_connections == 0)


def test_slow_response_delays_no_other_client(simulator: Simulator, client: Client) -> None:
    simulator.inject(Fault("slow", seconds=30))
    with connected(client) as waiting:
        waiting.sendall(request_bytes(client))
        assert eventually(lambda: simulator.journal)
        assert client.images().status == 200


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        pytest.param(b"nonsense\r\n\r\n", 400, id="request-line"),
        pytest.param(b"GET / HTTP/1.0\r\n\r\n", 400, id="old-http"),
        pytest.param(b"GET http://h/ HTTP/1.1\r\n\r\n", 400, id="absolute-target"),
        pytest.param(b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, id="header"),
        pytest.param(
            b"GET / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400, id="length-of-digits"
        ),
        pytest.param(b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, id="length"),
        pytest.param(b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411, id="chunked"),
        pytest.param(
            b"GET / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (BODY_LIMIT + 1), 413, id="large-body"
        ),
        pytest.param(b"GET / HTTP/1.1\r\nA: " + b"a" * HEAD_LIMIT + b"\r\n\r\n", 431, id="large-head"),
    ],
)
def test_unreadable_request_closes_connection(
    simulator: Simulator, client: Client, raw: bytes, status: int
) -> None:
    """It is not in the request log."""
    reply = answered(client, raw)
    assert reply.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Connection: close" in reply
    assert simulator.journal == ()


def test_server_rejects_deeply_nested_body(client: Client) -> None:
    head = b"POST /v3/auth/tokens HTTP/1.1\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n"
    assert answered(client, head + b"[" * 200_000).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("raw", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"])
def test_incomplete_request_is_ignored(simulator: Simulator, client: Client, raw: bytes) -> None:
    with connected(client) as opened:
        opened.sendall(raw)
        opened.shutdown(socket.SHUT_WR)
        assert opened.recv(1) == b""
    assert simulator.journal == ()


def test_response_includes_date_and_request_id(simulator: Simulator, client: Client) -> None:
    """The date is the simulator's, the id that of the request log."""
    simulator.advance(3600)
    headers = client.images().headers
    expected = time.strftime("%a, %d %b %Y %H:", time.gmtime(simulator.now()))
    assert headers["Date"].startswith(expected)
    assert headers["X-Request-Id"] == simulator.journal[-1].request_id


def test_stop_closes_connections_and_leaves_no_thread(client: Client, simulator: Simulator) -> None:
    simulator.inject(Fault("slow", seconds=30))
    with connected(client) as idle, connected(client) as waiting:
        waiting.sendall(request_bytes(client))
        assert eventually(lambda: simulator.journal)
        simulator.stop()
        assert (idle.recv(1), waiting.recv(1)) == (b"", b"")
    assert simulator.open_connections == 0
    assert "modelarts-simulator" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(ConnectionRefusedError), connected(client):
        pass


def test_start_and_stop_are_fast() -> None:
    begun = time.perf_counter()
    for _ in range(10):
        with Simulator():
            pass
    assert (time.perf_counter() - begun) / 10 < 0.25, "it waits for something"


def test_simulator_may_be_restarted() -> None:
    """Stopping twice does nothing, starting twice is an error."""
    simulator = Simulator()
    simulator.start()
    with pytest.raises(RuntimeError, match="already running"):
        simulator.start()
    simulator.stop()
    simulator.stop()
    with simulator:
        assert simulator.endpoint.startswith("http://127.0.0.1:")


def test_start_raises_for_taken_port(simulator: Simulator) -> None:
    port = int(simulator.endpoint.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        Simulator(port=port).start()
