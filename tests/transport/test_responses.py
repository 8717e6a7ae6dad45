"""What both transports return: status, headers and a bounded body; nothing is followed or kept."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from airflow_provider_modelarts.client.http_types import MAX_BYTES, Request, Transport
from airflow_provider_modelarts.client.signing import sign
from airflow_provider_modelarts.exceptions import InvalidResponseError
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.client.servers import Peer, answering, reply, serving
from tests.transport.transports import AT, Run, get, header_lines, post, signed


def test_a_reply_is_its_status_its_headers_and_its_body(run: Run) -> None:
    """Header names are lower case, and a refusal is a reply like any other."""
    answer = reply(b"\x00 not JSON", "X-Request-Id: r-1", "Content-Type: text/plain", status="418 Teapot")
    with serving(answering(answer)) as server:
        got = run(get(server.url))
    assert (got.status, got.body) == (418, b"\x00 not JSON")
    assert got.headers["x-request-id"] == "r-1"
    assert got.headers["content-type"] == "text/plain"


def test_a_redirect_is_returned_and_not_followed(run: Run, simulator: Simulator) -> None:
    """A signature is for one address only."""
    simulator.inject(Fault("redirect", location=f"{simulator.endpoint}/elsewhere"))
    got = run(lambda transport: transport.send(signed(simulator, "GET", "/images")))
    assert (got.status, got.headers["location"]) == (302, f"{simulator.endpoint}/elsewhere")
    assert len(simulator.journal) == 1


@pytest.mark.parametrize("location", ["http://[::1", "http://a:b:c/", "//", "", "gopher://x/"])
def test_a_redirect_to_nowhere_is_a_reply_like_any_other(run: Run, location: str) -> None:
    """It came back whole, so nobody looks at where it points."""
    answer = reply(b"moved", f"Location: {location}", status="302 Found")
    with serving(answering(answer)) as server:
        got = run(post(server.url))
    assert (got.status, got.body) == (302, b"moved")


def test_the_body_of_a_redirect_is_bounded_as_well(run: Run) -> None:
    """Its status makes no difference: no library reads all of it first."""
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


def test_the_largest_reply_is_read(run: Run, simulator: Simulator) -> None:
    """MAX_BYTES bytes are fine."""
    simulator.inject(Fault("huge", size=MAX_BYTES))
    got = run(lambda transport: transport.send(signed(simulator, "GET", "/images")))
    assert len(got.body) == MAX_BYTES


def test_a_larger_reply_is_not_read(run: Run, simulator: Simulator) -> None:
    """One byte more is not; nothing of it is kept, nor is the connection."""
    simulator.inject(Fault("huge", size=MAX_BYTES + 1))

    async def twice(transport: Transport) -> int:
        with pytest.raises(
            InvalidResponseError, match=rf"GET http://.*/images is larger than {MAX_BYTES} bytes"
        ):
            await transport.send(signed(simulator, "GET", "/images?type=DEDICATED"))
        return (await transport.send(signed(simulator, "GET", "/images"))).status

    assert run(twice) == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_compressed_reply_is_read_although_nobody_asked_for_it(run: Run, chunked: bool) -> None:
    """Some proxy on the way thought it was clever."""
    body = gzip.compress(b'{"id": "i"}')
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
    if chunked:
        answer = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    else:
        answer = head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    with serving(answering(answer)) as server:
        assert run(get(server.url)).body == b'{"id": "i"}'


def test_a_compressed_reply_is_bounded_by_what_it_becomes(run: Run) -> None:
    """A few bytes that unfold into far too many."""
    answer = reply(gzip.compress(bytes(4 * MAX_BYTES)), "Content-Encoding: gzip")
    with serving(answering(answer)) as server, pytest.raises(InvalidResponseError, match="larger than"):
        run(get(server.url))


def test_a_reply_without_end_is_bounded(run: Run) -> None:
    """A body in chunks, without a length, stops at the same size."""

    def endless(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            peer.send(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")

    with serving(endless) as server, pytest.raises(InvalidResponseError, match="larger than"):
        run(get(server.url))


def test_cookies_are_not_kept(run: Run) -> None:
    """A session that a gateway offers is not taken up: each request stands for itself."""
    with serving(answering(reply(b"{}", "Set-Cookie: a=b; Path=/"))) as server:

        async def twice(transport: Transport) -> None:
            await transport.send(Request("GET", server.url))
            await transport.send(Request("GET", server.url))

        run(twice)
    assert len(server.requests) == 2
    assert "cookie" not in header_lines(server.requests[1])


def test_a_netrc_file_does_not_replace_the_signature(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Even if it names the very host."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(answering(reply())) as server:
        signed_one = sign(Request("GET", server.url), access_key="AK", secret_key="SK", at=AT)

        async def both(transport: Transport) -> None:
            await transport.send(signed_one)
            await transport.send(Request("GET", server.url))

        run(both)
    assert header_lines(server.requests[0])["authorization"] == signed_one.headers["Authorization"]
    assert "authorization" not in header_lines(server.requests[1])
