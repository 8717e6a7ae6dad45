"""The progress of a start, stop or restore in an event that another version of the provider has written."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from airflow_provider_modelarts.tasks.notebook import Progress


def test_progress_reads_what_it_passed_through() -> None:
    progress = Progress(7.5, is_last=True, changed=True, image_id="i", snapshot={"last_snapshot_id": "i"})
    assert Progress.read(json.loads(json.dumps(asdict(progress))), 1.0) == progress


@pytest.mark.parametrize(
    "stored",
    [
        {"deadline": None, "is_last": None, "changed": None, "image_id": None, "snapshot": None},
        {"deadline": "soon", "is_last": "yes", "changed": 1, "image_id": 7, "snapshot": []},
        {"new": 1},
    ],
    ids=["null", "of another type", "unknown"],
)
def test_progress_leaves_out_what_it_cannot_read(stored: dict[str, Any]) -> None:
    assert Progress.read(stored, 1.0) == Progress(1.0)
