"""Images whose record has a time at which none can have been created."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_modelarts.client.image_uses import ImageUses
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.prune_plan import PrunePlan, plan_prune
from airflow_provider_modelarts.client.prune_rules import PruneRules, Scope
from airflow_provider_modelarts.client.retention import Policy
from tests.snapshots import NOTEBOOK, at, marker

NOW = at("2026-11-26 12:00")


def image(tag: str, created: object) -> Image:
    fields = {"id": tag, "swr_path": f"swr.x/team/research:{tag}", "status": "ACTIVE"}
    return Image.model_validate({**fields, "description": marker(NOTEBOOK), "create_at": created})


def plan(images: list[Image], policy: Policy, zone: Any = "UTC") -> PrunePlan:
    rules = PruneRules(Scope.of(all_of_project=True), policy, zone=ZoneInfo(zone))
    return plan_prune(images, rules, uses=ImageUses.of([]), tags=None, now=NOW)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Shanghai"])
@pytest.mark.parametrize(
    "created",
    [
        pytest.param(0, id="zero"),
        pytest.param(-1, id="no time"),
        pytest.param(int(NOW.timestamp()) // 60, id="in minutes"),
        pytest.param("0001-01-01T00:00:00Z", id="zero of another language"),
        pytest.param("1970-01-01T00:00:00Z", id="zero as text"),
    ],
)
def test_plan_prune_keeps_image_with_impossible_time(created: object, zone: str) -> None:
    """Such a record may be the newest, and was the first to be deleted."""
    days = [image(f"v{n}", int((NOW - timedelta(days=n)).timestamp() * 1000)) for n in (2, 3, 4)]
    odd = image("odd", created)

    found = plan([*days, odd], Policy(keep_last=1, keep_yearly=9), zone)

    assert [kept.image.id for kept in found.kept] == ["v2", "v4", "odd"]
    assert found.kept[-1].reasons == ("its creation time is unknown",)
    assert [deleted.image.id for deleted in found.deleted] == ["v3"]


def test_plan_prune_takes_time_of_first_possible_image() -> None:
    early = [image(f"v{n}", f"2000-01-0{n}T00:00:00Z") for n in (1, 2)]
    found = plan(early, Policy(keep_last=1))
    assert [deleted.image.id for deleted in found.deleted] == ["v1"]
