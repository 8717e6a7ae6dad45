"""The two worlds: what goes over the wire, what comes back, and what is left behind."""

from __future__ import annotations

import asyncio
import base64
import gc
import gzip
import ssl
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from airflow_provider_modelarts import __version__
from airflow_provider_modelarts.client.http_types import MAX_BYTES, Request, Response, Transport
from airflow_provider_modelarts.client.signing import sign
from airflow_provider_modelarts.exceptions import InvalidConnectionError, InvalidResponseError, TransportError
from airflow_provider_modelarts.hooks.pool import LoopLocalPool
from airflow_provider_modelarts.simulator import Fault, Simulator
from airflow_provider_modelarts.transport import MAX_CONNECTIONS, AsyncTransport, TransportConfig, block_on
from tests.client.servers import Peer, answering, closed_port, full_port, reply, serving
from tests.transport.transports import awaiting, blocking

AT = datetime(2025, 1, 1, tzinfo=timezone.utc)
SHORT = TransportConfig(connect_timeout=60.0, read_timeout=0.2)

transport_pool: LoopLocalPool[TransportConfig, AsyncTransport] = LoopLocalPool(AsyncTransport.open)

Run = Callable[..., Any]


@pytest.fixture(params=[blocking, awaiting])
def run(request: pytest.FixtureRequest) -> Run:
    """Each of the two worlds in turn; a scenario is written once."""
    run: Run = request.param
    return run


def self_signed(path: Path) -> Path:
    """Write a certificate for localhost that no authority knows, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the certificate of a server."""
    return self_signed(tmp_path_factory.mktemp("tls") / "server.pem")


