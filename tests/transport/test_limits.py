"""Limits of time and size for every exchange, whatever the peer sends and how fast."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_modelarts.client.http_types import Request, Response, Transport
from airflow_provider_modelarts.exceptions import ResponseTooLargeError, TransportError
from airflow_provider_modelarts.transport import TransportConfig
from airflow_provider_modelarts.transport.async_transport import MAX_CONNECTIONS, AsyncTransport
from tests.fast_forward import FastForward
from tests.servers import Peer, answering, closed_port, full_port, reply, serving
from tests.transport.scenarios import Run, awaiting, blocking, send

HASTY = TransportConfig(connect_timeout=30, read_timeout=0.2)
PATIENT = TransportConfig(connect_timeout=120, read_timeout=120)
LONG = 60.0
"""Seconds that nothing here takes unless it hangs, however busy the machine is."""

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

# What a peer begins with, and what it then repeats without end.
ENDLESS = {
    "status": (b"HTTP/1.1 200 ", b"O"),
    "header line": (HEAD + b"X-Slow: ", b"x"),
    "headers": (HEAD, b"X-Slow: x\r\n"),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "interim with headers": (b"", b"HTTP/1.1 100 Continue\r\nX-Slow: x\r\n\r\n"),
    "102 Processing": (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "chunk extension": (CHUNKED + b"1;", b"x"),
    "chunk extensions": (CHUNKED, b"1;x=y\r\nz\r\n"),
    "chunk size": (CHUNKED, b"0"),
    "trailers": (CHUNKED + b"0\r\n", b"X-Slow: x\r\n"),
    "chunks": (CHUNKED, b"1\r\nx\r\n"),
    "body": (HEAD + b"\r\n", b"x"),
}


class Pourer:
    """
    A server that sends without end, until the client disconnects.

    :param seconds: between two bytes; without it as fast as it can.
    """

    def __init__(self, begin: bytes, repeat: bytes, *, seconds: float = 0, is_spoken_to: bool = True) -> None:
        self._begin = begin
        self._repeat = repeat if seconds else repeat * (65536 // len(repeat))
        self._seconds = seconds
        self._is_spoken_to = is_spoken_to
        self.was_left = threading.Event()
        self.sent = 0

    def __call__(self, peer: Peer) -> None:
        try:
            if self._is_spoken_to:
                peer.request()
            peer.send(self._begin)
            while True:
                if self._seconds:
                    peer.drip(self._repeat, self._seconds)
                else:
                    peer.send(self._repeat)
                self.sent += len(self._repeat)
        except OSError:
            self.was_left.set()
            raise


def failing(
    run: Run, request: Request, config: TransportConfig, timeout: float | None = None
) -> TransportError:
    """Return what an exchange fails with, which it does in bearable time."""
    began = time.monotonic()
    with pytest.raises(TransportError) as failed:
        run(send(request, timeout), config)
    assert time.monotonic() - began < LONG / 2
    return failed.value


@pytest.mark.parametrize("what", ENDLESS)
def test_read_timeout_limits_slow_response(run: Run, what: str) -> None:
    pourer = Pourer(*ENDLESS[what], seconds=0.02)
    with serving(pourer) as server:
        failure = failing(run, Request("GET", server.url), HASTY)
        assert pourer.was_left.wait(LONG)
    assert (failure.stage, failure.may_have_been_processed) == ("timeout", True)


@pytest.mark.parametrize("what", [what for what in ENDLESS if what != "chunk size"])
def test_max_bytes_limits_fast_response(run: Run, what: str) -> None:
    """The libraries refuse some of it themselves; nothing is read until the timeout."""
    pourer = Pourer(*ENDLESS[what])
    with serving(pourer) as server:
        with pytest.raises((ResponseTooLargeError, TransportError)) as failed:
            run(send(Request("GET", server.url)), PATIENT)
        assert pourer.was_left.wait(LONG)
    assert failed.value.may_have_been_processed
    assert getattr(failed.value, "stage", "") != "timeout"
    assert pourer.sent < 32 * 1024 * 1024, "what the sockets' buffers hold, and no more"


@pytest.mark.parametrize("what", ["100 Continue", "chunk extensions", "chunks", "body"])
def test_max_bytes_error_names_request_and_limit(run: Run, what: str) -> None:
    with serving(Pourer(*ENDLESS[what])) as server, pytest.raises(ResponseTooLargeError) as failed:
        run(send(Request("GET", f"{server.url}/v1/images?limit=500", max_bytes=1000)), PATIENT)
    assert f"GET {server.url}/v1/images is larger than 1000 bytes" in failed.value.message
    assert failed.value.is_transient


def test_connect_timeout_limits_slow_tls_handshake(run: Run) -> None:
    """A record of 16 kB, byte after byte."""
    pourer = Pourer(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\x03", seconds=0.02, is_spoken_to=False)
    with serving(pourer) as server:
        failure = failing(
            run,
            Request("POST", f"https://127.0.0.1:{server.port}/"),
            TransportConfig(connect_timeout=0.3, read_timeout=90),
        )
        assert pourer.was_left.wait(LONG)
    assert (failure.stage, failure.may_have_been_processed) == ("timeout", False)


@pytest.mark.parametrize(
    ("begin", "repeat"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x", id="head"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"X-Slow: x\r\n", id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\x03", id="handshake"),
    ],
)
def test_connect_timeout_limits_slow_proxy(run: Run, begin: bytes, repeat: bytes) -> None:
    pourer = Pourer(begin, repeat, seconds=0.02)
    with serving(pourer) as proxy:
        config = TransportConfig(connect_timeout=0.3, read_timeout=90, proxy=proxy.url)
        failure = failing(run, Request("POST", "https://modelarts.invalid/"), config)
        assert pourer.was_left.wait(LONG)
    assert (failure.stage, failure.may_have_been_processed) == ("timeout", False)


def test_max_bytes_limits_fast_proxy(run: Run) -> None:
    pourer = Pourer(b"HTTP/1.1 200 OK\r\n", b"X: x\r\n")
    with serving(pourer) as proxy:
        with pytest.raises((ResponseTooLargeError, TransportError)):
            run(
                send(Request("POST", "https://modelarts.invalid/")),
                TransportConfig(120, 120, proxy=proxy.url),
            )
        assert pourer.was_left.wait(LONG)


@pytest.mark.parametrize("length", ["1001", "00001001", "9" * 30, "9" * 5000])
def test_content_length_above_max_bytes_is_rejected_unread(run: Run, length: str) -> None:
    def announce(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD + f"Content-Length: {length}\r\n\r\n".encode())
        peer.hang()

    began = time.monotonic()
    with serving(announce) as server, pytest.raises((ResponseTooLargeError, TransportError)) as failed:
        run(send(Request("GET", server.url, max_bytes=1000)), PATIENT)
    assert time.monotonic() - began < LONG
    # The last two exceed 64 bits; one of the libraries does not parse such a response at all.
    assert isinstance(failed.value, ResponseTooLargeError) or len(length) > 20


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 70_000])
@pytest.mark.parametrize("form", ["length", "chunks", "close"])
def test_max_bytes_is_size_of_largest_body(run: Run, form: str, size: int) -> None:
    body = b"x" * size
    if form == "length":
        answer = reply(body)
    elif form == "chunks":
        pieces = [body[at : at + 7] for at in range(0, size, 7)]
        answer = CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    else:
        answer = HEAD + b"Connection: close\r\n\r\n" + body

    def once(peer: Peer) -> None:
        peer.request()
        peer.send(answer)

    with serving(once) as server:
        request = Request("GET", server.url, max_bytes=1000)
        if size <= 1000:
            assert run(send(request), PATIENT).body == body
        else:
            with pytest.raises(ResponseTooLargeError):
                run(send(request), PATIENT)


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
        ("gzip", lambda body: gzip.compress(body[:5]) + gzip.compress(body[5:])),
    ],
)
def test_max_bytes_limits_decompressed_body(run: Run, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    for body in (b"", b"x" * 1000, b"x" * 1001, b"x" * 5_000_000):
        with serving(answering(reply(pack(body), f"Content-Encoding: {encoding}"))) as server:
            request = Request("GET", server.url, max_bytes=6_000 if len(body) > 1001 else 1000)
            if len(body) <= 1000:
                assert run(send(request), PATIENT).body == body
            else:
                with pytest.raises(ResponseTooLargeError):
                    run(send(request), PATIENT)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{}", id="not packed"),
        pytest.param(gzip.compress(b"x" * 1000)[:-9], id="without end"),
        pytest.param(b"\x1f\x8b", id="without content"),
    ],
)
def test_body_that_cannot_be_decompressed_is_invalid(run: Run, body: bytes) -> None:
    with serving(answering(reply(body, "Content-Encoding: gzip"))) as server:
        failure = failing(run, Request("GET", server.url), PATIENT)
    assert (failure.stage, failure.may_have_been_processed) == ("connection", True)


@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints"])
def test_interim_response_is_skipped(run: Run, interim: str) -> None:
    answer = f"HTTP/1.1 {interim}\r\nLink: </x>\r\n\r\n".encode() + reply(b"{}")
    with serving(answering(answer)) as server:
        got = run(send(Request("GET", server.url)))
    assert (got.status, got.body) == (200, b"{}")


def test_token_of_many_kilobytes_is_read(run: Run) -> None:
    """IAM's tokens are one line of the head."""
    token = "T" * 32_000
    with serving(answering(reply(b"{}", f"X-Subject-Token: {token}"))) as server:
        assert run(send(Request("POST", server.url))).headers["x-subject-token"] == token


