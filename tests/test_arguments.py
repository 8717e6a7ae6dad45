"""Checks of arguments: blank values, times and image ids."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_modelarts.arguments import (
    MAX_SECONDS,
    check_execution_timeout,
    given,
    image_id_of,
    refuse_nothing,
    seconds,
)
from airflow_provider_modelarts.exceptions import RequestValidationError

ID = "4e0d1854-63e5-4517-b683-a0ee97a692a1"
NOTHING = ["", "   ", "\n", "None", "None\n"]
NO_SECONDS = [
    *(math.nan, math.inf, -math.inf, -1, True, False, "15", None, [15], b"15"),
    *(timedelta.max, timedelta(seconds=-1), MAX_SECONDS + 1, 10**400),
]


@pytest.mark.parametrize("value", NOTHING)
def test_given_returns_none_for_blank_value(value: str) -> None:
    assert given(value) is None


@pytest.mark.parametrize("value", ["nightly", "none", "NONE", "null", "None-2", "0", " x ", None, 7, [], {}])
def test_given_returns_other_values_unchanged(value: object) -> None:
    assert given(value) is value


@pytest.mark.parametrize("value", NOTHING)
def test_refuse_nothing_names_field_rule_and_remedy(value: str) -> None:
    with pytest.raises(RequestValidationError) as caught:
        refuse_nothing(notebook_id="n", name=value, namespace=None)

    (broken,) = caught.value.violations
    words = "the word None" if "None" in value else "nothing"
    assert broken.field == "name"
    assert f"its template rendered to {words}" in str(caught.value)
    assert "give it a default" in str(caught.value)


def test_refuse_nothing_names_every_field() -> None:
    with pytest.raises(RequestValidationError, match=r"notebook_id .*; namespace "):
        refuse_nothing(notebook_id="None", namespace="")


@pytest.mark.parametrize(
    "value", [ID, {"image_id": ID, "swr_path": "s", "status": "INIT"}, ID.upper(), {"image_id": ID}]
)
def test_image_id_of_accepts_id_and_result_of_operator(value: Any) -> None:
    assert image_id_of(value).lower() == ID


@pytest.mark.parametrize(
    "value", [*NOTHING, None, {}, {"image_id": None}, {"image_id": ""}, {"name": "n"}], ids=repr
)
def test_image_id_of_rejects_missing_result(value: Any) -> None:
    with pytest.raises(RequestValidationError, match=r"image_id resolved to .* failed, was skipped"):
        image_id_of(value)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(f"{{'image_id': '{ID}', 'swr_path': 's'}}", id="a result as text"),
        pytest.param(f'{{"image_id":"{ID}"}}', id="a result as JSON"),
        pytest.param(f"['{ID}']", id="a list as text"),
        pytest.param("my image", id="a name"),
        pytest.param("swr.eu-de.otc.t-systems.com/team/research:nightly", id="an address"),
        pytest.param(f" {ID}", id="with a blank"),
        pytest.param("../notebooks", id="a path"),
        pytest.param("\ud800", id="half a surrogate pair"),
        pytest.param(20261121, id="a number"),
        pytest.param(ID.encode(), id="bytes"),
        pytest.param({"image_id": 7}, id="a number in a result"),
        pytest.param({"image_id": {"image_id": ID}}, id="a result in a result"),
    ],
)
def test_image_id_of_suggests_result_for_invalid_id(value: Any) -> None:
    with pytest.raises(RequestValidationError, match=r"pass save.output"):
        image_id_of(value)


@pytest.mark.parametrize("value", [[ID], (ID,), [{"image_id": ID}], []])
def test_image_id_of_suggests_expand_for_several_images(value: Any) -> None:
    with pytest.raises(RequestValidationError, match=r"expand\(image_id=save.output\)"):
        image_id_of(value)


@pytest.mark.parametrize("value", NO_SECONDS, ids=[f"{value!r:.40}" for value in NO_SECONDS])
@pytest.mark.parametrize("may_be_zero", [True, False])
def test_seconds_rejects_value_that_no_timer_accepts(value: Any, may_be_zero: bool) -> None:
    with pytest.raises(ValueError, match="timeout must be a number of seconds"):
        seconds("timeout", value, may_be_zero=may_be_zero)


@pytest.mark.parametrize("value", [0, 0.0, timedelta(0)])
def test_seconds_accepts_zero_only_with_may_be_zero(value: Any) -> None:
    assert seconds("timeout", value, may_be_zero=True) == 0
    with pytest.raises(ValueError, match="above 0"):
        seconds("timeout", value)


@pytest.mark.parametrize(
    ("value", "expected"), [(1, 1), (0.5, 0.5), (timedelta(hours=1), 3600), (MAX_SECONDS, MAX_SECONDS)]
)
def test_seconds_converts_numbers_and_timedeltas(value: Any, expected: float) -> None:
    assert seconds("timeout", value) == expected


@pytest.mark.parametrize("value", [timedelta.max, timedelta(seconds=-1)])
def test_check_execution_timeout_rejects_value_that_airflow_cannot_use(value: timedelta) -> None:
    with pytest.raises(ValueError, match="execution_timeout"):
        check_execution_timeout(value)


@pytest.mark.parametrize("value", [None, timedelta(0), timedelta(days=1)])
def test_check_execution_timeout_accepts_value_that_airflow_can_use(value: timedelta | None) -> None:
    check_execution_timeout(value)
