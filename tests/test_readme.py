"""The statements of the README."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_modelarts.client.clouds import HUAWEI_CLOUD
from airflow_provider_modelarts.client.models import CreateImageRequest
from airflow_provider_modelarts.exceptions import RequestValidationError
from airflow_provider_modelarts.hooks.connection import parse_connection
from tests.pages import blocks, pages

README = pages()["README.md"]


def codes(language: str) -> list[str]:
    return [block.code for block in blocks("README.md") if block.language == language]


def test_readme_stays_within_line_budget() -> None:
    assert len(README.splitlines()) <= 150


def test_readme_dag_runs() -> None:
    (code,) = codes("python")
    names: dict[str, Any] = {}

    exec(code, names)

    tasks = names["save"].dag.task_dict
    assert tasks.keys() == {"save", "wait"}
    assert tasks["wait"].upstream_task_ids == {"save"}


def test_readme_connection_is_valid() -> None:
    (line,) = [block for block in codes("bash") if "AIRFLOW_CONN" in block]
    _, assignment = shlex.split(line)
    given = json.loads(assignment.partition("=")[2])

    settings = parse_connection(Connection(conn_id="c", **{**given, "extra": json.dumps(given["extra"])}))

    assert settings.endpoint == "https://modelarts.eu-de.otc.t-systems.com"


def test_readme_shows_actual_error_message() -> None:
    quoted = " ".join(line.removeprefix("> ") for line in README.splitlines() if line.startswith("> "))

    with pytest.raises(RequestValidationError) as caught:
        CreateImageRequest.for_cloud(
            HUAWEI_CLOUD,
            notebook_id="6fa459ea-ee8a-3ca4-894e-db77e160355e",
            name="research-environment",
            namespace="my-organization",
            tag="2026-11-21T02:00:00+00:00",
        )

    assert str(caught.value) == quoted
