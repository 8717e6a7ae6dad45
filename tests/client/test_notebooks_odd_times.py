"""Notebooks and leases whose times are in another unit, incomplete or rewritten by nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_modelarts.client.lease_plan import MAX_LEASE, MIN_LEASE, LeaseTerms, plan_start
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.notebooks import Lease, Notebook
from airflow_provider_modelarts.client.snapshot_check import check_snapshot

NOW = 1_784_948_034_829
DATE = "Sat, 25 Jul 2026 02:53:54 GMT"
HOUR = 3_600_000


@pytest.mark.parametrize("unit", [1, 1_000_000], ids=["seconds", "microseconds"])
def test_service_time_is_that_of_header_where_current_time_has_another_unit(unit: int) -> None:
    found = Notebook.model_validate({"id": "n", "current_time": NOW * unit // 1000, "response_date": DATE})
    assert found.service_time == NOW // 1000 * 1000


@pytest.mark.parametrize(
    ("fields", "terms"),
    [
        pytest.param(
            {"update_at": NOW // 1000 - 3600},
            LeaseTerms(timedelta(hours=4, milliseconds=NOW % 1000), "timing"),
            id="updated in seconds",
        ),
        pytest.param({"update_at": NOW * 1000}, LeaseTerms(MIN_LEASE, "timing"), id="in microseconds"),
        pytest.param(
            {"update_at": NOW - 1000 * HOUR},
            LeaseTerms(timedelta(hours=1003), "timing", fallback=MAX_LEASE),
            id="not updated since its creation",
        ),
        pytest.param({"update_at": NOW - HOUR}, LeaseTerms(timedelta(hours=4), "timing"), id="usual"),
    ],
)
def test_plan_start_never_asks_only_for_length_that_may_be_refused(
    fields: dict[str, Any], terms: LeaseTerms
) -> None:
    given = {"create_at": NOW - 1000 * HOUR, "duration": 1003 * HOUR, "enable": True, "type": "TIMING"}
    assert plan_start(Lease.model_validate(given | fields)) == terms


def test_check_snapshot_names_how_far_in_the_future_snapshot_is() -> None:
    """And not a negative age."""
    image = Image.model_validate(
        {
            "id": "4e0d59b5-4a1c-4f5b-9a5c-8f0f3b9f3a11",
            "status": "ACTIVE",
            "create_at": NOW + HOUR,
            "description": "[airflow:0123456789abcdef notebook:n]",
        }
    )
    found = check_snapshot(
        Notebook(id="n", status="RUNNING"), [image], now=NOW, require_snapshot_within=timedelta(hours=2)
    )
    assert not found.is_safe
    assert "in 1:00:00, is from the future" in found.reason
