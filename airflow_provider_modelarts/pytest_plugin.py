"""
Fixtures for tests of DAGs: an offline ModelArts.

pytest loads them where a ``conftest.py`` names them::

    pytest_plugins = ["airflow_provider_modelarts.pytest_plugin"]
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from airflow_provider_modelarts.simulator import AtOnce, Simulator


@pytest.fixture
def modelarts_simulator(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Simulator]:
    """
    A simulator with one running notebook, to which the connection ``modelarts_default`` leads.

    Saves end at once. Arguments of :class:`~airflow_provider_modelarts.simulator.Simulator` can be given by
    indirect parametrization, for example ``{"cloud": "otc", "save": AfterReads(3)}``. A proxy of the
    environment is not used for it.
    """
    from airflow_provider_modelarts.hooks.clients import shared_credentials

    # The login of another test is not valid here, even if its simulator had the same port.
    shared_credentials.cache_clear()
    with Simulator(**{"save": AtOnce(), **getattr(request, "param", {})}) as simulator:
        monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))
        exceptions = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.setenv(name, _with_loopback(exceptions))
        yield simulator


def _with_loopback(exceptions: str) -> str:
    """Return the hosts that need no proxy, and this machine, which a proxy elsewhere cannot reach."""
    return exceptions if exceptions.strip() == "*" else ",".join(filter(None, (exceptions, "127.0.0.1")))
