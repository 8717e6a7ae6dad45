"""Whether a notebook may be stopped, where it is doubtful when it was last started."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.client.snapshot_check import SnapshotCheck, check_snapshot

ID = "6b1c2d3e-4f50-4a61-8b72-9c83ad94be05"
NOW = 1_784_948_034_829
MINUTE = 60_000
HOUR = 60 * MINUTE
BEGUN = NOW - HOUR
ENDED = NOW - 50 * MINUTE
RENEWED = NOW - 47 * MINUTE
"""Within the five minutes after the end of the save in which the save itself may have rewritten this time."""


def check(*, runs: str | None = "i-1", lease: dict[str, Any] | None = None, **fields: Any) -> SnapshotCheck:
    """Check a notebook whose lease was renewed shortly after a save that began an hour ago."""
    timed = {"create_at": NOW - 24 * HOUR, "update_at": RENEWED, "duration": 48 * HOUR, "enable": True}
    given = {"id": ID, "status": "RUNNING", "image": {"id": runs}, "lease": timed | (lease or {})}
    saved = {
        "id": "i-1",
        "status": "ACTIVE",
        "description": f"[airflow:0123456789abcdef notebook:{ID}]",
        "create_at": BEGUN,
        "update_at": ENDED,
    }
    return check_snapshot(
        Notebook.model_validate(given),
        [Image.model_validate(saved | fields)],
        now=NOW,
        require_snapshot_within=timedelta(hours=2),
    )


@pytest.mark.parametrize(
    ("runs", "is_safe"),
    [
        pytest.param("i-1", True, id="the snapshot"),
        pytest.param("I-1", True, id="the snapshot, in other letters"),
        pytest.param(None, True, id="an unknown image"),
        pytest.param("", True, id="an image without an id"),
        pytest.param("i-2", False, id="another image, restored since"),
    ],
)
def test_check_snapshot_accepts_start_as_save_only_while_notebook_runs_snapshot(
    runs: str | None, is_safe: bool
) -> None:
    found = check(runs=runs)
    assert found.is_safe is is_safe
    if not is_safe:
        assert "began before the notebook was started or renewed" in found.reason


@pytest.mark.parametrize("runs", ["i-1", "i-2", None])
def test_check_snapshot_begun_after_last_start_proves_whatever_notebook_runs(runs: str | None) -> None:
    assert check(runs=runs, lease={"update_at": BEGUN - 1}).is_safe


@pytest.mark.parametrize(
    ("ended", "started", "is_safe"),
    [
        pytest.param(NOW + 5 * MINUTE, RENEWED, True, id="a little ahead of the clock"),
        pytest.param(NOW + 5 * MINUTE + 1, RENEWED, False, id="in the future"),
        pytest.param(ENDED * 1000, RENEWED, False, id="in microseconds"),
        pytest.param(2**62, RENEWED, False, id="out of range"),
        pytest.param(NOW + HOUR, BEGUN + 5 * MINUTE, True, id="in the future, five minutes after the begin"),
        pytest.param(ENDED // 1000, RENEWED, True, id="in seconds"),
    ],
)
def test_check_snapshot_end_in_future_counts_as_begin(ended: int, started: int, is_safe: bool) -> None:
    assert check(update_at=ended, lease={"update_at": started}).is_safe is is_safe
