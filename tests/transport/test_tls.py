"""Server certificates: which of them both transports accept, and where the accepted ones are named."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from airflow_provider_modelarts.exceptions import TransportError
from tests.certificates import self_signed
from tests.servers import answering, reply, serving
from tests.transport.scenarios import Run, get, post


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate for localhost that no authority has signed."""
    return self_signed(tmp_path_factory.mktemp("tls") / "server.pem")


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """Return the TLS context of a server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize("trusted", ["the system's authorities", "another"])
def test_unknown_certificate_authority_means_not_processed(
    run: Run, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, trusted: str
) -> None:
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
def test_environment_variable_names_trusted_certificates(
    run: Run,
    tls: ssl.SSLContext,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    monkeypatch.setenv(variable, str(certificate))
    with serving(answering(reply()), tls) as server:
        assert run(get(server.url)).status == 200


def test_certificate_for_another_host_means_not_processed(
    run: Run, tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with serving(answering(reply()), tls) as server, pytest.raises(TransportError) as failed:
        run(post(f"https://127.0.0.1:{server.port}/"))
    assert not failed.value.may_have_been_processed
