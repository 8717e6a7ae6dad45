"""The example DAG nightly_fleet, through Airflow itself, and its summary of every outcome."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_modelarts.simulator import AtOnce, Fault, Simulator
from tests import airflow_runs
from tests.airflow_versions import AIRFLOW_VERSION, DagBag

FILE = Path(__file__).parents[2] / "example_dags" / "nightly_fleet.py"

in_airflow = [
    # All of Airflow is at work here, and the libraries below it warn of each other.
    pytest.mark.filterwarnings("default"),
    pytest.mark.parametrize("simulator", [AtOnce()], indirect=True, ids=["at once"]),
    pytest.mark.usefixtures("connection", "_airflow"),
]


@pytest.fixture
def _airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    airflow_runs.migrate()
    monkeypatch.setenv("AIRFLOW_VAR_MODELARTS_NAMESPACE", "research")


def run() -> tuple[dict[str, list[str]], Any]:
    """Run the DAG; return the states of its tasks in the order of their map index, and the run."""
    dag_run = airflow_runs.run_dag("examples.py", "nightly_fleet")
    states: dict[str, list[str]] = {}
    for ti in sorted(dag_run.get_task_instances(), key=lambda ti: int(ti.map_index)):
        states.setdefault(ti.task_id, []).append(str(ti.state))
    return states, dag_run


def summary(dag_run: Any) -> list[str]:
    from airflow.utils.session import create_session

    from tests.airflow_versions import XComModel, xcom_value

    with create_session() as session:
        rows = session.query(XComModel).filter_by(run_id=dag_run.run_id, task_id="summarize", key="summary")
        return [line for row in rows for line in xcom_value(row)]


class FinishedTasks:
    """What the mapped tasks of a run have pushed, as the summary pulls it."""

    def __init__(self, **pushed: list[Any]) -> None:
        self.pushed: dict[str, list[Any]] = pushed
        self.summary: list[str] = []

    def xcom_pull(self, *, task_ids: list[str], key: str, map_indexes: range) -> list[Any]:
        assert map_indexes == range(2)
        names = [f"{key}_of_{task_id.partition('.')[2]}" for task_id in task_ids]
        return [value for name in names for value in self.pushed.get(name, [None])]

    def xcom_push(self, key: str, value: list[str]) -> None:
        assert key == "summary"
        self.summary = value


def summarize(listed: Any, ti: FinishedTasks) -> None:
    task = DagBag(dag_folder=FILE).dags["nightly_fleet"].task_dict["summarize"]
    task.python_callable(listed, ti=ti)


class TestInAirflow:
    pytestmark = in_airflow

    def test_fleet_saves_every_notebook_and_names_every_error(self, simulator: Simulator) -> None:
        """Two notebooks have the same name, one cannot be saved, and one does not run."""
        simulator.freeze()
        ids = [simulator.notebook_id]
        for _ in range(2):
            simulator.advance(1)
            ids.append(simulator.add_notebook(name=f"notebook-{simulator.notebook_id[:8]}"))
        simulator.add_notebook(name="stopped", status="STOPPED")
        denied: Any = {"status": 403, "code": "ModelArts.0108", "message": "no right", "times": None}
        simulator.inject(Fault("error", "CreateImage", resource_id=ids[2], **denied))

        states, dag_run = run()

        assert states == {
            "list_notebooks": ["success"],
            "snapshot.save": ["success", "success", "failed"],
            "snapshot.wait": ["success", "success", "upstream_failed"],
            "summarize": ["failed"],
        }
        assert simulator.saves == 2
        lines = summary(dag_run)
        assert len(lines) == 3
        paths = {
            notebook_id: image["swr_path"]
            for image in simulator.images
            for notebook_id in ids
            if notebook_id in image["description"]
        }
        for line, notebook_id in zip(lines[:2], ids[:2], strict=True):
            assert line.endswith(f"({notebook_id}): saved as {paths[notebook_id]}")
        # dag.test() of 3.0 to 3.2 passes no exception to callbacks; their workers do.
        reason = "CreateImage" if AIRFLOW_VERSION < (3,) or AIRFLOW_VERSION >= (3, 3) else "see the log"
        assert f"({ids[2]}): FAILED: {reason}" in lines[2]
        assert len({path.rpartition(":")[0] for path in paths.values()}) == 1

    def test_fleet_leaves_out_what_an_earlier_run_has_saved(self, simulator: Simulator) -> None:
        simulator.add_image(description=f"[airflow:{'0' * 16} notebook:{simulator.notebook_id}]")
        late = simulator.add_notebook(name="late")

        states, dag_run = run()

        assert states["snapshot.save"] == ["success"]
        assert states["summarize"] == ["success"]
        (line,) = summary(dag_run)
        assert line.startswith(f"late ({late}): saved as ")
        assert simulator.saves == 1

    def test_fleet_skips_notebook_that_was_stopped_since_it_was_listed(self, simulator: Simulator) -> None:
        shown = {"id": simulator.notebook_id, "name": "gone", "status": "STOPPED"}
        simulator.inject(
            Fault(
                "document",
                "ShowNotebook",
                times=None,
                resource_id=simulator.notebook_id,
                body=json.dumps(shown),
            )
        )
        states, dag_run = run()
        assert (states["snapshot.save"], states["snapshot.wait"]) == (["skipped"], ["skipped"])
        assert states["summarize"] == ["success"]
        (line,) = summary(dag_run)
        assert f"({simulator.notebook_id}): skipped: it is stopped" in line
        assert simulator.saves == 0

    def test_fleet_of_no_notebook_succeeds(self, simulator: Simulator) -> None:
        simulator.notebook().stop()
        states, dag_run = run()
        assert states["summarize"] == ["success"]
        assert states["list_notebooks"] == ["success"]
        assert summary(dag_run) == []
        assert simulator.saves == 0

    def test_fleet_that_cannot_be_listed_fails(self, simulator: Simulator) -> None:
        simulator.revoke("modelarts:notebook:listAllNotebooks")
        states, _ = run()
        assert states["list_notebooks"] == states["summarize"] == ["failed"]


@pytest.mark.parametrize(
    ("pushed", "line", "fails"),
    [
        pytest.param(
            {"return_value_of_save": [{"notebook_id": "n-1", "swr_path": "r/o/n:1"}]},
            "saved as r/o/n:1",
            False,
            id="saved",
        ),
        pytest.param({"skip_of_save": [[1, "it is STOPPED"]]}, "skipped: it is STOPPED", False, id="skipped"),
        pytest.param({"error_of_save": [[1, "no right"]]}, "FAILED: no right", True, id="failed"),
        pytest.param(
            {
                "return_value_of_save": [{"notebook_id": "n-1", "swr_path": "r/o/n:1"}],
                "error_of_wait": [[1, "it is ERROR"]],
            },
            "saved as r/o/n:1; FAILED: it is ERROR",
            True,
            id="saved, and broken afterwards",
        ),
        pytest.param({}, "FAILED: no result, see the log of the task", True, id="killed without a trace"),
    ],
)
def test_summary_names_outcome_of_notebook(pushed: dict[str, list[Any]], line: str, fails: bool) -> None:
    listed = [{"notebook_id": f"n-{n}", "name": f"name-{n}"} for n in range(2)]
    first = {"notebook_id": "n-0", "swr_path": "r/o/n:0"}
    ti = FinishedTasks(**{**pushed, "return_value_of_save": [first, *pushed.get("return_value_of_save", [])]})

    if fails:
        with pytest.raises(AirflowFailException, match=r"1 of 2 notebooks failed:\nname-1 \(n-1\)"):
            summarize(listed, ti)
    else:
        summarize(listed, ti)

    assert ti.summary == ["name-0 (n-0): saved as r/o/n:0", f"name-1 (n-1): {line}"]


def test_saves_share_a_pool_that_waits_do_not_need() -> None:
    dag = DagBag(dag_folder=FILE).dags["nightly_fleet"]
    pools = {task_id: task.pool for task_id, task in dag.task_dict.items()}
    assert pools == {**dict.fromkeys(pools, "default_pool"), "snapshot.save": "modelarts_saves"}
    assert f"airflow pools set {pools['snapshot.save']} 5" in (dag.doc_md or "")
