"""Which images a prune removes, keeps and skips, and why."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_modelarts.client.image_uses import ImageUses
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.client.prune_plan import PrunePlan, plan_prune
from airflow_provider_modelarts.client.prune_rules import PruneRules, Scope
from airflow_provider_modelarts.client.registry import RegistryTag
from airflow_provider_modelarts.client.retention import Policy

NOW = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
NOTEBOOK = "11111111-2222-4333-8444-555555555555"
OTHER = "99999999-2222-4333-8444-555555555555"
REPOSITORY = "swr.eu-de.otc.t-systems.com/team/research"


def image(tag: str, days: float | None = 10, *, notebook: str = NOTEBOOK, **given: Any) -> Image:
    """Return an ACTIVE snapshot of some age, whose id is its tag."""
    fields = {
        "id": tag,
        "namespace": "team",
        "name": "research",
        "tag": tag,
        "swr_path": f"{REPOSITORY}:{tag}",
        "status": "ACTIVE",
        "description": f"[airflow:0123456789abcdef notebook:{notebook}]",
        "create_at": None if days is None else int((NOW - timedelta(days=days)).timestamp() * 1000),
    }
    return Image.model_validate({**fields, **given})


def uses(*of: dict[str, Any]) -> ImageUses:
    return ImageUses.of(
        Notebook.model_validate({"id": f"n{n}", "image": found}) for n, found in enumerate(of)
    )


def tags(*given: str) -> dict[str, dict[str, RegistryTag]]:
    """Return the tags of the repository, given as tag or tag=digest."""
    pairs = [text.partition("=")[::2] for text in given]
    return {
        "team/research": {
            tag: RegistryTag.model_validate({"Tag": tag, "digest": digest or f"sha256:{tag}"})
            for tag, digest in pairs
        }
    }


def plan(images: list[Image], **given: Any) -> PrunePlan:
    known = {
        "uses": given.pop("uses", uses()),
        "tags": given.pop("tags", None),
        "left": given.pop("left", None),
    }
    policy = given.pop("policy", Policy(keep_last=1))
    rules = {"mode": "delete", "scope": Scope(), **given}
    return plan_prune(images, PruneRules(policy=policy, **rules), now=NOW, **known)


def ids(images: Any) -> list[str]:
    return [found.image.id for found in images]


def reasons(found: PrunePlan, image_id: str) -> tuple[str, ...]:
    every = (*found.kept, *found.deleted, *found.skipped)
    return next(planned.reasons for planned in every if planned.image.id == image_id)


OLD = [image("new", 5), image("old", 20)]


def test_plan_prune_deletes_what_no_rule_keeps() -> None:
    found = plan(OLD)

    assert (ids(found.kept), ids(found.deleted), found.skipped) == (["new"], ["old"], ())
    assert reasons(found, "old") == ("no rule keeps it",)
    assert reasons(found, "new") == ("is the newest ACTIVE image of its group", "keep_last 1")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param({"description": None}, "has no marker", id="no marker"),
        pytest.param({"description": "research"}, "has no marker", id="another's image"),
        pytest.param({"description": "[airflow:0123456789abc"}, "its marker cannot be read", id="cut marker"),
        pytest.param({"status": "CREATING"}, "is CREATING, not ACTIVE", id="pending"),
        pytest.param({"status": "FROZEN"}, "is FROZEN, not ACTIVE", id="unknown status"),
        pytest.param({"status": None}, "is without a status, not ACTIVE", id="no status"),
        pytest.param({"create_at": None}, "its creation time is unknown", id="no date"),
        pytest.param({"create_at": 10**20}, "its creation time is unknown", id="impossible date"),
        pytest.param(
            {"create_at": int((NOW + timedelta(days=1)).timestamp() * 1000)}, "in the future", id="future"
        ),
        pytest.param({"swr_instance_id": "e-1"}, "is in an Enterprise registry", id="Enterprise"),
        pytest.param(
            {"swr_path": "team.swr-pro.myhuaweicloud.com/team/research:x"}, "Enterprise", id="Enterprise host"
        ),
        pytest.param({"swr_path": None, "name": None}, "address in SWR is unknown", id="no address"),
    ],
)
def test_plan_prune_keeps_image(given: dict[str, Any], reason: str) -> None:
    found = plan([*OLD, image("x", 30, **given)])

    assert "x" in ids(found.kept)
    assert reason in "; ".join(reasons(found, "x"))
    assert ids(found.deleted) == ["old"]


def test_plan_prune_keeps_image_without_a_tag() -> None:
    untagged = image("x", 30).model_copy(update={"swr_path": REPOSITORY, "tag": None})
    assert "its address in SWR is unknown" in reasons(plan([*OLD, untagged]), "x")


@pytest.mark.parametrize("status", ["CREATE_FAILED", "ERROR", "DELETED"])
def test_plan_prune_lists_failed_records_and_leaves_them_alone(status: str) -> None:
    found = plan([image("x", 30, status=status), image("only", 20)])
    assert (ids(found.skipped), ids(found.kept), found.deleted) == (["x"], ["only"], ())


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"keep_tags": ("o*",)}, "its tag 'old' matches keep_tags"),
        ({"protect": ("team/*:old",)}, "its address matches 'team/*:old' of protect"),
        ({"protect": (f"{REPOSITORY}:*",)}, "of protect"),
        ({"min_age": timedelta(days=21)}, "is younger than min_age"),
        ({"policy": Policy(keep_last=2)}, "keep_last 2"),
        ({"policy": Policy.of(keep_within="30d")}, "keep_within"),
        ({"tags": tags("new", "old", "stable=sha256:old"), "keep_tags": ("stable",)}, "the tag 'stable'"),
        ({"tags": tags("new", "old=sha256:new")}, "its content is that of the tag 'new', which is kept"),
        (
            {
                "tags": tags("new", "old=")
                | {"team/research": {"old": RegistryTag.model_validate({"Tag": "old"})}}
            },
            "digest of its tag is unknown",
        ),
    ],
    ids=["tag", "protect", "whole", "min_age", "keep_last", "keep_within", "promoted", "shared", "unknown"],
)
def test_plan_prune_protects_before_it_deletes(given: dict[str, Any], reason: str) -> None:
    found = plan(OLD, **given)
    assert ids(found.deleted) == []
    assert reason in "; ".join(reasons(found, "old"))


@pytest.mark.parametrize(
    "used",
    [
        {"id": "old"},
        {"id": "OLD"},
        {"id": "gone", "swr_path": f"{REPOSITORY}:old"},
        {"swr_path": "registry.example.com/team/research:old"},
        {"swr_path": "team/research:old"},
        {"swr_path": REPOSITORY},
        {"swr_path": f"{REPOSITORY}@sha256:old"},
    ],
    ids=str,
)
def test_plan_prune_skips_image_in_use(used: dict[str, Any]) -> None:
    found = plan(OLD, uses=uses(used), tags=tags("new", "old"))
    assert (ids(found.deleted), ids(found.skipped)) == ([], ["old"])
    assert reasons(found, "old") == ("used by notebook n0",)


@pytest.mark.parametrize("used", [{"id": "x"}, {"swr_path": f"{REPOSITORY}2:old"}, {"swr_path": "garbage"}])
def test_plan_prune_deletes_what_only_resembles_an_image_in_use(used: dict[str, Any]) -> None:
    assert ids(plan(OLD, uses=uses(used)).deleted) == ["old"]


def test_plan_prune_protects_content_of_image_in_use() -> None:
    found = plan([*OLD, image("used", 30)], uses=uses({"id": "used"}), tags=tags("new", "old=x", "used=x"))
    assert ids(found.deleted) == []


def test_plan_prune_protects_content_of_image_out_of_scope() -> None:
    stranger = image("theirs", 30, notebook=OTHER)
    scope = Scope.of(notebook_ids=[NOTEBOOK])
    found = plan([*OLD, stranger], scope=scope, tags=tags("new", "old=x", "theirs=x"))
    assert (ids(found.deleted), ids(found.kept)) == ([], ["new", "old"])


@pytest.mark.parametrize(
    ("other", "deleted"),
    [
        ({}, ["b"]),
        ({"notebook": OTHER}, []),
        ({"name": "other", "swr_path": "swr.eu-de.otc.t-systems.com/team/other:b"}, []),
        ({"namespace": "other", "swr_path": "swr.eu-de.otc.t-systems.com/other/research:b"}, []),
    ],
    ids=["same", "notebook", "name", "namespace"],
)
def test_plan_prune_groups_by_namespace_name_and_notebook(other: dict[str, Any], deleted: list[str]) -> None:
    assert ids(plan([image("a", 5), image("b", 9, **other)]).deleted) == deleted


def test_plan_prune_does_not_count_images_from_the_future_as_newest() -> None:
    """Nor does a pending one: the newest ACTIVE image that exists is what can be restored."""
    future = image("future", -2)
    found = plan([future, image("pending", 1, status="CREATING"), *OLD])
    assert "newest ACTIVE" in reasons(found, "new")[0]
    assert ids(found.deleted) == ["old"]


def test_plan_prune_includes_unmarked_images_only_if_asked() -> None:
    unmarked = [image(f"u{n}", 10 + n, description="by hand") for n in range(2)]
    assert ids(plan(unmarked).deleted) == []
    assert ids(plan(unmarked, include_unmarked=True).deleted) == ["u1"]


def test_plan_prune_keeps_the_newest_whatever_its_order_and_age() -> None:
    found = plan([image("a", 400), image("b", 300), image("c", 350)], policy=Policy.of(keep_within="1h"))
    assert (ids(found.kept), ids(found.deleted)) == (["b"], ["a", "c"])


def test_plan_prune_removes_oldest_first_up_to_the_limit() -> None:
    images = [image("new", 2), *(image(f"i{n}", 10 + n) for n in range(5))]

    found = plan(images, max_deletions=2)
    after_retry = plan(images, max_deletions=2, left=1)

    assert ids(found.deleted) == ["i4", "i3"]
    assert ids(found.skipped) == ["i2", "i1", "i0"]
    assert "max_deletions is 2" in reasons(found, "i0")[-1]
    assert ids(after_retry.deleted) == ["i4"]
    assert ids(plan(images, left=-3).deleted) == []


@pytest.mark.parametrize(
    ("mode", "keep_tags", "kind"),
    [
        ("delete", (), "skipped"),
        ("report", (), "skipped"),
        ("unregister", (), "deleted"),
        ("unregister", ("stable",), "skipped"),
    ],
)
def test_plan_prune_spares_repository_whose_tags_are_unknown(
    mode: str, keep_tags: tuple[str, ...], kind: str
) -> None:
    found = plan(OLD, mode=mode, keep_tags=keep_tags, tags={"team/research": None})
    assert ids(getattr(found, kind)) == ["old"]


def test_plan_prune_without_tags_is_a_draft() -> None:
    assert ids(plan(OLD, tags=None).deleted) == ["old"]
    assert ids(plan(OLD, tags={}).deleted) == []


def test_plan_prune_lists_tags_without_record() -> None:
    found = plan(OLD, tags=tags("new", "old", "by-hand"))
    assert found.tags_without_record == ("team/research:by-hand",)


def test_plan_prune_uses_the_days_of_the_time_zone() -> None:
    """Two images of one day in UTC, of two days in Berlin."""
    images = [
        image("new", create_at=int(datetime(2026, 11, 20, 23, 30, tzinfo=timezone.utc).timestamp() * 1000)),
        image("old", create_at=int(datetime(2026, 11, 20, 22, 30, tzinfo=timezone.utc).timestamp() * 1000)),
        image("first", create_at=int(datetime(2026, 11, 1, tzinfo=timezone.utc).timestamp() * 1000)),
    ]
    policy = Policy(keep_daily=2)
    assert ids(plan(images, policy=policy).deleted) == ["old"]
    assert ids(plan(images, policy=policy, zone=ZoneInfo("Europe/Berlin")).deleted) == ["first"]


def test_planned_image_is_plain_json() -> None:
    (found,) = plan(OLD).deleted
    assert found.to_xcom() == {
        "image_id": "old",
        "swr_path": f"{REPOSITORY}:old",
        "tag": "old",
        "created_at": "2026-11-06T12:00:00.000+00:00",
        "reasons": ["no rule keeps it"],
    }
