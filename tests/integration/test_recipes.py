"""The DAGs of docs/recipes.md and the function of docs/usage.md do what the pages say."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_modelarts.client.clouds import HUAWEI_CLOUD
from airflow_provider_modelarts.simulator import Simulator
from tests.pages import blocks
from tests.task_runs import run
from tests.test_pages import dags_of


def recipe(heading: str, monkeypatch: pytest.MonkeyPatch) -> DAG:
    """Return the DAG under a heading of the page."""
    codes = [
        block.code
        for block in blocks("docs/recipes.md")
        if (block.heading, block.language) == (heading, "python") and "with DAG(" in block.code
    ]
    (dag,) = dags_of("\n".join(codes), monkeypatch).values()
    return dag


def test_recipes_map_sensor_over_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = recipe("All notebooks of a team", monkeypatch).task_dict

    assert {task_id for task_id, task in tasks.items() if task.is_mapped} == {"save", "wait", "announce"}
    assert tasks["save"].upstream_task_ids == {"running_notebooks"}
    assert tasks["wait"].upstream_task_ids == {"save"}
    assert tasks["announce"].upstream_task_ids == {"wait"}


def test_recipes_map_task_group_over_notebooks(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = recipe("More tasks behind each save", monkeypatch).task_dict

    assert tasks["snapshot.wait"].upstream_task_ids == {"snapshot.save"}
    assert tasks["snapshot.announce"].upstream_task_ids == {"snapshot.wait"}


def test_recipes_save_only_after_approval(monkeypatch: pytest.MonkeyPatch) -> None:
    assert recipe("After an approval", monkeypatch).task_dict["save"].upstream_task_ids == {"ask"}


@pytest.mark.usefixtures("connection")
def test_recipes_list_running_notebooks(monkeypatch: pytest.MonkeyPatch, simulator: Simulator) -> None:
    wanted = simulator.add_notebook(name="team-vision")
    simulator.add_notebook(name="team-audio", status="STOPPED")
    task: Any = recipe("All notebooks of a team", monkeypatch).task_dict["running_notebooks"]

    assert [notebook["notebook_id"] for notebook in run(task)] == [wanted]


def test_recipes_put_id_of_notebook_into_name_of_image() -> None:
    """Of two notebooks with the same name, and within the limit of the strictest cloud."""
    names: dict[str, Any] = {}
    (code,) = (block.code for block in blocks("docs/recipes.md") if "def save_arguments" in block.code)
    exec(code, names)
    ids = [f"6fa459ea-ee8a-3ca4-894e-db77e160355{n}" for n in range(2)]
    given = [names["save_arguments"]({"notebook_id": i, "image_name": "n" * 128}) for i in ids]

    assert [arguments["notebook_id"] for arguments in given] == ids
    assert len({arguments["name"] for arguments in given}) == 2
    assert all(HUAWEI_CLOUD.rules["name"].violation(arguments["name"]) is None for arguments in given)


@pytest.mark.usefixtures("connection")
def test_usage_page_lists_active_images(simulator: Simulator) -> None:
    simulator.add_image(name="research", namespace="team", tag="one", status="ACTIVE")
    simulator.add_image(name="research", namespace="team", tag="two", status="CREATING")
    names: dict[str, Any] = {}
    exec(blocks("docs/usage.md")[-1].code, names)

    (path,) = names["active_images"]("team")

    assert path.endswith("/team/research:one")
