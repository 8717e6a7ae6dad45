"""Times of responses that are not set, or in seconds, although the vendors' pages say milliseconds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.notebooks import Lease, Notebook
from airflow_provider_modelarts.client.snapshot_check import check_snapshot

NOW = 1_784_948_034_000
MINUTE = 60_000


@pytest.mark.parametrize(
    ("value", "milliseconds"),
    [
        pytest.param(NOW, NOW, id="milliseconds"),
        pytest.param(NOW // 1000, NOW, id="seconds"),
        pytest.param(str(NOW // 1000), NOW, id="seconds as text"),
        pytest.param(NOW / 1000, NOW, id="seconds as a float"),
        pytest.param(10**11, 10**11, id="milliseconds of 1973"),
        pytest.param(10**9 - 1, 10**9 - 1, id="no time"),
        pytest.param(0, None, id="zero"),
        pytest.param("0", None, id="zero as text"),
        pytest.param(0.0, None, id="zero as a float"),
        pytest.param(-1, None, id="negative"),
        pytest.param("0001-01-01T00:00:00Z", None, id="a date that is not set"),
        pytest.param("2001-09-09T01:46:40Z", 10**12, id="a date"),
        pytest.param(
            "1970-02-01T00:00:00Z", 31 * 86_400_000, id="a date with as many milliseconds as seconds"
        ),
        pytest.param(2**63 - 1, 2**63 - 1, id="the largest"),
        pytest.param(2**63, None, id="out of range"),
        pytest.param(True, None, id="a boolean"),
    ],
)
def test_timestamp_is_in_milliseconds_or_none_whatever_response_has(
    value: object, milliseconds: int | None
) -> None:
    assert Lease.model_validate({"update_at": value}).update_at == milliseconds


@pytest.mark.parametrize("lease_unit", [1, 1000], ids=["lease in milliseconds", "lease in seconds"])
@pytest.mark.parametrize("image_unit", [1, 1000], ids=["image in milliseconds", "image in seconds"])
@pytest.mark.parametrize("minutes", [-1, 1], ids=["started before", "started after"])
def test_check_snapshot_compares_start_and_snapshot_whatever_their_units(
    lease_unit: int, image_unit: int, minutes: int
) -> None:
    """Or the environment of a notebook that was started after its snapshot would count as saved."""
    begun_at = NOW - 30 * MINUTE
    lease: dict[str, Any] = {"duration": 90 * MINUTE, "enable": True, "type": "TIMING"}
    lease |= {"create_at": NOW - 60 * MINUTE, "update_at": begun_at + minutes * MINUTE}
    for name in ("create_at", "update_at"):
        lease[name] //= lease_unit
    notebook = Notebook.model_validate(
        {"id": "n", "status": "RUNNING", "image": {"id": "another"}, "lease": lease}
    )
    image = {"id": "i", "status": "ACTIVE", "description": "[airflow:0123456789abcdef notebook:n]"}
    times = {"create_at": begun_at // image_unit, "update_at": (begun_at + 5 * MINUTE) // image_unit}
    snapshot = Image.model_validate(image | times)

    found = check_snapshot(notebook, [snapshot], now=NOW, require_snapshot_within=timedelta(hours=2))

    assert found.is_safe == (minutes < 0)
    if minutes > 0:
        assert "began before the notebook was started or renewed" in found.reason


@pytest.mark.parametrize(
    "unset", [0, "0001-01-01T00:00:00Z", -62_135_596_800_000], ids=["zero", "date", "year 1"]
)
def test_check_snapshot_without_date_proves_nothing(unset: object) -> None:
    """And a lease whose start is not set shows none, so that its age decides alone."""
    lease = Lease.model_validate({"update_at": unset, "create_at": unset, "duration": 1, "enable": True})
    notebook = Notebook.model_validate({"id": "n", "status": "RUNNING"}).model_copy(update={"lease": lease})
    image = {"id": "i", "status": "ACTIVE", "description": "[airflow:0123456789abcdef notebook:n]"}
    snapshot = Image.model_validate(image | {"create_at": unset})

    found = check_snapshot(notebook, [snapshot], now=NOW, require_snapshot_within=timedelta(days=40_000))

    assert not found.is_safe
    assert "has no date; its lease does not show when it was started" in found.reason
    assert lease.is_unknown
