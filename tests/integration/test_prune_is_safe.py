"""
A prune loses nothing that it must not, whatever fails, lags or dies: in projects that hypothesis draws.

The simulator refuses no deletion here. What must hold is checked after each request; see prune_scenarios.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from airflow_provider_modelarts.client import (
    image_deletion,
    image_protection,
    left_tags,
    operations,
    prune,
    prune_plan,
)
from airflow_provider_modelarts.client.image_uses import ImageUses
from airflow_provider_modelarts.client.prune import PruneResult
from tests.integration.prune_scenarios import Drawn, Run, Scenario, User, scenarios_with
from tests.snapshots import DAY

QUICK = settings(
    deadline=None,
    database=None,
    derandomize=True,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
OLD = (Drawn(days=2), Drawn(days=10), Drawn(days=20))


@settings(QUICK, max_examples=100)
@given(scenarios_with())
@example(Scenario(OLD, (User(1, by_address=True),)))
@example(Scenario(OLD, kill_at=9, flag="none"))
def test_prune_loses_nothing(scenario: Scenario) -> None:
    Run(scenario).run()


def test_prune_deletes_in_drawn_scenarios() -> None:
    """Otherwise the test above would prove nothing."""
    run = Run(Scenario(OLD, kill_at=9, flag="none"))
    (last,) = run.run()
    assert isinstance(last, PruneResult)
    assert [image.image.id for image in last.deleted] == run.ids[:0:-1]
    assert len(run.simulator.swr_paths & set(run.path.values())) == 1


Patch = Callable[[pytest.MonkeyPatch], None]
LISTS = operations.list_notebooks_of_all_features
READ_USES = image_deletion.read_uses
USE_REASONS = image_protection.use_reasons


def own_notebooks_only(patch: pytest.MonkeyPatch) -> None:
    async def read(client: Any, *, own_notebooks_only: bool) -> ImageUses:  # noqa: ARG001
        return await READ_USES(client, own_notebooks_only=True)

    patch.setattr(prune, "read_uses", read)


def default_workspace_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        operations, "list_notebooks_of_all_features", lambda **given: LISTS(**given, workspace_id="0")
    )


def default_feature_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(operations, "list_notebooks_of_all_features", lambda **given: LISTS(**given)[:1])


def age_before_protection(patch: pytest.MonkeyPatch) -> None:
    def reasons(image: Any, uses: Any) -> list[str]:
        is_old = image.created_at < datetime.now(timezone.utc) - 15 * DAY
        return [] if is_old else USE_REASONS(image, uses)

    patch.setattr(prune_plan, "use_reasons", reasons)
    patch.setattr(prune, "use_reasons", reasons)


def marker_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(prune_plan, "foreign_reason", lambda *_, **__: None)


def tag_before_record(patch: pytest.MonkeyPatch) -> None:
    plain = prune.Prune._remove_one

    async def remove(self: Any, image: Any, *, has_record: bool) -> list[str]:
        if image.content is not None and image.address is not None and self._rules.mode == "delete":
            await image_deletion.delete_tag(self._client, image.address, image.digest)
        return await plain(self, image, has_record=has_record)

    patch.setattr(prune.Prune, "_remove_one", remove)


def list_never_read_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(prune, "USES_TTL", 10**9)


def list_may_end_early(patch: pytest.MonkeyPatch) -> None:
    async def read(client: Any, *, own_notebooks_only: bool) -> ImageUses:
        try:
            return await READ_USES(client, own_notebooks_only=own_notebooks_only)
        except Exception:  # noqa: BLE001
            return ImageUses.of([], read_at=client.time())

    patch.setattr(prune, "read_uses", read)


def addresses_ignored(patch: pytest.MonkeyPatch) -> None:
    plain = ImageUses.of_image
    patch.setattr(ImageUses, "of_image", lambda self, image_id, *_: plain(self, image_id))


def tags_of_content_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(prune_plan, "content_reasons", lambda *_: [])


def newest_unprotected(patch: pytest.MonkeyPatch) -> None:
    plain = prune_plan._classify_group

    def classify(group: Any, rules: Any, now: Any) -> Any:
        return [replace(image, reasons=image.reasons[2:]) for image in plain(group, rules, now)]

    patch.setattr(prune_plan, "_classify_group", classify)


def any_tag_without_record_is_left(patch: pytest.MonkeyPatch) -> None:
    plain = left_tags.plan_left_tags

    def plan(gone: Any, images: Any, rules: Any, **given: Any) -> Any:
        found = plain(gone, images, rules, **given)
        strangers = [
            left_tags.read_entry(
                {"image_id": "x", "swr_path": f"{repository}:{tag}", "digest": content.digest}
            )
            for repository, tags in given["tags"].items()
            for tag, content in (tags or {}).items()
            if tag == "by-hand"
        ]
        return replace(found, removed=(*found.removed, *filter(None, strangers)))

    patch.setattr(prune, "plan_left_tags", plan)


ENDS_EARLY = (("miscount", "ListAllNotebooks", 0, 1000),)
MUTANTS: list[tuple[Patch, dict[str, Any]]] = [
    (own_notebooks_only, {}),
    (default_workspace_only, {"user": {"workspace": st.just("w1")}}),
    (default_feature_only, {"user": {"feature": st.just("DEFAULT")}}),
    (age_before_protection, {}),
    (marker_ignored, {"image": {"kind": st.sampled_from(["own", "by hand"])}}),
    (tag_before_record, {}),
    (list_never_read_again, {"pace": st.just(20)}),
    (list_may_end_early, {"faults": st.just(ENDS_EARLY)}),
    (addresses_ignored, {"user": {"by_address": st.just(True)}}),
    (tags_of_content_ignored, {"image": {"is_stable": st.booleans(), "like": st.sampled_from([0, 1])}}),
    (newest_unprotected, {}),
    (any_tag_without_record_is_left, {}),
]


@pytest.mark.parametrize(("mutant", "often"), MUTANTS, ids=[mutant.__name__ for mutant, _ in MUTANTS])
def test_wrong_prune_is_found(mutant: Patch, often: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the test above would prove nothing. What a mutant needs happens more often than above."""
    mutant(monkeypatch)

    @settings(QUICK, max_examples=1000)
    @given(scenarios_with(**often))
    def loses_nothing(scenario: Scenario) -> None:
        Run(scenario).run()

    with pytest.raises(AssertionError):
        loses_nothing()
