"""The read timeout of a triggerer's transport while another trigger blocks the event loop."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from airflow_provider_modelarts.client.http_types import Request, Transport
from airflow_provider_modelarts.exceptions import TransportError
from airflow_provider_modelarts.transport import TransportConfig
from tests.servers import Peer, reply, serving
from tests.transport.scenarios import awaiting

CONFIG = TransportConfig(connect_timeout=3600.0, read_timeout=3600.0)
COMPLETE = reply(b"hello")


def send_while_loop_is_blocked(response: bytes, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Return the body of a response that comes while the loop is blocked until after the read timeout."""
    was_asked, was_answered = threading.Event(), threading.Event()

    def answer(peer: Peer) -> None:
        peer.request()
        was_asked.wait(30)
        peer.send(response)
        was_answered.set()
        peer.hang()

    with serving(answer) as server:

        async def block(transport: Transport) -> bytes:
            sending = asyncio.ensure_future(transport.send(Request("GET", server.url)))
            while not server.requests:
                await asyncio.sleep(0.001)
            was_asked.set()
            assert was_answered.wait(30)
            monotonic = time.monotonic
            monkeypatch.setattr(time, "monotonic", lambda: monotonic() + 2 * CONFIG.read_timeout)
            return (await sending).body

        return awaiting(block, CONFIG)


def test_response_that_came_in_time_is_read_late(monkeypatch: pytest.MonkeyPatch) -> None:
    assert send_while_loop_is_blocked(COMPLETE, monkeypatch) == b"hello"


def test_part_of_response_that_came_in_time_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TransportError, match="timed out"):
        send_while_loop_is_blocked(COMPLETE[:-1], monkeypatch)
