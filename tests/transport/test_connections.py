"""TCP connections: kept alive, replaced, limited in number, and closed at the end."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from pathlib import Path

import pytest

from airflow_provider_modelarts.client.http_types import MAX_BYTES, Request, Transport
from airflow_provider_modelarts.exceptions import InvalidResponseError, TransportError
from airflow_provider_modelarts.simulator import Fault, Simulator
from airflow_provider_modelarts.transport import TransportConfig
from airflow_provider_modelarts.transport.async_transport import MAX_CONNECTIONS
from tests.servers import Peer, reply, serving
from tests.transport.scenarios import Run, awaiting, signed


def test_twenty_requests_use_one_connection(run: Run, simulator: Simulator) -> None:
    async def twenty(transport: Transport) -> set[int]:
        return {(await transport.send(signed(simulator, "GET", "/images"))).status for _ in range(20)}

    assert run(twenty) == {200}
    assert simulator.connections == 1


def test_connection_closed_by_server_is_replaced(run: Run) -> None:
    def once(peer: Peer) -> None:
        peer.request()
        peer.send(reply(b"{}"))

    with serving(once) as server:

        async def twice(transport: Transport) -> list[int]:
            first = await transport.send(Request("POST", server.url, {}, b"{}"))
            was_closed = False
            while not was_closed:
                was_closed = server.closed > 0
                await transport.sleep(0.01)
            second = await transport.send(Request("POST", server.url, {}, b"{}"))
            return [first.status, second.status]

        assert run(twice) == [200, 200]
    assert server.connections == 2


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
def test_request_lost_on_kept_connection_is_not_repeated(run: Run, method: str) -> None:
    """HTTP libraries repeat methods that they consider idempotent; only the client can decide that."""

    def answer_once(peer: Peer) -> None:
        peer.request()
        peer.send(reply(b"{}"))
        peer.request()
        peer.reset()

    with serving(answer_once) as server:

        async def twice(transport: Transport) -> None:
            await transport.send(Request("GET", server.url))
            with pytest.raises(TransportError):
                await transport.send(Request(method, server.url))

        run(twice)
    assert [request.split()[0].decode() for request in server.requests] == ["GET", method]


def test_async_transport_limits_number_of_connections(simulator: Simulator) -> None:
    """Fifty requests share eight connections; none fails because it had to wait."""

    async def fifty(transport: Transport) -> set[int]:
        replies = [transport.send(signed(simulator, "GET", "/images")) for _ in range(50)]
        return {got.status for got in await asyncio.gather(*replies)}

    assert awaiting(fifty) == {200}
    assert simulator.connections <= MAX_CONNECTIONS


def test_wait_for_free_connection_is_not_part_of_timeouts() -> None:
    """Forty rounds of 0.03 s need 1.2 s, and each request may take 1 s."""

    def slow(peer: Peer) -> None:
        while peer.request():
            threading.Event().wait(0.03)
            peer.send(reply())

    with serving(slow) as server:

        async def forty_rounds(transport: Transport) -> set[int]:
            replies = [transport.send(Request("GET", server.url)) for _ in range(40 * MAX_CONNECTIONS)]
            return {got.status for got in await asyncio.gather(*replies)}

        assert awaiting(forty_rounds, TransportConfig(connect_timeout=1.0, read_timeout=1.0)) == {200}


def test_sleep_waits_in_real_time(run: Run) -> None:
    began = time.monotonic()
    run(lambda transport: transport.sleep(0.02))
    assert time.monotonic() - began >= 0.02


def open_files() -> int:
    """Return how many files and sockets this process holds."""
    return sum(1 for _ in Path("/dev/fd").iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="there is no list of open files")
def test_transport_leaves_no_file_open(run: Run, simulator: Simulator) -> None:
    """After good responses and errors."""

    async def good_and_bad(transport: Transport) -> None:
        simulator.inject(Fault("torn", skip=1), Fault("huge", skip=1, size=MAX_BYTES + 1))
        await transport.send(signed(simulator, "GET", "/images"))
        with pytest.raises(TransportError):
            await transport.send(signed(simulator, "GET", "/images"))
        with pytest.raises(InvalidResponseError):
            await transport.send(signed(simulator, "GET", "/images"))

    def settled() -> int:
        """Return the count once the simulator has closed its side, too."""
        gc.collect()  # Python 3.13 holds the socket of an unread response in a cycle with its traceback
        give_up_at = time.monotonic() + 30
        while simulator.open_connections and time.monotonic() < give_up_at:
            threading.Event().wait(0.005)
        threading.Event().wait(0.02)
        return open_files()

    run(good_and_bad)
    before = settled()
    run(good_and_bad)
    give_up_at = time.monotonic() + 30
    while (left := settled()) > before and time.monotonic() < give_up_at:
        pass
    assert left <= before
