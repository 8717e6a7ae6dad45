"""Snapshots and changes of notebooks at times that no calendar has."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.client.snapshot_check import began_within, check_stopped

ID = "6b1c2d3e-4f50-4a61-8b72-9c83ad94be05"
NOW = 1_784_948_034_829
HOUR = 3_600_000
NEVER = 2**62
"""Milliseconds; the time until then is longer than a timedelta can be."""


def image(created_at: int) -> Image:
    """Return an ACTIVE snapshot."""
    marker = f"[airflow:0123456789abcdef notebook:{ID}]"
    return Image(id="i-1", status="ACTIVE", description=marker, create_at=created_at)


@pytest.mark.parametrize(
    ("created_at", "expected"),
    [
        pytest.param(NOW - HOUR, True, id="an hour ago"),
        pytest.param(NOW - 3 * HOUR, False, id="too long ago"),
        pytest.param(NEVER, False, id="after the end of the calendar"),
    ],
)
def test_began_within_refuses_time_outside_of_calendar(created_at: int, expected: bool) -> None:
    assert began_within(image(created_at), timedelta(hours=2), now=NOW) is expected


@pytest.mark.parametrize(
    ("changed_at", "expected"),
    [
        pytest.param(NOW, True, id="now"),
        pytest.param(NOW + 2 * HOUR, False, id="long after the snapshot"),
        pytest.param(NEVER, False, id="after the end of the calendar"),
    ],
)
def test_check_stopped_warns_when_change_is_outside_of_calendar(changed_at: int, expected: bool) -> None:
    notebook = Notebook(id=ID, status="STOPPED", update_at=changed_at)
    found = check_stopped(notebook, [image(NOW - HOUR)], now=NOW)
    assert found.is_safe is expected
