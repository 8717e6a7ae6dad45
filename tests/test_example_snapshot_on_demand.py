"""The params of the example DAG for the trigger form; the browser tests use the form itself."""

from __future__ import annotations

import re

import pytest

from airflow_provider_modelarts.client.clouds import HUAWEI_CLOUD
from example_dags.snapshot_on_demand import dag

RULED = ("notebook_id", "namespace", "name", "tag")


@pytest.mark.parametrize("name", dag.params)
def test_param_has_title_and_description(name: str) -> None:
    schema = dag.params.get_param(name).schema

    assert schema["title"]
    assert (dag.params.get_param(name).description or "").endswith(".")


@pytest.mark.parametrize("name", RULED)
def test_param_accepts_what_strictest_cloud_accepts(name: str) -> None:
    """JSON Schema searches for its pattern, our rules match the whole value."""
    rule, schema = HUAWEI_CLOUD.rules[name], dag.params.get_param(name).schema

    assert schema["pattern"] == f"^{rule.pattern}$"
    assert schema.get("maxLength") == rule.max_length


def test_default_of_name_is_accepted() -> None:
    param = dag.params.get_param("name")

    assert re.search(param.schema["pattern"], param.value)
