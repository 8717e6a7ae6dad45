"""
Fixtures for tests of DAGs: an offline ModelArts.

pytest loads them where a ``conftest.py`` names them::

    pytest_plugins = ["airflow_provider_modelarts.pytest_plugin"]
"""

from __future__ import annotations

import json
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
    indirect parametrization, for example ``{"cloud": "otc", "save": AfterReads(3)}``.
    """
    from airflow_provider_modelarts.hooks.clients import shared_credentials

    # The login of another test is not valid here, even if its simulator had the same port.
    shared_credentials.cache_clear()
    with Simulator(**{"save": AtOnce(), **getattr(request, "param", {})}) as simulator:
        monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))
        yield simulator
