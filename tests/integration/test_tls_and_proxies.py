"""Certificates and a proxy, through both transports."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.iam import METADATA_ENDPOINT
from airflow_provider_modelarts.exceptions import InvalidConnectionError, TransportError
from airflow_provider_modelarts.hooks.addresses import PROXY_SCHEMES
from airflow_provider_modelarts.simulator import Simulator
from airflow_provider_modelarts.transport import TransportConfig
from tests import proxy
from tests.certificates import Authority
from tests.transports import TransportRunner


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The one that our services are certified by."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def _no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def poll(transport: TransportRunner, simulator: Simulator, **extra: object) -> int:
    return len(transport.run(simulator, lambda m: m.list_all(operations.list_images()), extra=extra))


def test_connection_trusts_private_authority_in_verify(
    authority: Authority, transport: TransportRunner
) -> None:
    with Simulator(certificate=authority.certify()) as simulator:
        assert poll(transport, simulator, verify=str(authority.file)) == 0


def test_environment_trusts_private_authority_in_both_transports(
    authority: Authority, transport: TransportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))

    with Simulator(certificate=authority.certify()) as simulator:
        assert poll(transport, simulator) == 0


@pytest.mark.parametrize(
    ("host", "until", "is_trusted"),
    [
        pytest.param("127.0.0.1", timedelta(days=1), False, id="an unknown authority"),
        pytest.param("127.0.0.1", timedelta(days=-1), True, id="out of date"),
        pytest.param("10.0.0.1", timedelta(days=1), True, id="of another host"),
    ],
)
def test_invalid_certificate_raises_before_sending(
    host: str, until: timedelta, is_trusted: bool, authority: Authority, transport: TransportRunner
) -> None:
    with Simulator(certificate=authority.certify(host, until=until)) as simulator:
        with pytest.raises(TransportError) as caught:
            poll(transport, simulator, verify=str(authority.file) if is_trusted else None)

        assert (caught.value.stage, caught.value.may_have_been_processed) == ("tls", False)
        assert simulator.journal == ()


def test_verify_false_accepts_any_certificate(authority: Authority, transport: TransportRunner) -> None:
    with Simulator(certificate=authority.certify("10.0.0.1")) as simulator:
        assert poll(transport, simulator, verify=False) == 0


def test_missing_verify_file_is_named_in_error(
    simulator: Simulator, transport: TransportRunner, tmp_path: Path
) -> None:
    with pytest.raises(InvalidConnectionError, match="set extra verify to true, false or a PEM file"):
        poll(transport, simulator, verify=str(tmp_path / "missing.pem"))


@pytest.mark.parametrize("secure", [True, False], ids=["https", "http"])
def test_https_request_is_tunnelled_through_proxy(
    secure: bool, authority: Authority, transport: TransportRunner
) -> None:
    certificate = authority.certify() if secure else None
    with proxy.running() as server, Simulator(certificate=certificate) as simulator:
        assert poll(transport, simulator, proxy=server.url, verify=str(authority.file)) == 0

        address = simulator.endpoint.partition("//")[2]
        assert server.seen[0].startswith(f"CONNECT {address} " if secure else f"GET http://{address}/v1/")


@pytest.mark.skipif("https" not in PROXY_SCHEMES, reason="asyncio has no TLS within TLS before Python 3.11")
def test_https_request_is_tunnelled_through_https_proxy(
    authority: Authority, transport: TransportRunner
) -> None:
    certificate = authority.certify()
    with proxy.running(certificate) as server, Simulator(certificate=certificate) as simulator:
        assert poll(transport, simulator, proxy=server.url, verify=str(authority.file)) == 0

        address = simulator.endpoint.partition("//")[2]
        assert server.seen[0].startswith(f"CONNECT {address} ")


def test_unreachable_proxy_is_named_and_not_bypassed(
    simulator: Simulator, transport: TransportRunner
) -> None:
    with pytest.raises(TransportError) as caught:
        poll(transport, simulator, proxy="http://127.0.0.1:1")

    assert (caught.value.stage, caught.value.may_have_been_processed) == ("proxy", False)
    assert simulator.journal == ()


def test_metadata_service_is_requested_without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its response belongs to this host, and includes keys."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:3128")

    for route in (TransportConfig(), TransportConfig(proxy="http://127.0.0.1:3128")):
        assert route.proxy_for(f"{METADATA_ENDPOINT}/openstack/latest/securitykey") is None
        assert route.proxy_for("http://modelarts.example.com") == "http://127.0.0.1:3128"
