"""How addresses may be written that a prune protects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from airflow_provider_modelarts.client.image_address import ImageAddress
from airflow_provider_modelarts.client.prune_rules import PruneRules, Scope, globs_of
from airflow_provider_modelarts.client.retention import Policy
from airflow_provider_modelarts.exceptions import RequestValidationError

HOST = "swr.eu-de.otc.t-systems.com"


@pytest.mark.parametrize("registry", [HOST, "", "100.125.0.198:20202"])
@pytest.mark.parametrize(
    ("glob", "is_protected"),
    [
        (f"{HOST}/team/research:v1", True),
        (f"{HOST.upper()}/team/research:v1", True),
        (f"docker://{HOST}/team/research:v1", True),
        (f"{HOST}/team/research", True),
        (f"{HOST}/team/*", True),
        ("team/research", True),
        ("team/*", True),
        ("team/research:v1", True),
        ("team/research:v", False),
        ("team/researc", False),
        ("other/research", False),
        (f"{HOST}/other/research:v1", False),
    ],
)
def test_prune_rules_protect_address_however_it_is_written(
    registry: str, glob: str, is_protected: bool
) -> None:
    """A glob that seems to protect a repository and does not would lose its images."""
    rules = PruneRules(Scope(), Policy(keep_last=1), protect=(glob,))
    address = ImageAddress(registry, "team/research", "v1")
    assert (rules.protecting_glob(address) is not None) is is_protected


@pytest.mark.parametrize("value", ["team/research@sha256:" + "a" * 64, "*@*"])
def test_globs_refuse_digest(value: str) -> None:
    """An address is compared without one, so it would protect nothing."""
    with pytest.raises(RequestValidationError, match="digest"):
        globs_of("protect", [value])


class LazySequence(Sequence[str]):
    """What Airflow gives a task for the results of a mapped one: a sequence that is no list."""

    def __init__(self, *items: str) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: Any) -> Any:
        return self._items[index]


def test_globs_take_results_of_mapped_task() -> None:
    assert globs_of("keep_tags", LazySequence("v2", "v1")) == ("v1", "v2")
