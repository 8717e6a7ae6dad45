"""Real certificates and a real proxy, in both worlds."""

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


def look(transport: TransportRunner, simulator: Simulator, **extra: object) -> int:
    return len(transport.run(simulator, lambda m: m.list_all(operations.list_images()), extra=extra))


def test_a_private_authority_is_trusted_if_told(authority: Authority, transport: TransportRunner) -> None:
    """As its file in extra ``verify``."""
    with Simulator(certificate=authority.certify()) as simulator:
        assert look(transport, simulator, verify=str(authority.file)) == 0


def test_the_environment_may_name_the_authority_too(
    authority: Authority, transport: TransportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same way for workers and triggers."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))

    with Simulator(certificate=authority.certify()) as simulator:
        assert look(transport, simulator) == 0


@pytest.mark.parametrize(
    ("host", "until", "told"),
    [
        pytest.param("127.0.0.1", timedelta(days=1), False, id="an unknown authority"),
        pytest.param("127.0.0.1", timedelta(days=-1), True, id="out of date"),
        pytest.param("10.0.0.1", timedelta(days=1), True, id="of another host"),
    ],
)
def test_a_certificate_that_is_no_good_ends_it(
    host: str, until: timedelta, told: bool, authority: Authority, transport: TransportRunner
) -> None:
    """Before anything is sent."""
    with Simulator(certificate=authority.certify(host, until=until)) as simulator:
        with pytest.raises(TransportError) as caught:
            look(transport, simulator, verify=str(authority.file) if told else None)

        assert (caught.value.stage, caught.value.may_have_been_processed) == ("tls", False)
        assert simulator.journal == ()


def test_nobody_need_look_at_certificates(authority: Authority, transport: TransportRunner) -> None:
    """Where it was asked for."""
    with Simulator(certificate=authority.certify("10.0.0.1")) as simulator:
        assert look(transport, simulator, verify=False) == 0


def test_a_file_that_is_none_is_named(
    simulator: Simulator, transport: TransportRunner, tmp_path: Path
) -> None:
    """And not some failure of TLS."""
    with pytest.raises(InvalidConnectionError, match="set extra verify to true, false or a PEM file"):
        look(transport, simulator, verify=str(tmp_path / "missing.pem"))


@pytest.mark.parametrize("secure", [True, False], ids=["https", "http"])
def test_a_proxy_is_gone_through(secure: bool, authority: Authority, transport: TransportRunner) -> None:
    """As a tunnel for https, so that it can neither read nor change what was signed."""
    certificate = authority.certify() if secure else None
    with proxy.running() as server, Simulator(certificate=certificate) as simulator:
        assert look(transport, simulator, proxy=server.url, verify=str(authority.file)) == 0

        address = simulator.endpoint.partition("//")[2]
        assert server.seen[0].startswith(f"CONNECT {address} " if secure else f"GET http://{address}/v1/")


@pytest.mark.skipif("https" not in PROXY_SCHEMES, reason="asyncio has no TLS within TLS before Python 3.11")
def test_transport_goes_through_a_proxy_that_is_spoken_to_in_tls(
    authority: Authority, transport: TransportRunner
) -> None:
    certificate = authority.certify()
    with proxy.running(certificate) as server, Simulator(certificate=certificate) as simulator:
        assert look(transport, simulator, proxy=server.url, verify=str(authority.file)) == 0

        address = simulator.endpoint.partition("//")[2]
        assert server.seen[0].startswith(f"CONNECT {address} ")


def test_a_proxy_that_is_not_there_is_named(simulator: Simulator, transport: TransportRunner) -> None:
    """And nothing went past it."""
    with pytest.raises(TransportError) as caught:
        look(transport, simulator, proxy="http://127.0.0.1:1")

    assert (caught.value.stage, caught.value.may_have_been_processed) == ("proxy", False)
    assert simulator.journal == ()


def test_the_metadata_service_is_never_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer is this host's own, and holds keys."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:3128")

    for route in (TransportConfig(), TransportConfig(proxy="http://127.0.0.1:3128")):
        assert route.proxy_for(f"{METADATA_ENDPOINT}/openstack/latest/securitykey") is None
        assert route.proxy_for("http://modelarts.example.com") == "http://127.0.0.1:3128"
