"""Requests without a complete response, and whether the service may have processed them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import pytest

from airflow_provider_modelarts.exceptions import TransportError
from airflow_provider_modelarts.simulator import Fault, Simulator
from airflow_provider_modelarts.transport import TransportConfig
from tests.servers import Peer, closed_port, full_port, reply, serving
from tests.transport.scenarios import SHORT, Run, get, post, signed


def test_refused_connection_means_not_processed(run: Run) -> None:
    """So even a write may be sent again."""
    with (
        closed_port() as port,
        pytest.raises(TransportError, match="the service did not receive it") as failed,
    ):
        run(post(f"http://127.0.0.1:{port}/v1/p/x?secret=1"))
    assert not failed.value.may_have_been_processed
    assert f"POST http://127.0.0.1:{port}/v1/p/x: " in failed.value.message
    assert "\n" not in failed.value.message


def test_unknown_host_means_not_processed(run: Run) -> None:
    with pytest.raises(TransportError, match=r"nowhere\.invalid") as failed:
        run(post("http://nowhere.invalid/v1/p/x"))
    assert not failed.value.may_have_been_processed


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse instead of waiting")
def test_connect_timeout_means_not_processed(run: Run) -> None:
    with full_port() as port, pytest.raises(TransportError) as failed:
        run(post(f"http://127.0.0.1:{port}/"), TransportConfig(connect_timeout=0.2, read_timeout=30))
    assert not failed.value.may_have_been_processed


def _reset(peer: Peer) -> None:
    peer.request()
    peer.reset()


def _close(peer: Peer) -> None:
    peer.request()


def _tear(peer: Peer) -> None:
    peer.request()
    peer.send(reply(b"{}").replace(b"Length: 2", b"Length: 200"))


def _tear_chunks(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{}")


def _tear_status(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1")


def _babble(peer: Peer) -> None:
    peer.request()
    peer.send(b"SSH-2.0-OpenSSH_9.6\r\n")


def _hang(peer: Peer) -> None:
    peer.request()
    peer.hang()


def _hang_in_body(peer: Peer) -> None:
    peer.request()
    peer.send(reply(b"{}").replace(b"Length: 2", b"Length: 200"))
    peer.hang()


@pytest.mark.parametrize(
    "handle",
    [_reset, _close, _tear, _tear_chunks, _tear_status, _babble, _hang, _hang_in_body],
)
def test_incomplete_response_may_have_been_processed(run: Run, handle: Callable[[Peer], None]) -> None:
    """It is sent once, and the read timeout ends it."""
    began = time.monotonic()
    with serving(handle) as server:
        with pytest.raises(TransportError, match="the service may have processed the request") as failed:
            run(post(server.url), SHORT)
        took = time.monotonic() - began
    assert failed.value.may_have_been_processed
    assert failed.value.is_transient
    assert len(server.requests) == 1
    assert took < SHORT.connect_timeout, "the read timeout does not wait for the connect timeout"


@pytest.mark.parametrize("kind", ["torn", "reset_after"])
def test_processed_save_with_lost_response_may_have_been_processed(
    run: Run, simulator: Simulator, kind: str
) -> None:
    simulator.inject(Fault(kind))
    body = b'{"name": "research", "namespace": "team", "tag": "v1"}'
    path = f"/notebooks/{simulator.notebook_id}/create-image"
    with pytest.raises(TransportError) as failed:
        run(lambda transport: transport.send(signed(simulator, "POST", path, body)))
    assert failed.value.may_have_been_processed
    assert simulator.saves == 1


def _drip_body(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    peer.drip(b"x" * 1000, 0.05)


def _drip_chunks(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    peer.drip(b"1\r\nx\r\n" * 200, 0.05)


@pytest.mark.parametrize("handle", [_drip_body, _drip_chunks])
def test_read_timeout_limits_total_time_of_slow_response(run: Run, handle: Callable[[Peer], None]) -> None:
    began = time.monotonic()
    with serving(handle) as server:
        with pytest.raises(TransportError) as failed:
            run(get(server.url), TransportConfig(connect_timeout=1.0, read_timeout=0.15))
        took = time.monotonic() - began
    assert failed.value.may_have_been_processed
    assert took < 20.0, "it is the end of the drip that ended it"
