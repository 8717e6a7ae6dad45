"""The drop-downs of the form of Airflow 2, which a browser submits as they are drawn."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.hooks.connection_form import _chosen


@pytest.mark.parametrize(
    ("stored", "selected"),
    [
        (None, ""),
        ("", ""),
        (" ", ""),
        ("otc", "otc"),
        ("OTC", "otc"),
        (" Otc ", "otc"),
        ("other", "other"),
        (5, "5"),
        (0, "0"),
        (False, "False"),
    ],
)
def test_drop_down_selects_stored_value(stored: Any, selected: str) -> None:
    assert _chosen(stored, ["", "otc", "custom"]) == selected