@pytest.fixture(scope="module")
def other_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate of nobody in particular."""
    return self_signed(tmp_path_factory.mktemp("tls") / "other.pem")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, other_certificate: Path) -> None:
    """No proxy but those that a test names, and one certificate to trust, which loads at once."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(other_certificate))


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Run a ModelArts that judges signatures by itself."""
    with Simulator() as running:
        yield running


def get(url: str) -> Callable[[Transport], Coroutine[Any, Any, Response]]:
    """Return the scenario that sends one GET."""
    return lambda transport: transport.send(Request("GET", url))


def post(url: str, body: bytes = b"{}") -> Callable[[Transport], Coroutine[Any, Any, Response]]:
    """Return the scenario that sends one POST, which nobody may repeat on the sly."""
    return lambda transport: transport.send(Request("POST", url, {"Content-Type": "application/json"}, body))


def signed(simulator: Simulator, method: str, path: str, body: bytes = b"") -> Request:
    """Return a request that the simulator lets in."""
    connection = simulator.connection
    url = f"{connection['host']}/v1/{connection['extra']['project_id']}{path}"
    request = Request(method, url, {"Content-Type": "application/json"}, body)
    return sign(
        request,
        access_key=connection["login"],
        secret_key=connection["password"],
        at=datetime.fromtimestamp(simulator.now(), tz=timezone.utc),
    )


def lines(head: bytes) -> dict[str, str]:
    """Return the header lines of a recorded request by lower-case name."""
    pairs = (line.split(": ", 1) for line in head.decode().split("\r\n\r\n")[0].split("\r\n")[1:])
    return {name.lower(): value for name, value in pairs}


# What goes out


TARGET = "/v1/p%20r%C3%A9%2Fj~x/images//a+b?b=2&a=1&a=%7E~&q=%2B%20+&empty=&flag"


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT", "PATCH"])
def test_the_bytes_on_the_wire_are_the_signed_ones(run: Run, method: str) -> None:
    """Address, order of the query, escapes, headers and body arrive as they were signed."""
    body = b'{"name": "\xc3\xa9"}' if method != "GET" else b""
    with serving(answering(reply())) as server:
        plain = Request(
            method,
            server.url + TARGET,
            {"Content-Type": "application/json", "X-Project-Id": "p"},
            body,
        )
        request = sign(plain, access_key="AK", secret_key="SK", at=AT)
        assert run(lambda transport: transport.send(request)).status == 200
    [sent] = server.requests
    assert sent.split(b"\r\n")[0].decode() == f"{method} {TARGET} HTTP/1.1"
    assert sent.split(b"\r\n\r\n", 1)[1] == body
    may_have_been_processed = lines(sent)
    assert {name: may_have_been_processed[name.lower()] for name in request.headers} == dict(request.headers)
    assert may_have_been_processed["host"] == f"127.0.0.1:{server.port}"


def test_user_agent_is_sent_and_not_signed(run: Run) -> None:
    """Proxies on the way may change it, so it takes no part in the signature."""
    with serving(answering(reply())) as server:
        request = sign(Request("GET", server.url), access_key="AK", secret_key="SK", at=AT)
        run(lambda transport: transport.send(request))
    may_have_been_processed = lines(server.requests[0])
    assert may_have_been_processed["user-agent"] == f"airflow-provider-modelarts/{__version__}"
    assert may_have_been_processed["accept-encoding"] == "identity"
    assert "user-agent" not in may_have_been_processed["authorization"]
    assert "accept-encoding" not in may_have_been_processed["authorization"]


def test_a_request_brings_no_header_of_the_library(run: Run) -> None:
    """Both worlds send the same names, whatever their library would like to add."""
    with serving(answering(reply())) as server:
        request = Request("POST", server.url + "/x", {"Accept": "application/json"}, b"{}")
        run(lambda transport: transport.send(request))
    assert set(lines(server.requests[0])) - {"content-type"} == {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "host",
        "user-agent",
    }


def test_an_independent_check_accepts_the_signature(run: Run, simulator: Simulator) -> None:
    """What arrives is what was signed, says a server that computes it by itself."""
    body = b'{"name": "research", "namespace": "team", "tag": "v1"}'

    async def save_and_list(transport: Transport) -> list[int]:
        path = f"/notebooks/{simulator.notebook_id}/create-image"
        saved = await transport.send(signed(simulator, "POST", path, body))
        listed = await transport.send(signed(simulator, "GET", "/images?type=DEDICATED&name=a%20b%C3%A9~"))
        return [saved.status, listed.status]

    assert run(save_and_list) == [200, 200]
    assert simulator.saves == 1


def test_a_header_that_breaks_the_line_never_leaves(run: Run) -> None:
    """A key pasted with its line end is an error of ours, not of a library, and sends nothing."""
    with serving(answering(reply())) as server:
        request = Request("GET", server.url, {"X-Project-Id": "p\r\nX-Evil: 1"})
        with pytest.raises(InvalidConnectionError) as failed:
            run(lambda transport: transport.send(request))
    assert not failed.value.may_have_been_processed
    assert server.requests == []


def test_a_header_of_any_letters_arrives_as_it_was_signed(run: Run) -> None:
    """In UTF-8: what is signed is the text."""
    with serving(answering(reply())) as server:
        request = Request("GET", server.url, {"X-Project-Id": "Prüfung 漢"})
        run(lambda transport: transport.send(request))
    assert lines(server.requests[0])["x-project-id"] == "Prüfung 漢"


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://", id="no host"),
        pytest.param("http://127.0.0.1:port/", id="port is a word"),
        pytest.param("http://127.0.0.1:99999/", id="port is too large"),
        pytest.param("http://a..b.invalid/", id="empty label"),
        pytest.param(f"http://{'x' * 64}.invalid/", id="label is too long"),
    ],
)
def test_an_address_that_cannot_be_reached_is_a_request_that_never_left(run: Run, url: str) -> None:
    """Whatever the libraries call it."""
    with pytest.raises(InvalidConnectionError) as failed:
        run(get(url))
    assert not failed.value.may_have_been_processed


# What comes back


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
    assert "cookie" not in lines(server.requests[1])


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
    assert lines(server.requests[0])["authorization"] == signed_one.headers["Authorization"]
    assert "authorization" not in lines(server.requests[1])


# What does not come back


def test_a_refused_connection_never_arrived(run: Run) -> None:
    """So even a write may be sent again."""
    with closed_port() as port, pytest.raises(TransportError, match="the service never saw it") as failed:
        run(post(f"http://127.0.0.1:{port}/v1/p/x?secret=1"))
    assert not failed.value.may_have_been_processed
    assert f"POST http://127.0.0.1:{port}/v1/p/x: " in failed.value.message
    assert "\n" not in failed.value.message


def test_an_unknown_host_never_saw_it(run: Run) -> None:
    """A slip in the connection's host."""
    with pytest.raises(TransportError, match=r"nowhere\.invalid") as failed:
        run(post("http://nowhere.invalid/v1/p/x"))
    assert not failed.value.may_have_been_processed


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse instead of waiting")
def test_a_connection_that_does_not_stand_in_time_never_arrived(run: Run) -> None:
    """The connect time-out is not the read time-out."""
    with full_port() as port, pytest.raises(TransportError) as failed:
        run(post(f"http://127.0.0.1:{port}/"), TransportConfig(connect_timeout=0.2, read_timeout=30))
    assert not failed.value.may_have_been_processed


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """Return what a server needs to speak TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize("trusted", ["the world's authorities", "another"])
def test_a_certificate_of_an_unknown_authority_is_not_spoken_to(
    run: Run, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, trusted: str
) -> None:
    """Not a byte of the request is sent, so it never arrived."""
    if trusted != "another":
        monkeypatch.delenv("SSL_CERT_FILE")
    with (
        serving(answering(reply()), tls) as server,
        pytest.raises(TransportError, match=r"(?i)certificate") as failed,
    ):
        run(post(server.url))
    assert not failed.value.may_have_been_processed
    assert server.requests == []


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_environment_names_the_trusted_certificates(
    run: Run,
    tls: ssl.SSLContext,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    """By the same two names in both worlds."""
    monkeypatch.setenv(variable, str(certificate))
    with serving(answering(reply()), tls) as server:
        assert run(get(server.url)).status == 200


def test_another_name_in_the_certificate_is_not_spoken_to(
    run: Run, tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trusted authority is not enough: the host must be the one that was asked for."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with serving(answering(reply()), tls) as server, pytest.raises(TransportError) as failed:
        run(post(f"https://127.0.0.1:{server.port}/"))
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
def test_without_a_whole_reply_a_request_may_have_arrived(run: Run, handle: Callable[[Peer], None]) -> None:
    """Whether the service acted is not known; it is asked once, and no longer than was said."""
    began = time.monotonic()
    with serving(handle) as server:
        with pytest.raises(TransportError, match="whether the service acted on it is not known") as failed:
            run(post(server.url), SHORT)
        took = time.monotonic() - began
    assert failed.value.may_have_been_processed
    assert failed.value.is_transient
    assert len(server.requests) == 1
    assert took < SHORT.connect_timeout, "the read time-out does not wait for the connect time-out"


@pytest.mark.parametrize("kind", ["torn", "reset_after"])
def test_what_took_effect_is_not_said_to_have_never_arrived(
    run: Run, simulator: Simulator, kind: str
) -> None:
    """The save is done, although nobody heard of it."""
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
def test_a_slow_drip_is_bounded_in_total(run: Run, handle: Callable[[Peer], None]) -> None:
    """Each byte comes in time, all of them together do not."""
    began = time.monotonic()
    with serving(handle) as server:
        with pytest.raises(TransportError) as failed:
            run(get(server.url), TransportConfig(connect_timeout=1.0, read_timeout=0.15))
        took = time.monotonic() - began
    assert failed.value.may_have_been_processed
    assert took < 20.0, "it is the end of the drip that ended it"


# Connections


def test_twenty_requests_need_one_connection(run: Run, simulator: Simulator) -> None:
    """Kept alive, in both worlds."""

    async def twenty(transport: Transport) -> set[int]:
        return {(await transport.send(signed(simulator, "GET", "/images"))).status for _ in range(20)}

    assert run(twenty) == {200}
    assert simulator.connections == 1


def test_a_connection_that_the_server_closed_is_replaced(run: Run) -> None:
    """A kept-alive connection that ended between two requests is no failure of the second."""

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
def test_what_is_lost_on_a_kept_connection_is_not_sent_again_on_the_sly(run: Run, method: str) -> None:
    """HTTP libraries do that where they take a method for harmless; what is safe is not theirs to know."""

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


def test_a_triggerer_opens_a_handful_of_connections(simulator: Simulator) -> None:
    """Fifty waits look at once and share eight connections; none fails because it had to wait."""

    async def fifty(transport: Transport) -> set[int]:
        replies = [transport.send(signed(simulator, "GET", "/images")) for _ in range(50)]
        return {got.status for got in await asyncio.gather(*replies)}

    assert awaiting(fifty) == {200}
    assert simulator.connections <= MAX_CONNECTIONS


def test_waiting_for_a_free_connection_is_not_held_against_a_request() -> None:
    """Forty rounds of 0.03 s on the same connections need 1.2 s, and each request may take 1 s."""

    def slow(peer: Peer) -> None:
        while peer.request():
            threading.Event().wait(0.03)
            peer.send(reply())

    with serving(slow) as server:

        async def forty_rounds(transport: Transport) -> set[int]:
            replies = [transport.send(Request("GET", server.url)) for _ in range(40 * MAX_CONNECTIONS)]
            return {got.status for got in await asyncio.gather(*replies)}

        assert awaiting(forty_rounds, TransportConfig(connect_timeout=1.0, read_timeout=1.0)) == {200}


def test_a_sleep_takes_its_time(run: Run) -> None:
    """The one place where time really passes."""
    began = time.monotonic()
    run(lambda transport: transport.sleep(0.02))
    assert time.monotonic() - began >= 0.02


def open_files() -> int:
    """Return how many files and sockets this process holds."""
    return sum(1 for _ in Path("/dev/fd").iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="there is no list of open files")
def test_nothing_is_left_open(run: Run, simulator: Simulator) -> None:
    """No socket outlives its transport, after good replies and bad ones; warnings are errors anyway."""

    async def good_and_bad(transport: Transport) -> None:
        simulator.inject(Fault("torn", skip=1), Fault("huge", skip=1, size=MAX_BYTES + 1))
        await transport.send(signed(simulator, "GET", "/images"))
        with pytest.raises(TransportError):
            await transport.send(signed(simulator, "GET", "/images"))
        with pytest.raises(InvalidResponseError):
            await transport.send(signed(simulator, "GET", "/images"))

    def settled() -> int:
        """Return the count once the simulator has closed its side, too."""
        gc.collect()  # Python 3.13 holds the socket of an unread reply in a cycle with its traceback
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


# Proxies


def test_a_proxy_of_the_environment_is_used(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the address as it was signed, and the headers as well."""
    with serving(answering(reply(b'{"by": "proxy"}'))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        request = sign(
            Request("GET", f"http://modelarts.invalid{TARGET}"), access_key="AK", secret_key="SK", at=AT
        )
        got = run(lambda transport: transport.send(request))
    assert got.body == b'{"by": "proxy"}'
    [sent] = proxy.requests
    assert sent.split(b"\r\n")[0].decode() == f"GET http://modelarts.invalid{TARGET} HTTP/1.1"
    assert lines(sent)["authorization"] == request.headers["Authorization"]
    assert lines(sent)["host"] == "modelarts.invalid"


def test_a_proxy_gets_the_password_that_the_environment_names(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It, and not ModelArts behind it."""
    with serving(answering(reply())) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//someone:p%40ss@"))
        assert run(get("http://modelarts.invalid/")).status == 200
    expected = base64.b64encode(b"someone:p@ss").decode()
    assert lines(proxy.requests[0])["proxy-authorization"] == f"Basic {expected}"


def test_one_proxy_for_all_is_used(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """ALL_PROXY counts where the scheme has none of its own."""
    with serving(answering(reply())) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert run(get("http://modelarts.invalid/")).status == 200
    assert len(proxy.requests) == 1


def test_a_proxy_may_be_named_without_its_scheme(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many machines have it."""
    with serving(answering(reply())) as proxy:
        monkeypatch.setenv("http_proxy", f"localhost:{proxy.port}")
        assert run(get("http://modelarts.invalid/")).status == 200
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("excepted", ["127.0.0.1", "*", "example.com,127.0.0.1"])
def test_no_proxy_is_respected(run: Run, monkeypatch: pytest.MonkeyPatch, excepted: str) -> None:
    """What it names is spoken to directly."""
    with serving(answering(reply())) as proxy, serving(answering(reply())) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("NO_PROXY", excepted)
        assert run(get(server.url)).status == 200
    assert (len(proxy.requests), len(server.requests)) == (0, 1)


def test_a_proxy_that_is_not_there_lets_nothing_through(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the request never arrived."""
    with closed_port() as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        with pytest.raises(TransportError, match="check host, port, proxy") as failed:
            run(post("http://modelarts.invalid/"))
    assert not failed.value.may_have_been_processed


@pytest.mark.parametrize("status", ["403 Forbidden", "407 Proxy Authentication Required", "502 Bad Gateway"])
def test_a_proxy_that_refuses_the_tunnel_lets_nothing_through(
    run: Run, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """And its password is in no message."""
    with serving(answering(reply(b"", status=status))) as proxy:
        monkeypatch.setenv("https_proxy", f"http://someone:hidden-word@127.0.0.1:{proxy.port}")
        with pytest.raises(TransportError) as failed:
            run(post("https://modelarts.invalid/v1"))
    assert not failed.value.may_have_been_processed
    assert "hidden-word" not in "".join(traceback.format_exception(failed.value))
    assert proxy.requests[0].startswith(b"CONNECT modelarts.invalid:443 HTTP/1.")
    assert "proxy-authorization" in lines(proxy.requests[0])


@pytest.mark.parametrize(
    "proxy",
    ["socks5://127.0.0.1:1", "http://:0", "://", "http://someone:hidden-word@[::1"],
)
def test_a_proxy_that_cannot_be_used_lets_nothing_through(
    run: Run, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    """An error of ours in both worlds, and the request never arrived."""
    monkeypatch.setenv("all_proxy", proxy)
    with pytest.raises(InvalidConnectionError) as failed:
        run(post("http://modelarts.invalid/v1"))
    assert not failed.value.may_have_been_processed
    assert "hidden-word" not in "".join(traceback.format_exception(failed.value))


# A coroutine without an event loop


def test_a_coroutine_that_never_suspends_is_run_to_its_end() -> None:
    """And gives what it returns."""

    async def seven() -> int:
        return 7

    assert block_on(seven()) == 7


def test_an_error_comes_out_as_it_is() -> None:
    """Not wrapped."""

    async def fail() -> None:
        raise KeyError("it")

    with pytest.raises(KeyError, match="it"):
        block_on(fail())


def test_a_coroutine_that_suspends_is_closed_and_is_an_error() -> None:
    """It raises where it would hang, and its own clean-up still runs."""
    steps = []

    async def wait() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            steps.append("cleaned up")

    with pytest.raises(RuntimeError, match="never suspend"):
        block_on(wait())
    assert steps == ["cleaned up"]


# What waits have in common


class Kept:
    """A value that counts how often it was opened and closed."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0
        self.may_open = asyncio.Event()
        self.failures = 0

    @asynccontextmanager
    async def open(self, key: str) -> AsyncIterator[str]:
        """Open once it may."""
        self.opened += 1
        await self.may_open.wait()
        if self.failures:
            self.failures -= 1
            raise OSError(f"{key} cannot be opened")
        yield f"{key} {self.opened}"
        self.closed += 1


def unfinished() -> set[asyncio.Task[Any]]:
    """Return the tasks that are left on the loop, but for the one that asks."""
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


async def turns(count: int = 5) -> None:
    """Let everything that can go on go on."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_fifty_users_at_once_open_it_once_and_the_last_closes_it() -> None:
    """And who comes later opens it again."""

    async def main() -> None:
        kept = Kept()
        common: LoopLocalPool[str, str] = LoopLocalPool(kept.open)
        leave = asyncio.Event()

        async def user() -> str:
            async with common.use("it") as value:
                await leave.wait()
                return value

        users = [asyncio.ensure_future(user()) for _ in range(50)]
        await turns()
        kept.may_open.set()
        await turns()
        assert (kept.opened, kept.closed) == (1, 0)
        leave.set()
        assert await asyncio.gather(*users) == ["it 1"] * 50
        assert (kept.opened, kept.closed) == (1, 1)
        assert await user() == "it 2"
        assert (kept.opened, kept.closed) == (2, 2)
        assert unfinished() == set()

    asyncio.run(main())


def test_it_stays_open_until_the_last_user_leaves() -> None:
    """Not the first, not the one who opened it."""

    async def main() -> None:
        kept = Kept()
        kept.may_open.set()
        common: LoopLocalPool[str, str] = LoopLocalPool(kept.open)
        async with common.use("it") as second:
            pass
        assert kept.closed == 1
        async with common.use("it"):
            async with common.use("it") as second:
                assert second == "it 2"
            assert kept.closed == 1
        assert kept.closed == 2

    asyncio.run(main())


def test_each_key_has_its_own() -> None:
    """Other route, another session."""

    async def main() -> None:
        kept = Kept()
        kept.may_open.set()
        common: LoopLocalPool[str, str] = LoopLocalPool(kept.open)
        async with common.use("a") as a, common.use("b") as b:
            assert (a, b) == ("a 1", "b 2")
        assert kept.closed == 2

    asyncio.run(main())


def test_a_cancelled_user_does_not_take_it_along() -> None:
    """The one who began to open it is cancelled; the others get it all the same."""

    async def main() -> None:
        kept = Kept()
        common: LoopLocalPool[str, str] = LoopLocalPool(kept.open)

        async def user() -> str:
            async with common.use("it") as value:
                return value

        first, second = asyncio.ensure_future(user()), asyncio.ensure_future(user())
        await turns()
        first.cancel()
        await turns()
        kept.may_open.set()
        assert await second == "it 1"
        assert first.cancelled()
        assert (kept.opened, kept.closed) == (1, 1)
        assert unfinished() == set()

    asyncio.run(main())


def test_a_cancelled_only_user_leaves_nothing_open() -> None:
    """What was half open is opened to its end, then closed."""

    async def main() -> None:
        kept = Kept()
        common: LoopLocalPool[str, str] = LoopLocalPool(kept.open)

        async def user() -> None:
            async with common.use("it"):
                raise AssertionError("it never opened for this user")

        only = asyncio.ensure_future(user())
        await turns()
        only.cancel()
        await turns()
        kept.may_open.set()
        with pytest.raises(asyncio.CancelledError):
            await only
        assert (kept.opened, kept.closed) == (1, 1)
        assert unfinished() == set()

    asyncio.run(main())


def test_a_user_that_is_cancelled_twice_leaves_nothing_open() -> None:
    """A second cancellation, while the first waits for the opening, must not leak it."""

    async def main() -> None:
        kept = Kept()
        common: LoopLocalPool[str, str] = LoopLocalPool(kept.open)

        async def user() -> None:
            async with common.use("it"):
                raise AssertionError("it never opened for this user")

        only = asyncio.ensure_future(user())
        await turns()
        only.cancel()
        await turns()
        only.cancel()
        await turns()
        kept.may_open.set()
        with pytest.raises(asyncio.CancelledError):
            await only
        await turns()
        assert (kept.opened, kept.closed) == (1, 1)

    asyncio.run(main())


def test_an_opening_that_fails_fails_all_and_can_be_tried_again() -> None:
    """Nobody waits for ever, and nothing is remembered."""

    async def main() -> None:
        kept = Kept()
        kept.failures = 1
        common: LoopLocalPool[str, str] = LoopLocalPool(kept.open)

        async def user() -> str:
            async with common.use("it") as value:
                return value

        users = [asyncio.ensure_future(user()) for _ in range(3)]
        await turns()
        kept.may_open.set()
        outcomes = await asyncio.gather(*users, return_exceptions=True)
        assert [str(outcome) for outcome in outcomes] == ["it cannot be opened"] * 3
        assert await user() == "it 2"
        assert (kept.opened, kept.closed) == (2, 1)
        assert unfinished() == set()

    asyncio.run(main())


def test_an_error_of_a_user_closes_it_and_comes_out() -> None:
    """As with any context manager."""

    async def main() -> None:
        kept = Kept()
        kept.may_open.set()
        common: LoopLocalPool[str, str] = LoopLocalPool(kept.open)
        with pytest.raises(KeyError):
            async with common.use("it"):
                raise KeyError("user")
        assert kept.closed == 1

    asyncio.run(main())


def test_two_event_loops_do_not_share() -> None:
    """A session belongs to the loop that it was opened on, even with loops at the same time."""
    together = threading.Barrier(2, timeout=10)
    seen: list[object] = []

    async def main() -> None:
        async with transport_pool.use(TransportConfig()) as transport:
            seen.append(transport)
            await asyncio.to_thread(together.wait)

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(transport) for transport in seen}) == 2


def test_all_waits_of_a_loop_share_one_transport() -> None:
    """Equal route are the same route."""

    async def main() -> None:
        async with (
            transport_pool.use(TransportConfig()) as one,
            transport_pool.use(TransportConfig()) as two,
            transport_pool.use(SHORT) as other,
        ):
            assert one is two
            assert one is not other
        assert unfinished() == set()

    asyncio.run(main())
