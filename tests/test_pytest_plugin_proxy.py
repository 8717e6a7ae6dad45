"""The fixture on a machine whose environment has a proxy: no request to the simulator goes through it."""

from __future__ import annotations

import os

import pytest

from airflow_provider_modelarts.pytest_plugin import modelarts_simulator
from airflow_provider_modelarts.simulator import Simulator
from airflow_provider_modelarts.transport import TransportConfig

__all__ = ["modelarts_simulator"]

PROXY = "http://proxy.example.com:3128"


@pytest.fixture(params=["", "intranet.example.com", "127.0.0.1", "*"], ids=["none", "host", "own", "all"])
def exceptions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set a proxy for all hosts but these."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, PROXY)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, request.param)
    return str(request.param)


def test_fixture_is_reached_without_proxy_of_environment(
    exceptions: str, modelarts_simulator: Simulator
) -> None:
    assert TransportConfig().proxy_for(modelarts_simulator.endpoint) is None
    assert exceptions in os.environ["no_proxy"]
    other = None if exceptions == "*" else PROXY
    assert TransportConfig().proxy_for("http://modelarts.example.com") == other


def test_fixture_keeps_exceptions_of_either_spelling(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, PROXY)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", "intranet.example.com")

    simulator = request.getfixturevalue("modelarts_simulator")

    for url in (simulator.endpoint, "http://intranet.example.com"):
        assert TransportConfig().proxy_for(url) is None
