"""What the messages of error responses recommend."""

from __future__ import annotations

import re

import pytest

from airflow_provider_modelarts.client.error_codes import ERROR_CODES

STEPS = re.compile(
    r"\b(add|allow|authorise|check|choose|fill in|free|give|grant|make|retry|set|settle|shorten|stop)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("remedy", sorted({row.remedy for row in ERROR_CODES.values()}))
def test_error_codes_remedy_names_something_to_do(remedy: str) -> None:
    assert STEPS.search(remedy), remedy
