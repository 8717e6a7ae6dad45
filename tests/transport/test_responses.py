"""What both transports return: status, headers and a bounded body; nothing is followed or kept."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from airflow_provider_modelarts.client.http_types import MAX_BYTES, Request, Transport
from airflow_provider_modelarts.client.signing import sign
from airflow_provider_modelarts.exceptions import InvalidResponseError
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.servers import Peer, answering, reply, serving
from tests.transport.scenarios import NOW, Run, get, header_lines, post, signed


def test_send_returns_status_headers_and_body_of_any_response(run: Run) -> None:
    answer = reply(b"\x00 not JSON", "X-Request-Id: r-1", "Content-Type: text/plain", status="418 Teapot")
    with serving(answering(answer)) as server:
        got = run(get(server.url))
    assert (got.status, got.body) == (418, b"\x00 not JSON")
    assert got.headers["x-request-id"] == "r-1"
    assert got.headers["content-type"] == "text/plain"


def test_send_returns_redirect_without_following(run: Run, simulator: Simulator) -> None:
    """A signature is valid for one address."""
    simulator.inject(Fault("redirect", location=f"{simulator.endpoint}/elsewhere"))
    got = run(lambda transport: transport.send(signed(simulator, "GET", "/images")))
    assert (got.status, got.headers["location"]) == (302, f"{simulator.endpoint}/elsewhere")
    assert len(simulator.journal) == 1


@pytest.mark.parametrize("location", ["http://[::1", "http://a:b:c/", "//", "", "gopher://x/"])
def test_send_returns_redirect_to_invalid_location(run: Run, location: str) -> None:
    answer = reply(b"moved", f"Location: {location}", status="302 Found")
    with serving(answering(answer)) as server:
        got = run(post(server.url))
    assert (got.status, got.body) == (302, b"moved")


def test_max_bytes_limits_body_of_redirect(run: Run) -> None:
    """No library may read all of it first."""
    sent = []

    def large(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(64):
            peer.send(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")
            sent.append(number)

    with serving(large) as server, pytest.raises(InvalidResponseError, match="larger than"):
        run(get(server.url))
    assert len(sent) < 48


def test_send_reads_response_of_max_bytes(run: Run, simulator: Simulator) -> None:
    simulator.inject(Fault("huge", size=MAX_BYTES))
    got = run(lambda transport: transport.send(signed(simulator, "GET", "/images")))
    assert len(got.body) == MAX_BYTES


def test_send_rejects_response_above_max_bytes_and_continues(run: Run, simulator: Simulator) -> None:
    simulator.inject(Fault("huge", size=MAX_BYTES + 1))

    async def twice(transport: Transport) -> int:
        with pytest.raises(
            InvalidResponseError, match=rf"GET http://.*/images is larger than {MAX_BYTES} bytes"
        ):
            await transport.send(signed(simulator, "GET", "/images?type=DEDICATED"))
        return (await transport.send(signed(simulator, "GET", "/images"))).status

    assert run(twice) == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_send_decompresses_unrequested_gzip(run: Run, chunked: bool) -> None:
    """A proxy may compress responses."""
    body = gzip.compress(b'{"id": "i"}')
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
    if chunked:
        answer = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    else:
        answer = head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    with serving(answering(answer)) as server:
        assert run(get(server.url)).body == b'{"id": "i"}'


def test_max_bytes_limits_compressed_response(run: Run) -> None:
    answer = reply(gzip.compress(bytes(4 * MAX_BYTES)), "Content-Encoding: gzip")
    with serving(answering(answer)) as server, pytest.raises(InvalidResponseError, match="larger than"):
        run(get(server.url))


def test_max_bytes_limits_response_without_length(run: Run) -> None:
    def endless(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            peer.send(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")

    with serving(endless) as server, pytest.raises(InvalidResponseError, match="larger than"):
        run(get(server.url))


def test_send_keeps_no_cookies(run: Run) -> None:
    with serving(answering(reply(b"{}", "Set-Cookie: a=b; Path=/"))) as server:

        async def twice(transport: Transport) -> None:
            await transport.send(Request("GET", server.url))
            await transport.send(Request("GET", server.url))

        run(twice)
    assert len(server.requests) == 2
    assert "cookie" not in header_lines(server.requests[1])


def test_send_ignores_netrc_file(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(answering(reply())) as server:
        signed_one = sign(Request("GET", server.url), access_key="AK", secret_key="SK", now=NOW)

        async def both(transport: Transport) -> None:
            await transport.send(signed_one)
            await transport.send(Request("GET", server.url))

        run(both)
    assert header_lines(server.requests[0])["authorization"] == signed_one.headers["Authorization"]
    assert "authorization" not in header_lines(server.requests[1])
