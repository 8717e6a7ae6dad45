"""The checked arguments of a prune."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client.image_address import ImageAddress
from airflow_provider_modelarts.client.prune_rules import PruneRules, Scope, globs_of
from airflow_provider_modelarts.client.retention import Policy
from airflow_provider_modelarts.exceptions import RequestValidationError

N1 = "11111111-2222-4333-8444-555555555555"
N2 = "22222222-2222-4333-8444-555555555555"
POLICY = Policy(keep_last=1)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"all_of_project": False},
        {"namespace": "*"},
        {"name": "**"},
        {"namespace": "*", "name": "?*"},
        {"notebook_ids": []},
        {"notebook_ids": ()},
        {"notebook_ids": {}},
    ],
    ids=str,
)
def test_scope_is_refused_if_it_is_missing(given: dict[str, Any]) -> None:
    with pytest.raises(RequestValidationError, match=r"scope|notebook_ids"):
        Scope.of(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"namespace": ""},
        {"name": " "},
        {"name": 7},
        {"notebook_ids": N1},
        {"notebook_ids": 7},
        {"notebook_ids": [N1, ""]},
        {"notebook_ids": [N1, None]},
        {"notebook_ids": ["None"]},
        {"notebook_ids": [N1, 7]},
        {"notebook_ids": [{"image_id": "x"}]},
        {"all_of_project": "true"},
        {"all_of_project": 1},
        {"all_of_project": True, "name": "research"},
        {"all_of_project": True, "notebook_ids": [N1]},
        {"all_of_project": True, "namespace": "*"},
    ],
    ids=str,
)
def test_scope_refuses_values(given: dict[str, Any]) -> None:
    with pytest.raises(RequestValidationError):
        Scope.of(**given)


@pytest.mark.parametrize(
    ("given", "image", "expected"),
    [
        ({"namespace": "te*"}, ("team", "research", N1), True),
        ({"namespace": "te*"}, ("tools", "research", N1), False),
        ({"namespace": "Team"}, ("team", "research", N1), False),
        ({"namespace": "te*"}, (None, "research", N1), False),
        ({"name": "research-?"}, ("team", "research-1", None), True),
        ({"name": "research"}, ("team", "research/deep", None), False),
        ({"name": "research*"}, ("team", "research/deep", None), True),
        ({"notebook_ids": [N1]}, ("team", "research", N1), True),
        ({"notebook_ids": [N1.upper()]}, ("team", "research", N1), True),
        ({"notebook_ids": ({"notebook_id": N1, "status": "STOPPED"},)}, ("team", "research", N1), True),
        ({"notebook_ids": [N1]}, ("team", "research", N2), False),
        ({"notebook_ids": [N1]}, ("team", "research", None), False),
        ({"namespace": "team", "notebook_ids": [N1]}, ("other", "research", N1), False),
        ({"namespace": "*", "name": "research"}, ("team", "research", None), True),
        ({"all_of_project": True}, (None, None, None), True),
    ],
    ids=[*map(str, range(15))],
)
def test_scope_has_images(
    given: dict[str, Any], image: tuple[str | None, str | None, str | None], expected: bool
) -> None:
    assert Scope.of(**given).has(*image) is expected


@pytest.mark.parametrize("value", ["stable", None, 7, ["stable", ""], [None], ["None"], {"a": 1}], ids=str)
def test_globs_of_refuses_what_protects_nothing(value: Any) -> None:
    with pytest.raises(RequestValidationError, match="keep_tags"):
        globs_of("keep_tags", value)


def test_globs_of_keeps_all() -> None:
    assert globs_of("protect", ["b", " a* "]) == ("a*", "b")
    assert globs_of("protect", ()) == ()


@pytest.mark.parametrize(
    "given",
    [{"mode": "purge"}, {"mode": ""}, {"max_deletions": 0}, {"max_deletions": True}, {"max_deletions": "5"}],
    ids=str,
)
def test_prune_rules_refuse_values(given: dict[str, Any]) -> None:
    with pytest.raises(RequestValidationError, match=next(iter(given))):
        PruneRules(Scope(), POLICY, **given)


@pytest.mark.parametrize(
    ("glob", "is_protected"),
    [
        ("swr.eu-de.otc.t-systems.com/team/research:v1", True),
        ("*/team/*", True),
        ("team/research:*", True),
        ("team/research", True),
        ("*:v2", False),
    ],
)
def test_prune_rules_protect_addresses_with_or_without_registry(glob: str, is_protected: bool) -> None:
    address = ImageAddress("swr.eu-de.otc.t-systems.com", "team/research", "v1")
    assert (PruneRules(Scope(), POLICY, protect=(glob,)).protecting_glob(address) == glob) is is_protected