def test_limits_apply_to_each_exchange_of_kept_connection(
    run: Run, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It idles longer than an exchange may take, and all responses together exceed the limit of one."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    chunked = CHUNKED + b"5;a=b\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n"
    answers = [reply(b"x" * 60_000), b"HTTP/1.1 100 Continue\r\n\r\n" + chunked, *[reply(b"y" * 60_000)] * 4]

    async def several(transport: Transport) -> list[Response]:
        got = []
        for number in range(len(answers)):
            got.append(await transport.send(Request("GET", url, max_bytes=60_000), timeout=LONG))
            if number == 1:
                await transport.sleep(10.1)
        return got

    FastForward(monkeypatch)
    with serving(answering(*answers), tls) as server:
        url = f"https://127.0.0.1:{server.port}/"
        got = run(several, TransportConfig(connect_timeout=30, read_timeout=10))
        assert [len(each.body) for each in got] == [60_000, 5, 60_000, 60_000, 60_000, 60_000]
        assert server.connections == 1


# The timeout of one call


def hanging(peer: Peer) -> None:
    peer.request()
    peer.hang()


def test_timeout_overrides_longer_read_timeout_of_config(run: Run) -> None:
    with serving(hanging) as server:
        failure = failing(run, Request("POST", server.url), PATIENT, timeout=0.3)
    assert (failure.stage, failure.may_have_been_processed) == ("timeout", True)
    assert len(server.requests) == 1


def test_timeout_limits_slow_response(run: Run) -> None:
    with serving(Pourer(*ENDLESS["headers"], seconds=0.02)) as server:
        failure = failing(run, Request("GET", server.url), PATIENT, timeout=0.3)
    assert (failure.stage, failure.may_have_been_processed) == ("timeout", True)


def test_timeout_does_not_extend_timeouts_of_config(run: Run) -> None:
    with serving(hanging) as server:
        failure = failing(run, Request("GET", server.url), HASTY, timeout=10_000)
    assert failure.stage == "timeout"


@pytest.mark.parametrize("timeout", [0.0, -1.0])
def test_timeout_of_zero_sends_nothing(run: Run, timeout: float) -> None:
    with serving(answering(reply())) as server:
        failure = failing(run, Request("POST", server.url), PATIENT, timeout=timeout)
    assert (failure.stage, failure.may_have_been_processed) == ("timeout", False)
    assert failure.is_transient
    assert server.connections == 0


def test_timeout_includes_wait_for_free_connection() -> None:
    """Requests that time out there were not sent; the connections continue."""

    async def many(transport: Transport) -> list[BaseException | Response]:
        sent = [transport.send(Request("GET", server.url), timeout=1.5) for _ in range(MAX_CONNECTIONS)]
        # They end first however slow the machine is: the timers of an event loop fire in the order of time.
        sent += [transport.send(Request("POST", server.url), timeout=0.3) for _ in range(100)]
        return await asyncio.gather(*sent, return_exceptions=True)

    with serving(hanging) as server:
        outcomes = awaiting(many, PATIENT)
        assert len(server.requests) == server.connections == MAX_CONNECTIONS
    failures = [outcome for outcome in outcomes if isinstance(outcome, TransportError)]
    assert [failure.may_have_been_processed for failure in failures] == [True] * MAX_CONNECTIONS + [
        False
    ] * 100
    assert {failure.stage for failure in failures} == {"timeout"}
    assert "no connection was free for POST" in failures[-1].message


def test_hanging_service_holds_no_connection_to_another_service() -> None:
    def hang(peer: Peer) -> None:
        peer.request()
        peer.hang()

    async def main(hanging: str, healthy: str) -> int:
        async with AsyncTransport.open(PATIENT) as transport:
            held = [
                asyncio.ensure_future(transport.send(Request("GET", hanging))) for _ in range(MAX_CONNECTIONS)
            ]
            await asyncio.sleep(0)
            replied = await transport.send(Request("GET", healthy), timeout=LONG)
            for each in held:
                each.cancel()
            await asyncio.gather(*held, return_exceptions=True)
            return replied.status

    with serving(hang) as first, serving(answering(reply())) as second:
        assert asyncio.run(main(first.url, second.url)) == 200


def test_free_connection_is_passed_on_by_cancelled_and_late_requests() -> None:
    may_answer = threading.Event()

    def answer(peer: Peer) -> None:
        while peer.request():
            may_answer.wait(LONG)
            peer.send(reply())

    async def scenario(transport: Transport) -> set[int]:
        def sent(timeout: float | None = None) -> asyncio.Future[Response]:
            return asyncio.ensure_future(transport.send(Request("GET", server.url), timeout=timeout))

        holders = [sent() for _ in range(MAX_CONNECTIONS)]
        await asyncio.sleep(0)
        cancelled = [sent() for _ in range(20)]
        out_of_time = [sent(0.05) for _ in range(20)]
        served = [sent() for _ in range(20)]
        await asyncio.wait(out_of_time)
        for one in cancelled:
            one.cancel()
        may_answer.set()
        # The next in line is cancelled in the very step in which a connection is free.
        await asyncio.wait(holders, return_when=asyncio.FIRST_COMPLETED)
        served[0].cancel()
        await asyncio.wait(served)
        more = await asyncio.gather(*[sent() for _ in range(3 * MAX_CONNECTIONS)])
        return {got.status for got in [*more, *[one.result() for one in served[1:]]]}

    with serving(answer) as server:
        assert awaiting(scenario, PATIENT) == {200}


# Name resolution and several addresses, which a worker does by itself


def test_connect_timeout_limits_hanging_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operating system's may take half a minute, and has no timeout."""
    is_done = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: is_done.wait(LONG))
    failure = failing(blocking, Request("POST", "http://127.0.0.1:1/"), TransportConfig(connect_timeout=0.3))
    is_done.set()
    assert (failure.stage, failure.may_have_been_processed) == ("timeout", False)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse instead of waiting")
def test_each_address_of_host_has_share_of_connect_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that does not respond leaves time for the next."""
    tcp = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
    with full_port() as silent, closed_port() as closed, serving(answering(reply())) as server:
        ports = (closed, silent, server.port)
        found = [(*tcp, ("127.0.0.1", port)) for port in ports]
        with monkeypatch.context() as resolver:
            resolver.setattr(socket, "getaddrinfo", lambda *_, **__: found)
            got = blocking(
                send(Request("GET", "http://modelarts.invalid/")), TransportConfig(connect_timeout=2)
            )
    assert got.status == 200
