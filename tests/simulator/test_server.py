"""The socket: connections, limits, start and stop."""

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
    """Look until something is so, which the server's thread may need a moment for."""
    until = time.monotonic() + 30
    while not condition() and time.monotonic() < until:
        time.sleep(0.001)
    return bool(condition())


def request_bytes(client: Client, *lines: str) -> bytes:
    """Write a signed request for the list of images."""
    headers = client.signed("GET", f"{client.project}/images").header_params
    head = [f"GET {client.project}/images HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), *lines]
    return ("\r\n".join(head) + "\r\n\r\n").encode()


def test_connection_is_kept_for_more_requests(simulator: Simulator, client: Client) -> None:
    """Many requests, one connection, one client address in the journal."""
    request = client.signed("GET", f"{client.project}/images")
    with closing(http.client.HTTPConnection(client.host)) as connection:
        for _ in range(5):
            connection.request("GET", request.uri, None, request.header_params)
            assert connection.getresponse().read()
        own = "{}:{}".format(*connection.sock.getsockname())
    assert (simulator.connections, {entry.client for entry in simulator.journal}) == (1, {own})


def test_requests_can_be_pipelined(client: Client) -> None:
    """The second request may come before the first reply, and a client may ask for the end."""
    raw = request_bytes(client) + request_bytes(client, "Connection: close")
    assert answered(client, raw).count(b"HTTP/1.1 200 OK") == 2


def test_request_may_come_in_pieces(client: Client) -> None:
    """A request is what its bytes say, however they arrive."""
    raw = request_bytes(client, "Connection: close")
    with connected(client) as opened, opened.makefile("rb") as replies:
        for start in range(0, len(raw), 50):
            opened.sendall(raw[start : start + 50])
        assert replies.read().startswith(b"HTTP/1.1 200 OK")


def test_thousand_connections_stay_open_and_are_served(simulator: Simulator, client: Client) -> None:
    """As many waits as a triggerer may hold, without a thread for each."""
    threads = threading.active_count()
    raw = request_bytes(client)
    with ExitStack() as stack:
        opened = [stack.enter_context(connected(client)) for _ in range(1000)]
        for _ in range(2):
            for connection in opened:
                connection.sendall(raw)
            assert {connection.recv(65536)[:15] for connection in opened} == {b"HTTP/1.1 200 OK"}
        assert (simulator.connections, simulator.open_connections) == (1000, 1000)
        assert threading.active_count() == threads
    assert eventually(lambda: simulator.open_connections == 0)


def test_slow_reply_holds_up_nobody_else(simulator: Simulator, client: Client) -> None:
    """The next client is answered while the first one waits."""
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
def test_unreadable_request_ends_the_connection(
    simulator: Simulator, client: Client, raw: bytes, status: int
) -> None:
    """The gateway says what is wrong; the journal holds only what was a request."""
    reply = answered(client, raw)
    assert reply.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Connection: close" in reply
    assert simulator.journal == ()


def test_server_refuses_a_body_that_is_nested_too_deeply(client: Client) -> None:
    head = b"POST /v3/auth/tokens HTTP/1.1\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n"
    assert answered(client, head + b"[" * 200_000).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("raw", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"])
def test_client_that_goes_away_is_forgotten(simulator: Simulator, client: Client, raw: bytes) -> None:
    """Half a request is none."""
    with connected(client) as opened:
        opened.sendall(raw)
        opened.shutdown(socket.SHUT_WR)
        assert opened.recv(1) == b""
    assert simulator.journal == ()


def test_replies_carry_date_and_request_id(simulator: Simulator, client: Client) -> None:
    """The date is the simulator's, the id is the journal's."""
    simulator.advance(3600)
    headers = client.images().headers
    expected = time.strftime("%a, %d %b %Y %H:", time.gmtime(simulator.now()))
    assert headers["Date"].startswith(expected)
    assert headers["X-Request-Id"] == simulator.journal[-1].request_id


def test_stop_closes_everything_and_leaves_no_thread(client: Client, simulator: Simulator) -> None:
    """Idle connections, a reply on its way and the socket itself."""
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


def test_starting_and_stopping_is_quick() -> None:
    """A simulator for each test costs nothing to speak of, and on a busy machine not much."""
    begun = time.perf_counter()
    for _ in range(10):
        with Simulator():
            pass
    assert (time.perf_counter() - begun) / 10 < 0.25, "it waits for something"


def test_simulator_can_be_started_again() -> None:
    """Stopping twice does nothing, starting twice is a mistake."""
    simulator = Simulator()
    simulator.start()
    with pytest.raises(RuntimeError, match="already running"):
        simulator.start()
    simulator.stop()
    simulator.stop()
    with simulator:
        assert simulator.endpoint.startswith("http://127.0.0.1:")


def test_taken_port_is_an_error(simulator: Simulator) -> None:
    """It is the operating system's own."""
    port = int(simulator.endpoint.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        Simulator(port=port).start()
