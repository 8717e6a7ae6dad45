"""Waits end at their deadline when the service hangs, with few requests in flight."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_modelarts.client.circuit_breaker import CircuitBreaker
from tests.reliability import hanging

BUSY = 30.0
"""Seconds that a busy machine may add; a queue without a bound would add a minute and more."""


@pytest.fixture(autouse=True)
def _connection_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", "{}")


@pytest.mark.parametrize(
    ("run", "waits"), [(hanging.in_triggerer, 60), (hanging.in_workers, 4)], ids=["triggerer", "workers"]
)
def test_watch_ends_at_deadline_when_service_hangs(
    run: Callable[[int, float, float], hanging.Report], waits: int
) -> None:
    """``bash run.sh reliability hanging`` measures 200 waits, and how late they end."""
    report = run(waits, 1.0, 0.5)

    assert hanging.problems(report, allowed=BUSY) == []
    assert report.max_in_flight <= CircuitBreaker.MAX_IN_FLIGHT
