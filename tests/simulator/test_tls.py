"""HTTPS with a certificate made for the test."""

from __future__ import annotations

import datetime as dt
import http.client
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airflow_provider_modelarts.simulator import Fault, Simulator
from airflow_provider_modelarts.simulator.__main__ import main
from tests.simulator.conftest import Client
from tests.simulator.test_command import exported, running
from tests.simulator.test_traffic import eventually


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


@pytest.fixture
def served(files: tuple[Path, Path]) -> Iterator[tuple[Simulator, Client]]:
    """A simulator behind HTTPS and a client that trusts it."""
    certificate, private_key = files
    with Simulator(certificate=certificate, private_key=str(private_key)) as simulator:
        yield simulator, Client(simulator, ssl.create_default_context(cafile=str(certificate)))


def test_tls_covers_all_services(served: tuple[Simulator, Client]) -> None:
    simulator, client = served
    assert simulator.endpoint == f"https://127.0.0.1:{simulator.port}"
    connection = simulator.connection
    assert {connection["host"], connection["extra"]["iam_endpoint"]} == {simulator.endpoint}
    answers = [client.save(), client.log_in(), client.call_unsigned("GET", "/openstack/latest/securitykey")]
    assert [answer.status for answer in answers] == [200, 201, 200]
    assert client.control("GET", "state").json["saves"] == 1


def test_client_without_certificate_rejects_server(served: tuple[Simulator, Client]) -> None:
    """The next client is served."""
    simulator, client = served
    stranger = Client(simulator, ssl.create_default_context())
    with pytest.raises(ssl.SSLCertVerificationError):
        stranger.images()
    assert client.images().status == 200


def test_plain_http_closes_connection(served: tuple[Simulator, Client]) -> None:
    """The next client is served."""
    _, client = served
    with closing(http.client.HTTPConnection(client.host, timeout=10)) as connection:
        connection.request("GET", "/")
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            connection.getresponse()
    assert client.images().status == 200


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("reset"), (ConnectionResetError, ssl.SSLError)),
        (Fault("torn"), http.client.IncompleteRead),
    ],
    ids=["reset", "torn"],
)
def test_tls_connection_fails_as_plain_one(
    served: tuple[Simulator, Client], fault: Fault, error: Any
) -> None:
    simulator, client = served
    simulator.inject(fault)
    with pytest.raises(error):
        client.save()
    assert client.images().status == 200


def test_tls_stop_closes_open_connections(served: tuple[Simulator, Client]) -> None:
    simulator, client = served
    assert client.trusted is not None
    with ExitStack() as stack:
        opened = []
        for stay in ("keep-alive", "close"):
            plain = socket.create_connection(("127.0.0.1", simulator.port), timeout=10)
            secured = stack.enter_context(client.trusted.wrap_socket(plain, server_hostname="127.0.0.1"))
            secured.sendall(f"GET /_simulator/images HTTP/1.1\r\nConnection: {stay}\r\n\r\n".encode())
            assert secured.recv(15) == b"HTTP/1.1 200 OK"
            opened.append(secured)
        assert simulator.open_connections == 2
        simulator.stop()
        assert simulator.open_connections == 0
        for secured in opened:
            with suppress(ssl.SSLError, ConnectionError):
                while secured.recv(65536):
                    pass


def test_certificate_file_may_include_key(files: tuple[Path, Path], tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(b"".join(path.read_bytes() for path in files))
    with Simulator(certificate=both) as simulator:
        trusted = ssl.create_default_context(cafile=str(files[0]))
        assert Client(simulator, trusted).images().status == 200


def test_key_without_certificate_is_rejected(files: tuple[Path, Path]) -> None:
    with pytest.raises(ValueError, match="needs its certificate"):
        Simulator(private_key=files[1])
    with pytest.raises(FileNotFoundError):
        Simulator(certificate="nowhere.pem")
    with pytest.raises(ssl.SSLError):
        Simulator(certificate=__file__)


def test_command_serves_https(files: tuple[Path, Path]) -> None:
    certificate, private_key = map(str, files)
    with running("--certificate", certificate, "--private-key", private_key) as (_, text):
        host, _, port = str(exported(text)["host"]).rpartition(":")
        assert host == "https://127.0.0.1"
        trusted = ssl.create_default_context(cafile=certificate)
        with closing(http.client.HTTPSConnection("127.0.0.1", int(port), context=trusted)) as connection:
            connection.request("GET", "/_simulator/journal")
            assert connection.getresponse().status == 200


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--certificate", "nowhere.pem"], "cannot use the certificate: No such file"),
        (["--certificate", __file__], "cannot use the certificate: "),
        (["--private-key", "key.pem"], "a private key needs its certificate"),
    ],
    ids=["no-file", "no-certificate", "key-alone"],
)
def test_command_exits_with_2_for_wrong_certificate(
    options: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(options)
    assert problem in capsys.readouterr().err


def test_tls_hang_ends_when_client_disconnects(served: tuple[Simulator, Client]) -> None:
    simulator, client = served
    simulator.inject(Fault("hang", times=2))
    for _ in range(2):
        hanging = client.connect()
        hanging.request("GET", "/v1/p/images")
        assert eventually(lambda: simulator.in_flight == 1)
        hanging.close()
        assert eventually(lambda: (simulator.in_flight, simulator.open_connections) == (0, 0))
    assert simulator.max_in_flight == 1
