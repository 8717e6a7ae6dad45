"""An image whose record names its content by a digest, which its tag may no longer name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_modelarts.client.image_protection import content_reasons
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.planned_image import PlannedImage
from airflow_provider_modelarts.client.prune_rules import PruneRules, Scope
from airflow_provider_modelarts.client.registry import RegistryTag
from airflow_provider_modelarts.client.retention import Policy

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("reference", "reasons"),
    [
        (f"@{DIGEST.upper()}", []),
        (f":v1@{DIGEST}", []),
        (":v1", []),
        (f":v1@sha256:{'cd' * 32}", ["its tag names other content than its record"]),
        (f"@sha256:{'cd' * 32}", ["its tag names other content than its record"]),
    ],
)
def test_content_reasons_keep_image_whose_tag_names_other_content(reference: str, reasons: list[str]) -> None:
    """DeleteImage and SWR would delete that content with the tag."""
    image = Image(id="i1", tag="v1", swr_path=f"swr.example/team/research{reference}")
    content = RegistryTag.model_validate({"tag": "v1", "digest": DIGEST})
    rules = PruneRules(Scope(), Policy(keep_last=1), "delete")

    planned = replace(PlannedImage.of(image), content=content)

    assert content_reasons(planned, {}, rules) == reasons
