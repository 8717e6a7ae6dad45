"""What forms leave behind in a connection: names of Airflow 2, and masks in place of secrets."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.hooks.connection_form import STORED_SECRET
from tests.hooks.connections import refusal, settings

PREFIXED = "extra__modelarts__workspace_id"


@pytest.mark.parametrize("empty", ["", " ", None])
@pytest.mark.parametrize("names", [("workspace_id", PREFIXED), (PREFIXED, "workspace_id")])
@pytest.mark.parametrize("order", [1, -1], ids=["first", "last"])
def test_parse_connection_prefers_filled_name_to_empty_one(
    empty: str | None, names: tuple[str, str], order: int
) -> None:
    extra = dict([(names[0], "w"), (names[1], empty)][::order])

    assert settings(extra=extra).workspace_id == "w"


@pytest.mark.parametrize("order", [1, -1], ids=["first", "last"])
def test_parse_connection_prefers_name_without_prefix(order: int) -> None:
    extra = dict([("workspace_id", "new"), (PREFIXED, "old")][::order])

    assert settings(extra=extra).workspace_id == "new"


@pytest.mark.parametrize("mask", ["***", STORED_SECRET])
@pytest.mark.parametrize(
    ("fields", "named"),
    [
        pytest.param(lambda mask: {"password": mask}, "password", id="password"),
        pytest.param(lambda mask: {"extra": {"security_token": mask}}, "extra security_token", id="token"),
        pytest.param(lambda mask: {"extra": {"proxy": mask}}, "extra proxy", id="proxy"),
        pytest.param(lambda mask: {"extra": {"connect_timeout": mask}}, "extra connect_timeout", id="number"),
    ],
)
def test_parse_connection_refuses_mask_of_secret(fields: Any, named: str, mask: str) -> None:
    message = refusal(**fields(mask))

    assert f"{named} must be typed again to be tested" in message
    assert message.count(f"{named} must") == message.count(f"{named} must be typed")
    assert "must both be filled in" not in message
    assert mask not in message


@pytest.mark.parametrize("region", [None, "eu_de", False, "a b"])
def test_parse_connection_names_region_first(region: Any) -> None:
    message = refusal(login=None, extra={"region": region, "bogus": "x"})

    assert message.splitlines()[0].startswith("Connection 'c' cannot be used: extra region ")
