"""A stop that names a snapshot whose save goes on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.client.snapshot_check import check_snapshot

NOW = 1_784_948_034_829


@pytest.mark.parametrize(
    ("status", "end"),
    [
        ("CREATING", "which is CREATING, not ACTIVE yet"),
        ("NEW", "which is NEW, not ACTIVE yet"),
        ("CREATE_FAILED", "which is CREATE_FAILED"),
    ],
)
def test_check_snapshot_says_whether_given_image_may_become_active(status: str, end: str) -> None:
    """Else a user would save once more."""
    image = Image.model_validate({"id": "i", "status": status, "create_at": NOW})
    notebook = Notebook(id="n", status="RUNNING")
    found = check_snapshot(notebook, (), now=NOW, require_snapshot_within=timedelta(hours=2), given=image)
    assert not found.is_safe
    assert found.reason.endswith(end)
