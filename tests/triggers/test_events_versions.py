"""Events of other versions of this provider, which a task meets after an upgrade."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.exceptions import ModelArtsError, WaitTimeoutError
from airflow_provider_modelarts.triggers.events import ImageEvent

IMAGE = {"image_id": "i", "swr_path": "swr.x/team/research:1", "status": "ACTIVE"}


@pytest.mark.parametrize(
    "more",
    [
        {},
        dict.fromkeys(("error", "message", "notebook_id", "since", "passthrough", "added_later")),
        {"since": "2026-01-01T00:00:00Z"},
        {"notebook_id": {"id": "n"}},
        {"added_later": [1]},
    ],
    ids=["first version", "null", "time as text", "notebook as object", "later version"],
)
def test_event_of_success_is_read_whatever_else_it_has(more: dict[str, Any]) -> None:
    event = ImageEvent.read({"status": "success", "image": IMAGE, **more})

    assert event.result() == IMAGE
    assert (event.since, event.notebook_id) == (None, None)


@pytest.mark.parametrize("field", ["image", "error", "message", "passthrough"])
@pytest.mark.parametrize(("status", "error"), [("failed", ModelArtsError), ("timeout", WaitTimeoutError)])
def test_event_of_failure_with_null_is_still_that_failure(
    status: str, error: type[ModelArtsError], field: str
) -> None:
    event = ImageEvent.read({"status": status, "message": "why", field: None})

    with pytest.raises(error, match="the trigger gave no reason" if field == "message" else "why"):
        event.result()


@pytest.mark.parametrize("image", [None, {}, {"image_id": None, "swr_path": "x"}, {"image_id": "i"}])
def test_event_of_success_without_image_is_no_success(image: Any) -> None:
    with pytest.raises(ModelArtsError, match="cannot be read"):
        ImageEvent.read({"status": "success", "image": image})
