"""The checks of values that stand in paths and queries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_modelarts.client.operations import validation
from airflow_provider_modelarts.exceptions import RequestValidationError

UUID = "6FA459EA-EE8A-3CA4-894E-DB77E160355E"


@pytest.mark.parametrize(
    ("check", "arguments", "result"),
    [
        (validation.given, ({"name": "n", "tag": None},), {"name": "n"}),
        (validation.flag, ("force", True), "true"),
        (validation.identifier, ("id", UUID), UUID.lower()),
        (validation.identifier, ("id", "Of-The-Simulator"), "Of-The-Simulator"),
        (validation.path_segment, ("id", "a b".replace(" ", "+")), "a%2Bb"),
        (validation.milliseconds, ("duration", timedelta(hours=1)), 3_600_000),
        (validation.choice, ("type", " Timing ", ("timing", "idle")), "timing"),
        (
            validation.image_address,
            ("swr_path", "swr.example/team/research:v1"),
            "swr.example/team/research:v1",
        ),
    ],
)
def test_validation_returns_value_as_it_is_sent(check: Any, arguments: tuple[Any, ...], result: Any) -> None:
    assert check(*arguments) == result


@pytest.mark.parametrize(
    ("check", "arguments", "rule"),
    [
        (validation.given, ({"name": " "},), "name is empty"),
        (validation.flag, ("force", "false"), "must be True or False"),
        (validation.identifier, ("id", "../images"), "must be one id"),
        (validation.identifier, ("id", ".."), "must be one id"),
        (validation.identifier, ("id", None), "is empty"),
        (validation.path_segment, ("id", "a%2Fb"), "must be one id"),
        (validation.milliseconds, ("duration", 3600), "must be a timedelta, not int"),
        (validation.milliseconds, ("duration", timedelta(0)), "must be positive"),
        (validation.choice, ("type", "never", ("timing", "idle")), "must be timing or idle"),
        (validation.choice, ("type", None, ("timing", "idle")), "must be timing or idle"),
        (validation.image_address, ("swr_path", "research:v1"), "must be an image's address"),
        (validation.image_address, ("swr_path", "swr.example/team/research"), "must be an image's address"),
    ],
)
def test_validation_refuses_value_that_would_change_the_request(
    check: Any, arguments: tuple[Any, ...], rule: str
) -> None:
    with pytest.raises(RequestValidationError, match=rule):
        check(*arguments)
