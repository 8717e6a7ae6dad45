"""Errors of both transports: stage and cause, without secrets."""

from __future__ import annotations

import logging
import ssl
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest

from airflow_provider_modelarts.client.http_types import Request, Transport
from airflow_provider_modelarts.exceptions import (
    PERMANENT,
    InvalidConnectionError,
    ModelArtsError,
    TransportError,
)
from airflow_provider_modelarts.transport import TransportConfig
from tests.certificates import Authority
from tests.servers import Peer, answering, closed_port, reply, serving
from tests.transport.scenarios import Run, send

SECRET = "hidden-word"
ROUTE = TransportConfig(connect_timeout=30, read_timeout=30)


def failing(run: Run, request: Request, config: TransportConfig = ROUTE) -> ModelArtsError:
    """Return what a request fails with, which chains to nothing and does not hold the secret."""
    with pytest.raises(ModelArtsError) as failed:
        run(send(request), config)
    error = failed.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert SECRET not in "".join(traceback.format_exception(error)) + repr(error.args)
    return error


def assert_never_sent(error: ModelArtsError) -> None:
    """It is no passing failure, and left nothing anywhere."""
    assert isinstance(error, InvalidConnectionError)
    assert isinstance(error, PERMANENT)
    assert (error.is_transient, error.may_have_been_processed) == (False, False)


# What cannot be sent


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (f"{SECRET}\n", "line break"),
        (f"{SECRET}\nX-Evil: 1", "line break"),
        (f"{SECRET}\n {SECRET}", "line break"),
        (f"{SECRET}\r\n\t{SECRET}", "line break"),
        (f"{SECRET}\r", "line break"),
        (f"{SECRET}\0", "control character"),
        (f"\x1b{SECRET}\x7f", "control character"),
        (f" {SECRET}", "white space"),
        (f"{SECRET}\N{NO-BREAK SPACE}", "white space"),
        (f"{SECRET}\ud800", "an incomplete character"),
    ],
)
def test_send_rejects_invalid_header_value_by_header_name(run: Run, value: str, fault: str) -> None:
    with serving(answering(reply())) as server:
        error = failing(run, Request("POST", server.url, {"X-Security-Token": value}))
        assert server.connections == 0
    assert_never_sent(error)
    assert "X-Security-Token" in error.message
    assert fault in error.message


@pytest.mark.parametrize("name", ["", f"{SECRET} x", f"{SECRET}:", f"{SECRET}\n", "é"])
def test_send_rejects_invalid_header_name(run: Run, name: str) -> None:
    assert_never_sent(failing(run, Request("GET", "http://127.0.0.1:1/", {name: "x"})))


@pytest.mark.parametrize(
    "url",
    [
        f"http://{SECRET}:99999/",
        f"http://{SECRET}:port/",
        f"http://{SECRET}..invalid/",
        f"http://{SECRET}{'x' * 64}.invalid/",
        f"http://[{SECRET}/",
        f"http:///{SECRET}",
        f"ftp://{SECRET}/",
        f"{SECRET}.invalid/",
        f"http://user:{SECRET}@127.0.0.1/",
        f"http://user:1/{SECRET}@127.0.0.1/",
        f"http://user:1\\{SECRET}@127.0.0.1/",
        f"http://127.0.0.1/{SECRET} x",
        f"http://127.0.0.1/{SECRET}\n",
        f"http://127.0.0.1\t/{SECRET}",
        f"http://127.0.0.1/{SECRET}é",
        f"http://127.0.0.1/{SECRET}\ud800",
        "http://",
        "",
    ],
)
def test_send_rejects_invalid_address_without_showing_it(run: Run, url: str) -> None:
    error = failing(run, Request("GET", url, service="swr"))
    assert_never_sent(error)
    assert "address of swr" in error.message


# Proxies


