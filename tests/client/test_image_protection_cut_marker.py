"""A description that a service cut within its marker, after the user's text with another one."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.image_protection import foreign_reason
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.planned_image import PlannedImage

OTHER = "copied from [airflow:fedcba9876543210 notebook:99999999-2222-4333-8444-555555555555]"
OWN = "[airflow:0123456789abcdef notebook:11111111-2222-4333-8444-555555555555]"


def reason(description: str | None, *, include_unmarked: bool = True) -> str | None:
    image = Image.model_validate({"id": "i", "status": "ACTIVE", "description": description})
    return foreign_reason(PlannedImage.of(image), include_unmarked=include_unmarked)


@pytest.mark.parametrize(
    "before", ["", "text ", f"{OTHER} "], ids=["alone", "after text", "after a whole one"]
)
def test_cut_marker_cannot_be_read(before: str) -> None:
    found = {reason(before + OWN[:length]) for length in range(1, len(OWN))}

    assert found == {"its marker cannot be read"}


@pytest.mark.parametrize(
    "description",
    [OWN, f"{OTHER} {OWN}", f"[airflow: a note {OWN}", f"{OWN} [see the wiki]", f"{OWN} for airflow"],
)
def test_whole_marker_at_the_end_counts(description: str) -> None:
    assert reason(description, include_unmarked=False) is None


@pytest.mark.parametrize("description", [None, "", "text", "[text]", "see [flow] and [air] here"])
def test_text_without_a_marker_is_unmarked(description: str | None) -> None:
    assert reason(description) is None
    assert "has no marker" in (reason(description, include_unmarked=False) or "")
