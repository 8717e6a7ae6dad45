"""HTTP proxies from the environment, in both transports."""

from __future__ import annotations

import base64
import traceback

import pytest

from airflow_provider_modelarts.client.http_types import Request
from airflow_provider_modelarts.client.signing import sign
from airflow_provider_modelarts.exceptions import InvalidConnectionError, TransportError
from tests.servers import answering, closed_port, reply, serving
from tests.transport.scenarios import NOW, TARGET, Run, get, header_lines, post


def test_environment_proxy_receives_signed_request(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answering(reply(b'{"by": "proxy"}'))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        request = sign(
            Request("GET", f"http://modelarts.invalid{TARGET}"), access_key="AK", secret_key="SK", now=NOW
        )
        got = run(lambda transport: transport.send(request))
    assert got.body == b'{"by": "proxy"}'
    [sent] = proxy.requests
    assert sent.split(b"\r\n")[0].decode() == f"GET http://modelarts.invalid{TARGET} HTTP/1.1"
    assert header_lines(sent)["authorization"] == request.headers["Authorization"]
    assert header_lines(sent)["host"] == "modelarts.invalid"


def test_environment_proxy_receives_its_password(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answering(reply())) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//someone:p%40ss@"))
        assert run(get("http://modelarts.invalid/")).status == 200
    expected = base64.b64encode(b"someone:p@ss").decode()
    assert header_lines(proxy.requests[0])["proxy-authorization"] == f"Basic {expected}"


def test_all_proxy_is_used(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answering(reply())) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert run(get("http://modelarts.invalid/")).status == 200
    assert len(proxy.requests) == 1


def test_environment_proxy_without_scheme_is_used(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answering(reply())) as proxy:
        monkeypatch.setenv("http_proxy", f"localhost:{proxy.port}")
        assert run(get("http://modelarts.invalid/")).status == 200
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("excepted", ["127.0.0.1", "*", "example.com,127.0.0.1"])
def test_no_proxy_is_respected(run: Run, monkeypatch: pytest.MonkeyPatch, excepted: str) -> None:
    with serving(answering(reply())) as proxy, serving(answering(reply())) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("NO_PROXY", excepted)
        assert run(get(server.url)).status == 200
    assert (len(proxy.requests), len(server.requests)) == (0, 1)


def test_unreachable_proxy_means_not_processed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with closed_port() as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        with pytest.raises(TransportError, match="check host, port, proxy") as failed:
            run(post("http://modelarts.invalid/"))
    assert not failed.value.may_have_been_processed


@pytest.mark.parametrize("status", ["403 Forbidden", "407 Proxy Authentication Required", "502 Bad Gateway"])
def test_refused_tunnel_means_not_processed_and_hides_password(
    run: Run, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    with serving(answering(reply(b"", status=status))) as proxy:
        monkeypatch.setenv("https_proxy", f"http://someone:hidden-word@127.0.0.1:{proxy.port}")
        with pytest.raises(TransportError) as failed:
            run(post("https://modelarts.invalid/v1"))
    assert not failed.value.may_have_been_processed
    assert "hidden-word" not in "".join(traceback.format_exception(failed.value))
    assert proxy.requests[0].startswith(b"CONNECT modelarts.invalid:443 HTTP/1.")
    assert "proxy-authorization" in header_lines(proxy.requests[0])


@pytest.mark.parametrize(
    "proxy",
    ["socks5://127.0.0.1:1", "http://:0", "://", "http://someone:hidden-word@[::1"],
)
def test_invalid_proxy_is_rejected_before_sending(
    run: Run, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("all_proxy", proxy)
    with pytest.raises(InvalidConnectionError) as failed:
        run(post("http://modelarts.invalid/v1"))
    assert not failed.value.may_have_been_processed
    assert "hidden-word" not in "".join(traceback.format_exception(failed.value))
