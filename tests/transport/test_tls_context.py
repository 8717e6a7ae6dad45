"""The TLS context, which all transports of a process share."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest

from airflow_provider_modelarts.exceptions import InvalidConnectionError
from airflow_provider_modelarts.transport import TransportConfig
from tests.certificates import Authority


def test_tls_returns_one_context_per_file_of_certificates(authority: Authority, tmp_path: Path) -> None:
    copied = tmp_path / "ca.pem"
    copied.write_bytes(authority.file.read_bytes())
    by_default, by_file = TransportConfig(), TransportConfig(verify=str(copied), read_timeout=1)

    assert by_default.tls() is TransportConfig(connect_timeout=1).tls()
    assert by_file.tls() is by_file.tls()
    assert by_file.tls() is not by_default.tls()
    assert TransportConfig(verify=False).tls() is TransportConfig(verify=False).tls()
    assert [config.tls().verify_mode for config in (by_default, by_file, TransportConfig(verify=False))] == [
        *[ssl.CERT_REQUIRED] * 2,
        ssl.CERT_NONE,
    ]


def test_tls_reads_changed_file_of_certificates_again(authority: Authority, tmp_path: Path) -> None:
    """An authority renews its certificate while a triggerer runs."""
    file = tmp_path / "ca.pem"
    config = TransportConfig(verify=str(file))
    file.write_bytes(authority.file.read_bytes())
    first = config.tls()

    os.utime(file, ns=(1, 1))
    second = config.tls()
    file.unlink()

    assert second is not first
    with pytest.raises(InvalidConnectionError, match=r"ca\.pem"):
        config.tls()
