"""Waits that an earlier version of this provider began; it stored what stands here, so never edit it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.triggers.events import ImageEvent
from airflow_provider_modelarts.triggers.image import NotebookImageTrigger

IMAGE_ID = "4e0d1854-63e5-4517-b683-a0ee97a692a1"
NEEDED = {"image_id": IMAGE_ID, "modelarts_conn_id": "m", "poll_interval": 10.0, "deadline": 1.8e9}
STORED: dict[str, dict[str, Any]] = {
    "0.1.0": {**NEEDED, "passthrough": {"notebook_id": "n"}, "since": 1.7e9, "not_before": None},
    "0.1.0 without optional arguments": NEEDED,
}
EVENTS: dict[str, dict[str, Any]] = {
    "success": {"status": "success", "image": {"image_id": IMAGE_ID, "swr_path": "swr.example.com/a/b:c"}},
    "failed": {"status": "failed", "error": "ImageFailedError", "message": "Image ended as CREATE_FAILED"},
    "timeout": {"status": "timeout", "error": "WaitTimeoutError", "message": "Timed out after 60 s"},
}


@pytest.mark.parametrize("stored", STORED.values(), ids=STORED)
def test_trigger_accepts_arguments_of_earlier_version(stored: dict[str, Any]) -> None:
    _, arguments = NotebookImageTrigger(**stored).serialize()

    assert {name: arguments[name] for name in stored} == stored


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_event_of_earlier_version_is_read(event: dict[str, Any]) -> None:
    read = ImageEvent.model_validate(
        {**event, "passthrough": {"notebook_id": "n"}, "field of another version": 1}
    )

    assert read.model_dump().items() >= event.items()
