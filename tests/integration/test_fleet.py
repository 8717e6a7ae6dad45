"""Many notebooks in one run, and templates that render to objects, through Airflow itself."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from airflow_provider_modelarts.simulator import AfterReads, Simulator
from tests import airflow_runs

pytestmark = [
    # All of Airflow is at work here, and the libraries below it warn of each other.
    pytest.mark.filterwarnings("default"),
    pytest.mark.parametrize("simulator", [AfterReads(1)], indirect=True, ids=["at once"]),
    pytest.mark.usefixtures("connection"),
]


@pytest.fixture(scope="module", autouse=True)
def _database() -> None:
    airflow_runs.migrate()


@pytest.fixture
def notebook_ids(simulator: Simulator) -> list[str]:
    return [simulator.notebook_id, *(simulator.add_notebook(name=f"n{n}") for n in range(2))]


def run(dag_id: str, **conf: Any) -> tuple[dict[str, list[str]], Any]:
    """Run a DAG, and return the states of its tasks in the order of their map index, and the run."""
    dag_run = airflow_runs.run_dag("fleet.py", dag_id, **conf)
    states: dict[str, list[str]] = {}
    for ti in sorted(dag_run.get_task_instances(), key=lambda ti: int(ti.map_index)):
        states.setdefault(ti.task_id, []).append(str(ti.state))
    return states, dag_run


def results(dag_run: Any, task_id: str) -> list[Any]:
    """Return what the instances of a task returned."""
    from airflow.utils.session import create_session

    from tests.airflow_versions import XComModel, xcom_value

    with create_session() as session:
        rows = session.query(XComModel).filter_by(run_id=dag_run.run_id, task_id=task_id, key="return_value")
        return [xcom_value(row) for row in rows.order_by(XComModel.map_index)]


def test_sensor_expands_over_results_of_mapped_operator(
    notebook_ids: list[str], simulator: Simulator
) -> None:
    states, dag_run = run("fleet_expand", notebook_ids=notebook_ids)

    assert states["save"] == states["wait"] == states["announce"] == ["success"] * 3
    saved, waited = results(dag_run, "save"), results(dag_run, "wait")
    assert [result["image_id"] for result in waited] == [result["image_id"] for result in saved]
    assert {result["status"] for result in waited} == {"ACTIVE"}
    assert results(dag_run, "announce") == [result["swr_path"] for result in saved]
    assert simulator.saves == 3


def test_sensor_waits_for_successful_saves_of_mapped_operator(
    notebook_ids: list[str], simulator: Simulator
) -> None:
    stopped = simulator.add_notebook(name="stopped", status="STOPPED")

    states, dag_run = run("fleet_all_done", notebook_ids=[stopped, *notebook_ids])

    assert states["save"] == ["failed", *["success"] * 3]
    assert states["wait"] == ["success"] * 3
    assert len(results(dag_run, "wait")) == simulator.saves == 3


def test_sensor_accepts_result_or_id_in_mapped_task_group(
    notebook_ids: list[str], simulator: Simulator
) -> None:
    states, _ = run("fleet_group", notebook_ids=notebook_ids)

    assert states["snapshot.save"] == states["snapshot.by_result"] == states["snapshot.by_id"]
    assert states["snapshot.save"] == ["success"] * 3
    assert simulator.saves == 3


def test_sensor_suggests_expand_for_several_results(
    notebook_ids: list[str], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO):
        states, _ = run("fleet_forgotten_expand", notebook_ids=notebook_ids)

    assert states["wait"] == ["failed"]
    out, err = capfd.readouterr()
    assert ".expand(image_id=save.output)" in caplog.text + out + err


@pytest.mark.parametrize("tag", ["20261121", "1_0"])
def test_tasks_render_text_in_native_dag(tag: str, simulator: Simulator) -> None:
    states, _ = run("native", notebook_id=simulator.notebook_id, tag=tag)

    assert [image["tag"] for image in simulator.images] == [tag]
    assert (states["save"], states["by_result"], states["by_template"]) == (["success"],) * 3
    assert states["by_text"] == ["failed"]


def test_tasks_treat_none_as_not_given_in_native_dag(simulator: Simulator) -> None:
    states, _ = run("native", notebook_id=simulator.notebook_id, tag=None)

    assert states["save"] == ["success"]
    assert simulator.images[0]["tag"].startswith("manual__")


def test_mapped_tasks_render_text_in_native_dag(notebook_ids: list[str], simulator: Simulator) -> None:
    states, _ = run("native_mapped", notebook_ids=notebook_ids[:1], tag="1_0")

    assert states["save"] == ["success"]
    assert [image["tag"] for image in simulator.images] == ["1_0"]


@pytest.mark.parametrize("dag_id", ["described_True", "described_False"])
@pytest.mark.parametrize("words", ["{{ conn.modelarts_default.password }}", "by 50 {% of the team"])
def test_mapped_tasks_do_not_render_results_of_other_tasks(
    dag_id: str, words: str, simulator: Simulator
) -> None:
    states, _ = run(dag_id, notebook_id=simulator.notebook_id, descriptions=[words])

    assert states["save"] == ["success"]
    assert [image["description"].rpartition(" [")[0] for image in simulator.images] == [words]
