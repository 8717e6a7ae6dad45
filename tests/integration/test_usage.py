"""The examples of docs/usage.md, loaded and run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_modelarts.simulator import Simulator

PAGE = (Path(__file__).parents[2] / "docs" / "usage.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(code, names)
    return names


@pytest.fixture
def dags(monkeypatch: pytest.MonkeyPatch) -> dict[str, DAG]:
    """The DAGs of the page, by their ids."""
    made: dict[str, DAG] = {}
    leave: Any = DAG.__exit__

    def keep(dag: DAG, *arguments: Any) -> Any:
        made[dag.dag_id] = dag
        return leave(dag, *arguments)

    monkeypatch.setattr(DAG, "__exit__", keep)
    for code in BLOCKS:
        run(code)
    return made


def test_usage_page_maps_sensor_over_operator(dags: dict[str, DAG]) -> None:
    tasks = dags["nightly_fleet"].task_dict

    assert {task_id: task.is_mapped for task_id, task in tasks.items()} == {"save": True, "wait": True}
    assert tasks["wait"].upstream_task_ids == {"save"}


def test_usage_page_maps_task_group_over_notebooks(dags: dict[str, DAG]) -> None:
    tasks = dags["fleet_in_groups"].task_dict

    assert tasks["snapshot.wait"].upstream_task_ids == {"snapshot.save"}
    assert tasks["snapshot.announce"].upstream_task_ids == {"snapshot.wait"}


@pytest.mark.usefixtures("connection")
def test_usage_page_lists_active_images(simulator: Simulator) -> None:
    simulator.add_image(name="research", namespace="team", tag="one", status="ACTIVE")
    simulator.add_image(name="research", namespace="team", tag="two", status="CREATING")

    (path,) = run(BLOCKS[-1])["active_images"]("team")

    assert path.endswith("/team/research:one")
