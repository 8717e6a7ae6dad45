"""What both transports send: the signed bytes, and no other headers than documented."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts import __version__
from airflow_provider_modelarts.client.http_types import Request, Transport
from airflow_provider_modelarts.client.signing import sign
from airflow_provider_modelarts.exceptions import InvalidConnectionError
from airflow_provider_modelarts.simulator import Simulator
from tests.servers import answering, reply, serving
from tests.transport.scenarios import NOW, TARGET, Run, get, header_lines, signed


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT", "PATCH"])
def test_send_writes_signed_bytes(run: Run, method: str) -> None:
    """Path, order of the query, escapes, headers and body."""
    body = b'{"name": "\xc3\xa9"}' if method != "GET" else b""
    with serving(answering(reply())) as server:
        plain = Request(
            method,
            server.url + TARGET,
            {"Content-Type": "application/json", "X-Project-Id": "p"},
            body,
        )
        request = sign(plain, access_key="AK", secret_key="SK", now=NOW)
        assert run(lambda transport: transport.send(request)).status == 200
    [sent] = server.requests
    assert sent.split(b"\r\n")[0].decode() == f"{method} {TARGET} HTTP/1.1"
    assert sent.split(b"\r\n\r\n", 1)[1] == body
    received = header_lines(sent)
    assert {name: received[name.lower()] for name in request.headers} == dict(request.headers)
    assert received["host"] == f"127.0.0.1:{server.port}"


def test_send_adds_user_agent_unsigned(run: Run) -> None:
    """Proxies may change it, so the signature does not include it."""
    with serving(answering(reply())) as server:
        request = sign(Request("GET", server.url), access_key="AK", secret_key="SK", now=NOW)
        run(lambda transport: transport.send(request))
    received = header_lines(server.requests[0])
    assert received["user-agent"] == f"airflow-provider-modelarts/{__version__}"
    assert received["accept-encoding"] == "identity"
    assert "user-agent" not in received["authorization"]
    assert "accept-encoding" not in received["authorization"]


def test_send_adds_no_header_of_library(run: Run) -> None:
    with serving(answering(reply())) as server:
        request = Request("POST", server.url + "/x", {"Accept": "application/json"}, b"{}")
        run(lambda transport: transport.send(request))
    assert set(header_lines(server.requests[0])) - {"content-type"} == {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "host",
        "user-agent",
    }


def test_send_is_accepted_by_independent_signature_check(run: Run, simulator: Simulator) -> None:
    body = b'{"name": "research", "namespace": "team", "tag": "v1"}'

    async def save_and_list(transport: Transport) -> list[int]:
        path = f"/notebooks/{simulator.notebook_id}/create-image"
        saved = await transport.send(signed(simulator, "POST", path, body))
        listed = await transport.send(signed(simulator, "GET", "/images?type=DEDICATED&name=a%20b%C3%A9~"))
        return [saved.status, listed.status]

    assert run(save_and_list) == [200, 200]
    assert simulator.saves == 1


def test_send_rejects_header_with_line_break(run: Run) -> None:
    with serving(answering(reply())) as server:
        request = Request("GET", server.url, {"X-Project-Id": "p\r\nX-Evil: 1"})
        with pytest.raises(InvalidConnectionError) as failed:
            run(lambda transport: transport.send(request))
    assert not failed.value.may_have_been_processed
    assert server.requests == []


def test_send_writes_header_in_utf_8(run: Run) -> None:
    """The signature is made of the text."""
    with serving(answering(reply())) as server:
        request = Request("GET", server.url, {"X-Project-Id": "Prüfung 漢"})
        run(lambda transport: transport.send(request))
    assert header_lines(server.requests[0])["x-project-id"] == "Prüfung 漢"


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
def test_send_rejects_unreachable_address_before_sending(run: Run, url: str) -> None:
    with pytest.raises(InvalidConnectionError) as failed:
        run(get(url))
    assert not failed.value.may_have_been_processed
