"""Connections for the tests of ``parse_connection``."""

from __future__ import annotations

import json
import traceback
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_modelarts.exceptions import InvalidConnectionError
from airflow_provider_modelarts.hooks.connection import Settings, parse_connection

PROJECT = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
USER = {"auth": "password", "domain_name": "research"}
AGENCY = {"agency_name": "agency", "agency_domain_name": "research"}
CANARY = "S3CR3TcanaryS3CR3T"
"""A secret that must not be seen anywhere."""


def settings(*, extra: dict[str, Any] | None = None, **fields: Any) -> Settings:
    """Return the settings of a valid connection, with some fields and extras replaced."""
    given = {"conn_type": "modelarts", "login": "ACCESSKEY", "password": "secret-key", **fields}
    texts = {"region": "eu-de", "project_id": PROJECT, **(extra or {})}
    return parse_connection(Connection(conn_id="c", **given, extra=json.dumps(texts)))


def refusal(**fields: Any) -> str:
    """Return all that can be seen of the error of a bad one: its message, repr and traceback."""
    with pytest.raises(InvalidConnectionError) as caught:
        settings(**fields)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    shown = traceback.format_exception(caught.value)
    return "\n".join([str(caught.value), repr(caught.value), *shown])


def with_value(field: str, value: Any) -> dict[str, Any]:
    """Return the fields of a connection that has the value in one of them."""
    standard = field in {"login", "password", "host", "schema", "port"}
    return {field: value} if standard else {"extra": {field: value}}
