"""The plan of a prune by a list of images that has the service's own too."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client.image_uses import ImageUses
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.prune_plan import PrunePlan, plan_prune
from airflow_provider_modelarts.client.prune_rules import PruneRules, Scope
from airflow_provider_modelarts.client.retention import Policy
from tests.snapshots import NOTEBOOK, at, marker

NOW = at("2026-11-20T12:00")
PATH = "team/research"


def image(number: int, **given: Any) -> Image:
    created = int(NOW.timestamp() - number * 86_400) * 1000
    path = f"swr.example/{PATH}:v{number}"
    fields = {"id": f"i{number}", "status": "ACTIVE", "create_at": created, "swr_path": path}
    return Image.model_validate({**fields, "description": marker(NOTEBOOK), **given})


def plan(images: list[Image], tags: Any, **given: Any) -> PrunePlan:
    rules = PruneRules(Scope.of(all_of_project=True), Policy(keep_last=1), **{"mode": "delete", **given})
    return plan_prune(images, rules, uses=ImageUses(0), tags=tags, now=NOW)


def ids(images: Any) -> list[str]:
    return [found.image.id for found in images]


@pytest.mark.parametrize("image_type", ["BUILD_IN", "build_in"])
def test_plan_prune_keeps_image_of_the_service_itself(image_type: str) -> None:
    """A service may ignore the filter of its list."""
    built_in = image(4, description=None, type=image_type)
    own = image(3, description=None, type="DEDICATED")

    found = plan([image(2, description=None), own, built_in], {PATH: {}}, include_unmarked=True)

    assert ids(found.deleted) == ["i3"]
    assert found.kept[-1].reasons == ("is an image of ModelArts itself",)
