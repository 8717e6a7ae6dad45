"""Which missing fields are reported, and in which order: what a user fills in first comes first."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_modelarts.exceptions import InvalidConnectionError
from airflow_provider_modelarts.hooks.connection import parse_connection

KEYS = {"login": "ACCESSKEY", "password": "secret-key"}
HOST = {"host": "https://modelarts.example.com"}


def problems(extra: str, **fields: Any) -> list[str]:
    """Return the beginning of each problem, up to what it is about."""
    connection = Connection(conn_id="c", conn_type="modelarts", extra=extra, **fields)
    with pytest.raises(InvalidConnectionError) as caught:
        parse_connection(connection)
    return [problem.partition(" (")[0].partition(":")[0] for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("extra", "fields", "reported"),
    [
        pytest.param("{}", {}, ["extra region is missing", "login"], id="nothing"),
        pytest.param("{}", KEYS, ["extra region is missing"], id="only keys"),
        pytest.param("{}", {**KEYS, **HOST}, ["extra region is missing"], id="keys and host"),
        pytest.param('{"project_id": "p"}', KEYS, ["extra region is missing"], id="no region"),
        pytest.param(
            '{"project_name": "p"}',
            {**KEYS, **HOST},
            ["extra iam_endpoint is missing"],
            id="a name that needs IAM",
        ),
        pytest.param(
            '{"regoin": "eu-de"}', KEYS, ["extra region is missing", "extra 'regoin' is unknown"], id="a typo"
        ),
        pytest.param(
            '{"cloud": "custom"}',
            {},
            ["host is missing", "extra project_id is missing", "login", "extra iam_endpoint is missing"],
            id="private installation",
        ),
        pytest.param('{"region": "eu-de"}', {}, ["login"], id="no keys"),
    ],
)
def test_parse_connection_reports_missing_fields_in_order_of_form(
    extra: str, fields: dict[str, Any], reported: list[str]
) -> None:
    assert problems(extra, **fields) == reported
