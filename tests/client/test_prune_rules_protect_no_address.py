"""Globs of ``protect`` that match no address in SWR, and so would protect nothing."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.prune_rules import address_globs_of, globs_of
from airflow_provider_modelarts.exceptions import RequestValidationError


@pytest.mark.parametrize(
    "glob",
    [
        *("research", "v2", "research:v2", "docker://research"),
        *("team/", "team/*/", "/team/research", "/", "docker:///team/research", "https://host/team/"),
        *("docker pull team/research", "team/research, team/vision", "team/re search", "team\n/research"),
    ],
)
def test_protect_refuses_glob_that_matches_no_address(glob: str) -> None:
    with pytest.raises(RequestValidationError, match=r"protect.*such as my-organization/research"):
        address_globs_of("protect", ["team/*", glob])


@pytest.mark.parametrize(
    "glob",
    [
        *("team/research", "team/*", "*/research", "*research:v2", "*:v2", "*", "team[ab]*"),
        *("team/research:v[12]", "swr.*/team/re*", "host:5000/team/research", "https://host/team/research"),
        " team/research\n",
    ],
)
def test_protect_accepts_glob_of_addresses(glob: str) -> None:
    assert address_globs_of("protect", [glob]) == (glob.strip(),)


def test_protect_names_each_glob_that_matches_no_address() -> None:
    with pytest.raises(RequestValidationError) as raised:
        address_globs_of("protect", ["research", "team/*", "vision"])
    assert [violation.value for violation in raised.value.violations] == ["research", "vision"]


def test_keep_tags_are_no_addresses() -> None:
    assert globs_of("keep_tags", ["stable"]) == ("stable",)


@pytest.mark.parametrize("value", ["team/*", [""], ["None"], [None], ["team/*@sha256:0"]])
def test_protect_refuses_what_is_no_list_of_globs(value: object) -> None:
    with pytest.raises(RequestValidationError, match="protect"):
        address_globs_of("protect", value)
