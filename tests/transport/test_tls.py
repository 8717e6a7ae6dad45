"""Server certificates: which of them both transports accept, and where the accepted ones are named."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from airflow_provider_modelarts.exceptions import TransportError
from tests.certificates import self_signed
from tests.client.servers import answering, reply, serving
from tests.transport.transports import Run, get, post


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate for localhost that no authority has signed."""
    return self_signed(tmp_path_factory.mktemp("tls") / "server.pem")


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
