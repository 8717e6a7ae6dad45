"""Clearing an operator's task with Airflow's own clear; tests/matrix/clearing.py runs more versions."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

import pytest

from airflow_provider_modelarts.simulator import AtOnce, Simulator
from tests import airflow_runs
from tests.fast_forward import FastForward
from tests.matrix.clearing import clear_and_run, run_dag

FILE = Path(__file__).parents[1] / "dags" / "clears" / "clearing.py"

# All of Airflow is at work here, and the libraries below it warn of each other.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(autouse=True)
def _time_is_what_is_slept(monkeypatch: pytest.MonkeyPatch) -> None:
    airflow_runs.migrate()
    FastForward(monkeypatch)


@pytest.mark.parametrize(
    ("dag_id", "tags", "adopted"),
    [
        ("adopt_tagged", ["adopted"], True),
        # Tries 1 and 2 are the run; 3 and 4, then 5 and 6, which adopt what the one before saved, the clears.
        ("save_again_tagged", ["nightly", "nightly-3", "nightly-5"], True),
        ("save_again_without_retries", ["once", "once-1", "once-2"], False),
    ],
)
@pytest.mark.parametrize("simulator", [AtOnce()], indirect=True, ids=["saved at once"])
@pytest.mark.usefixtures("connection")
def test_clear_adopts_or_creates_new_image_each_time(
    dag_id: str, tags: list[str], adopted: bool, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.airflow_versions import PARSED_DAG, DagBag

    monkeypatch.setenv("CLEARED_NOTEBOOKS", simulator.notebook_id)
    with patch.dict(os.environ, {PARSED_DAG: dag_id}):
        dag = DagBag(dag_folder=FILE).dags[dag_id]
        runs = [run_dag(dag), clear_and_run(dag), clear_and_run(dag)]

    result = runs[-1].get_task_instance("save").xcom_pull(task_ids="save", key="return_value")
    assert [str(run.state) for run in runs] == ["success"] * 3
    assert [image["tag"] for image in simulator.images] == tags
    assert simulator.saves == len(tags)
    assert (result["tag"], result["adopted"]) == (tags[-1], adopted)
