"""Fixtures that all tests share. Airflow reads its configuration when it is imported: that comes first."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

AIRFLOW_HOME = tempfile.mkdtemp(prefix="modelarts-tests-")
os.environ.update(
    {
        "AIRFLOW_HOME": AIRFLOW_HOME,
        "AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).parent / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{AIRFLOW_HOME}/airflow.db",
    }
)
# The certificates that this machine trusts must not affect a test; to read them also takes a while.
for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
    os.environ.pop(name, None)

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from airflow_provider_modelarts.client import client  # noqa: E402
from airflow_provider_modelarts.hooks.clients import shared_credentials  # noqa: E402
from airflow_provider_modelarts.simulator import AfterReads, NotebookBehaviour, Simulator  # noqa: E402
from tests.airflow_versions import reset_secrets_maskers  # noqa: E402
from tests.transports import AsyncRunner, BlockingRunner, TransportRunner  # noqa: E402

# The time that an example takes depends on the load of the machine.
settings.register_profile(
    "no deadline", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("no deadline")
# For a nightly run: bash run.sh test --hypothesis-profile=nightly tests/test_fuzz.py
settings.register_profile("nightly", settings(), max_examples=10_000)


CLOCKS = (time.time, time.monotonic, time.sleep)


def pytest_unconfigure() -> None:
    """Remove the folder of this process; each process of pytest-xdist has its own."""
    shutil.rmtree(AIRFLOW_HOME, ignore_errors=True)


@pytest.fixture(params=["huaweicloud", "huaweicloud-eu", "otc"])
def cloud(request: pytest.FixtureRequest) -> str:
    """Each cloud in turn, for what all of them must do."""
    return str(request.param)


@pytest.fixture
def simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """
    A simulator for this test, where a save ends at the third poll.

    The test's parameter is another timing of saves, or how notebooks behave.
    """
    given = getattr(request, "param", AfterReads(3))
    options = {"notebooks": given} if isinstance(given, NotebookBehaviour) else {"save": given}
    with Simulator(**options) as simulator:
        yield simulator


@pytest.fixture(params=[BlockingRunner, AsyncRunner], ids=["blocking", "async"])
def transport(request: pytest.FixtureRequest) -> TransportRunner:
    """The transport of workers and that of triggerers, which must behave alike."""
    transport: TransportRunner = request.param()
    return transport


@pytest.fixture(autouse=True)
def _clocks_are_real() -> None:
    """An earlier test that left a clock of its own would disturb this one."""
    assert (time.time, time.monotonic, time.sleep) == CLOCKS


@pytest.fixture(autouse=True)
def _nobody_is_logged_in() -> None:
    """A token of one test's simulator is not valid for another's, even on the same port."""
    shared_credentials.cache_clear()


@pytest.fixture(autouse=True)
def _nothing_is_masked() -> Iterator[None]:
    """
    Forget the secrets of the test that ends.

    A worker lives for one task; the maskers of this process compile all that they ever heard of into one
    regular expression, once more for each secret.
    """
    yield
    reset_secrets_maskers()


@pytest.fixture
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let waits poll far more often than once a second, where they really sleep."""
    from airflow_provider_modelarts.tasks import sensor

    monkeypatch.setattr(client, "MIN_POLL_INTERVAL", 0.01)
    monkeypatch.setattr(sensor, "MIN_INTERVAL", 0.01)


@pytest.fixture
def connection(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """The Airflow connection to the simulator."""
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))
    return "modelarts_default"