BAD_PROXIES = [
    f"http://user:x/{SECRET}@127.0.0.1:1",
    f"http://user:1/{SECRET}@127.0.0.1:1",
    f"http://user:x#{SECRET}@127.0.0.1:1",
    f"http://user:1#{SECRET}@127.0.0.1:1",
    f"http://user:x?{SECRET}@127.0.0.1:1",
    f"http://user:1?{SECRET}@127.0.0.1:1",
    f"http://user:x\\{SECRET}@127.0.0.1:1",
    f"http://user:1\\{SECRET}@127.0.0.1:1",
    f"http://user:{SECRET} x@127.0.0.1:1",
    f"http://user:{SECRET}\n@127.0.0.1:1",
    f"http://user:{SECRET}[@127.0.0.1:1",
    f"http://user:{SECRET}@",
    f"http://user:{SECRET}@:1",
    f"http://user:{SECRET}@127.0.0.1:port",
    f"http://user:{SECRET}@127.0.0.1:1/path",
    f"user:{SECRET}/x@127.0.0.1:1",
    f"socks5://user:{SECRET}@127.0.0.1:1",
    f"//user:{SECRET}@127.0.0.1:1",
    f"http:/user:{SECRET}@127.0.0.1:1",
]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("proxy", BAD_PROXIES)
def test_send_rejects_invalid_proxy_without_showing_it(
    run: Run, proxy: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it was configured; it is not bypassed either."""
    with serving(answering(reply())) as server:
        request = Request("GET", f"{scheme}://127.0.0.1:{server.port}/")
        given = failing(run, request, TransportConfig(proxy=proxy))
        monkeypatch.setenv(f"{scheme}_proxy", proxy)
        inherited = failing(run, request)
        assert server.connections == 0
    for error in (given, inherited):
        assert_never_sent(error)
        assert "percent-encoded" in error.message
    assert "Extra proxy" in given.message
    assert "environment" in inherited.message


@pytest.mark.parametrize("password", ["p/#?\\@: %ss", "ü漢", "x" * 300, ""])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_receives_percent_decoded_password(run: Run, password: str, scheme: str) -> None:
    from base64 import b64encode

    with serving(answering(reply(status="403 Forbidden"))) as proxy:
        config = TransportConfig(proxy=proxy.url.replace("//", f"//us%3Aer:{quote(password, safe='')}@"))
        if scheme == "http":
            assert run(send(Request("GET", "http://modelarts.invalid/")), config).status == 403
        else:
            failing(run, Request("GET", "https://modelarts.invalid/"), config)
    proof = b64encode(f"us:er:{password}".encode())
    assert b"Proxy-Authorization: Basic " + proof + b"\r\n" in proxy.requests[0]


def test_same_proxy_receives_password_of_each_configuration(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def both(transport: Transport) -> None:
        await transport.send(Request("GET", "http://modelarts.invalid/"))
        with pytest.raises(TransportError):
            await transport.send(Request("GET", "https://modelarts.invalid/"))

    with serving(answering(reply(status="403 Forbidden"))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//one:a@"))
        monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//two:b@"))
        run(both)
    assert [b"b25lOmE=" in sent for sent in proxy.requests] == [True, False]
    assert [b"dHdvOmI=" in sent for sent in proxy.requests] == [False, True]


def test_environment_proxies_are_read_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def twice(transport: Transport) -> list[int]:
        first = await transport.send(Request("GET", "http://modelarts.invalid/"))
        monkeypatch.delenv("http_proxy")
        second = await transport.send(Request("GET", "http://modelarts.invalid/"))
        return [first.status, second.status]

    with serving(answering(reply())) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert run(twice) == [200, 200]


@pytest.mark.parametrize("status", [401, 403, 407, 500])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_407_means_not_processed(run: Run, status: int, scheme: str) -> None:
    """Other refusals are certainly the proxy's only for a tunnel."""
    answer = reply(SECRET.encode(), f"Proxy-Authenticate: {SECRET}", status=f"{status} {SECRET}")
    with serving(answering(answer)) as proxy:
        config = TransportConfig(proxy=proxy.url.replace("//", f"//someone:{SECRET}@"))
        request = Request("POST", f"{scheme}://modelarts.invalid/v1")
        if scheme == "http" and status != 407:
            assert run(send(request), config).status == status
            return
        error = failing(run, request, config)
    assert isinstance(error, TransportError)
    assert (error.stage, error.may_have_been_processed, error.is_transient) == ("proxy", False, True)
    assert f"HTTP {status}" in error.message
    assert ("user name or password" in error.message) == (status == 407)


def _close(peer: Peer) -> None:
    peer.request()


def _reset(peer: Peer) -> None:
    peer.request()
    peer.reset()


def _babble(peer: Peer) -> None:
    peer.request()
    peer.send(b"SSH-2.0-OpenSSH_9.6\r\n")


@pytest.mark.parametrize("handle", [_close, _reset, _babble])
def test_failed_tunnel_means_not_processed(run: Run, handle: object) -> None:
    with serving(handle) as proxy:  # type: ignore[arg-type]
        config = TransportConfig(proxy=proxy.url.replace("//", f"//someone:{SECRET}@"))
        error = failing(run, Request("POST", "https://modelarts.invalid/v1"), config)
    assert isinstance(error, TransportError)
    assert (error.stage, error.may_have_been_processed) == ("proxy", False)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
def test_unreachable_proxy_is_reported_as_stage_proxy(run: Run, scheme: str, host: str) -> None:
    with closed_port() as port:
        config = TransportConfig(proxy=f"http://someone:{SECRET}@{host}:{port}")
        error = failing(run, Request("POST", f"{scheme}://modelarts.invalid/v1"), config)
    assert isinstance(error, TransportError)
    assert (error.stage, error.may_have_been_processed) == ("proxy", False)


# What fails on the way


def test_refused_connection_is_named_in_error(run: Run) -> None:
    with closed_port() as port:
        error = failing(run, Request("POST", f"http://127.0.0.1:{port}/v1?key={SECRET}", {"X": SECRET}))
    assert isinstance(error, TransportError)
    assert (error.stage, error.may_have_been_processed) == ("refused", False)
    assert f"POST http://127.0.0.1:{port}/v1: ConnectionRefusedError: Connection refused" in error.message


def test_unknown_host_is_named_in_error(run: Run) -> None:
    error = failing(run, Request("POST", f"https://nowhere.invalid/v1?key={SECRET}"))
    assert isinstance(error, TransportError)
    assert (error.stage, error.may_have_been_processed) == ("dns", False)
    assert "gaierror" in error.message


def test_certificate_error_names_reason(
    run: Run, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path, name="Other").file))
    with serving(answering(reply()), tls) as server:
        error = failing(run, Request("POST", f"https://127.0.0.1:{server.port}/?key={SECRET}"))
        assert server.requests == []
    assert isinstance(error, TransportError)
    assert (error.stage, error.may_have_been_processed) == ("tls", False)
    assert "certificate refused: unable to get local issuer certificate" in error.message


