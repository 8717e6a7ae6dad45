"""What asset events have of an image that was verified in the registry."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.results import event_extra


@pytest.mark.parametrize(
    ("result", "extra"),
    [
        ({}, {}),
        ({"digest": "sha256:1"}, {"digest": "sha256:1"}),
        (
            {"digest": "sha256:1", "size_bytes": 7, "layers": 2, "unchanged": False},
            {"digest": "sha256:1", "size_bytes": 7, "layers": 2, "unchanged": False},
        ),
        ({"digest": None, "layers": 2, "unchanged": True}, {"layers": 2, "unchanged": True}),
    ],
)
def test_asset_event_has_what_registry_has(result: dict[str, Any], extra: dict[str, Any]) -> None:
    image = {"image_id": "i", "swr_path": "swr.x/t/n:v1"}
    known = {**image, "tag": "v1", "notebook_id": None}

    assert event_extra({**image, **result}) == {**known, **extra}
