"""The read timeout of several exchanges on one connection of a triggerer's transport, which share a timer."""

from __future__ import annotations

import gc
import time

import pytest

from airflow_provider_modelarts.client.http_types import Request, Transport
from airflow_provider_modelarts.exceptions import TransportError
from airflow_provider_modelarts.transport import TransportConfig
from airflow_provider_modelarts.transport.exchange import Exchange
from tests.servers import Peer, reply, serving
from tests.transport.scenarios import awaiting

SECONDS = 1.0
"""More than the first exchange takes on a busy machine."""


def answer_once(peer: Peer) -> None:
    """Answer the first request of a connection, and no other."""
    peer.request()
    peer.send(reply(b"{}"))
    peer.request()
    peer.hang()


@pytest.mark.parametrize(
    ("read_timeout", "timeout", "pause"),
    [
        pytest.param(60.0, SECONDS, 0.0, id="second ends before the timer of the first"),
        pytest.param(SECONDS, None, SECONDS / 2, id="second ends after the timer of the first"),
        pytest.param(SECONDS, None, 2 * SECONDS, id="second begins after the timer of the first"),
    ],
)
def test_read_timeout_is_that_of_each_exchange(
    read_timeout: float, timeout: float | None, pause: float
) -> None:
    with serving(answer_once) as server:

        async def twice(transport: Transport) -> float:
            await transport.send(Request("GET", server.url))
            await transport.sleep(pause)
            began = time.monotonic()
            with pytest.raises(TransportError, match="timed out"):
                await transport.send(Request("GET", server.url), timeout=timeout)
            return time.monotonic() - began

        took = awaiting(twice, TransportConfig(connect_timeout=60.0, read_timeout=read_timeout))

    assert SECONDS * 0.99 <= took < 30
    assert server.connections == 1


def test_async_transport_keeps_no_exchange_that_is_over() -> None:
    """Its timer would keep it, with its request, for the read timeout: a minute."""

    def answer(peer: Peer) -> None:
        while peer.request():
            peer.send(reply(b"{}"))

    async def kept(transport: Transport) -> int:
        gc.collect()
        gc.disable()  # no cycle may need it
        try:
            before = exchanges()
            for _ in range(20):
                await transport.send(Request("GET", server.url))
            return exchanges() - before
        finally:
            gc.enable()

    def exchanges() -> int:
        # Not isinstance, which lets the lazy objects of other packages import what they stand for.
        return sum(type(held) is Exchange for held in gc.get_objects())

    with serving(answer) as server:
        assert awaiting(kept) <= 2  # the first and the last one of the connection
