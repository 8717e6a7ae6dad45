"""Globs of ``protect`` with a wildcard for the registry, and records that show no registry."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.image_address import ImageAddress
from airflow_provider_modelarts.client.prune_rules import PruneRules, Scope
from airflow_provider_modelarts.client.retention import Policy


@pytest.mark.parametrize("registry", ["swr.eu-de.otc.t-systems.com", "registry", "localhost:5000", ""])
@pytest.mark.parametrize(
    ("glob", "is_protected"),
    [
        ("*/team/research", True),
        ("*/team/research:v1", True),
        ("*/team/*", True),
        ("*/*/research:v1", True),
        ("[a-z]*/team/research", True),
        ("*/other/research", False),
        ("*/team/research:v2", False),
    ],
)
def test_protect_with_wildcard_for_the_registry(registry: str, glob: str, is_protected: bool) -> None:
    rules = PruneRules(Scope(), Policy(keep_last=1), protect=(glob,))
    address = ImageAddress(registry, "team/research", "v1")
    assert (rules.protecting_glob(address) is not None) is is_protected
