"""The start of a notebook whose idle lease has no end."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client.lease_plan import MAX_LEASE, LeaseTerms, plan_start
from airflow_provider_modelarts.client.notebooks import NO_AUTO_STOP, Lease


@pytest.mark.parametrize(
    ("duration", "terms"),
    [
        pytest.param(-1, LeaseTerms(NO_AUTO_STOP, fallback=MAX_LEASE), id="unlimited"),
        pytest.param(0, LeaseTerms(NO_AUTO_STOP, fallback=MAX_LEASE), id="of no duration"),
        pytest.param(None, LeaseTerms(None, "idle"), id="of an unknown duration"),
        pytest.param(7_200_000, LeaseTerms(MAX_LEASE / 36, "idle"), id="of two hours"),
    ],
)
def test_plan_start_of_idle_lease_without_end_asks_for_none(duration: Any, terms: LeaseTerms) -> None:
    lease = Lease.model_validate({"type": "IDLE", "enable": True, "duration": duration, "create_at": 1})
    assert plan_start(lease) == terms