def test_plain_http_on_tls_port_is_named_in_error(run: Run) -> None:
    def babble(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)

    with serving(babble) as server:
        error = failing(run, Request("POST", f"https://127.0.0.1:{server.port}/"))
    assert isinstance(error, TransportError)
    assert (error.stage, error.may_have_been_processed) == ("tls", False)


BAD_REPLIES = {
    "status line": f"HTTP/1.1 {SECRET}\r\n\r\n",
    "protocol": f"{SECRET}/9 200 OK\r\n\r\n",
    "lengths": f"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\nX: {SECRET}\r\n\r\n",
    "chunk size": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{SECRET}\r\n",
    "too many headers": f"HTTP/1.1 200 OK\r\n{f'X: {SECRET}' + chr(13) + chr(10)}" * 200 + "\r\n",
}


@pytest.mark.parametrize("what", BAD_REPLIES)
def test_invalid_response_is_not_quoted(run: Run, what: str) -> None:
    def answer(peer: Peer) -> None:
        peer.request()
        peer.send(BAD_REPLIES[what].encode())

    with serving(answer) as server:
        error = failing(run, Request("POST", server.url))
    assert isinstance(error, TransportError)
    assert (error.stage, error.may_have_been_processed) == ("connection", True)


def test_unreadable_response_head_is_not_logged(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """A library's warning would quote all that follows, such as IAM's token."""
    caplog.set_level(logging.DEBUG)
    answer = f"HTTP/1.1 200 OK\r\nno header\r\nX-Subject-Token: {SECRET}\r\nContent-Length: 0\r\n\r\n"

    def once(peer: Peer) -> None:
        peer.request()
        peer.send(answer.encode())

    with serving(once) as server:
        try:
            run(send(Request("POST", server.url)), ROUTE)
        except TransportError as error:
            assert SECRET not in str(error)  # noqa: PT017 - one library takes it, the other does not
    assert SECRET not in caplog.text
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_transport_config_repr_hides_proxy_password() -> None:
    assert SECRET not in repr(TransportConfig(proxy=f"http://someone:{SECRET}@127.0.0.1"))
