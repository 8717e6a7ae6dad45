"""What both transports send: the bytes that were signed, and nothing that was not asked for."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts import __version__
from airflow_provider_modelarts.client.http_types import Request, Transport
from airflow_provider_modelarts.client.signing import sign
from airflow_provider_modelarts.exceptions import InvalidConnectionError
from airflow_provider_modelarts.simulator import Simulator
from tests.client.servers import answering, reply, serving
from tests.transport.transports import AT, TARGET, Run, get, header_lines, signed


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
    may_have_been_processed = header_lines(sent)
    assert {name: may_have_been_processed[name.lower()] for name in request.headers} == dict(request.headers)
    assert may_have_been_processed["host"] == f"127.0.0.1:{server.port}"


def test_user_agent_is_sent_and_not_signed(run: Run) -> None:
    """Proxies on the way may change it, so it takes no part in the signature."""
    with serving(answering(reply())) as server:
        request = sign(Request("GET", server.url), access_key="AK", secret_key="SK", at=AT)
        run(lambda transport: transport.send(request))
    may_have_been_processed = header_lines(server.requests[0])
    assert may_have_been_processed["user-agent"] == f"airflow-provider-modelarts/{__version__}"
    assert may_have_been_processed["accept-encoding"] == "identity"
    assert "user-agent" not in may_have_been_processed["authorization"]
    assert "accept-encoding" not in may_have_been_processed["authorization"]


def test_a_request_brings_no_header_of_the_library(run: Run) -> None:
    """Both worlds send the same names, whatever their library would like to add."""
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
def test_an_address_that_cannot_be_reached_is_a_request_that_never_left(run: Run, url: str) -> None:
    """Whatever the libraries call it."""
    with pytest.raises(InvalidConnectionError) as failed:
        run(get(url))
    assert not failed.value.may_have_been_processed
