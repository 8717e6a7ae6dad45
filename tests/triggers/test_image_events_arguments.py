"""Arguments of the watcher's trigger, which Airflow neither renders nor checks."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.triggers.image_events import NotebookImageEventTrigger


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("namespace", ["team", "other"]),
        ("namespace", "{{ var.value.organization }}"),
        ("name", "research-{% if x %}a{% endif %}"),
        ("notebook_id", 5),
        ("notebook_id", {"notebook_id": "6b1c2d3e-4f50-4a61-8b72-9c83ad94be05"}),
        ("workspace_id", 0),
        ("modelarts_conn_id", "{{ params.connection }}"),
        ("modelarts_conn_id", None),
        ("modelarts_conn_id", " "),
    ],
)
def test_watcher_refuses_argument_that_cannot_work_when_dag_is_parsed(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{argument} must be a string that is known when Airflow parses"):
        NotebookImageEventTrigger(**{argument: value})


@pytest.mark.parametrize("value", [None, "", "research-[0-9]*", "{a}"])
def test_watcher_accepts_every_glob(value: str | None) -> None:
    assert NotebookImageEventTrigger(name=value).serialize()[1]["name"] == value
