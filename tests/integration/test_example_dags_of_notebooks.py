"""The example DAGs that start, stop and restore notebooks, through Airflow itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_modelarts.simulator import Fault, Simulator
from tests import airflow_runs
from tests.e2e.demonstrations import demonstration_of
from tests.e2e.example_runs import airflow_environment
from tests.fast_forward import FastForward

pytestmark = [
    # All of Airflow is at work here, and the libraries below it warn of each other.
    pytest.mark.filterwarnings("default"),
    pytest.mark.usefixtures("_environment", "quick_polls"),
]
POLL_INTERVAL = 0.02


@pytest.fixture(scope="module", autouse=True)
def _database() -> None:
    airflow_runs.migrate()


@pytest.fixture
def _environment(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in airflow_environment(simulator).items():
        monkeypatch.setenv(name, value)
    FastForward(monkeypatch)


def run(dag_id: str, conf: dict[str, Any], change: Callable[[Any], None] = lambda _: None) -> dict[str, str]:
    """Run an example DAG, and return the states of its tasks and, by its own id, of the run."""

    def prepare(dag: Any) -> None:
        # From 3.0 to 3.2 Airflow runs a trigger in a thread, whose sleep is real.
        for task in dag.tasks:
            if hasattr(task, "partial_kwargs"):  # it is mapped
                task.partial_kwargs["poll_interval"] = POLL_INTERVAL
            elif hasattr(task, "poll_interval"):
                task.poll_interval = POLL_INTERVAL
        change(dag)

    dag_run = airflow_runs.run_dag("examples.py", dag_id, change=prepare, **conf)
    states = {ti.task_id: str(ti.state) for ti in dag_run.get_task_instances()}
    return {**states, dag_id: str(dag_run.state)}


@pytest.mark.parametrize(
    "dag_id",
    ["restore_notebook", "save_and_stop", "save_and_stop_teardown", "snapshot_before_auto_stop"],
)
def test_example_dag_does_what_demo_shows(dag_id: str, simulator: Simulator) -> None:
    demonstration = demonstration_of(dag_id)
    conf = demonstration.prepare(simulator)

    states = run(dag_id, conf)

    assert set(states.values()) == {"success"}
    assert list(demonstration.check(simulator, conf)) == []


def _fail() -> None:
    raise RuntimeError("the job failed")


def test_teardown_saves_and_stops_notebook_of_job_that_failed(simulator: Simulator) -> None:
    """And the run has failed, although its teardown has not."""
    demonstration = demonstration_of("save_and_stop_teardown")
    conf = demonstration.prepare(simulator)

    def let_job_fail(dag: Any) -> None:
        dag.task_dict["work"].python_callable = _fail
        dag.task_dict["work"].retries = 0

    states = run("save_and_stop_teardown", conf, let_job_fail)

    assert states == {
        "start_notebook": "success",
        "work": "failed",
        "save_notebook": "success",
        "stop_notebook": "success",
        "save_and_stop_teardown": "failed",
    }
    assert list(demonstration.check(simulator, conf)) == []


def test_save_and_stop_saves_and_stops_notebook_whose_lease_is_not_renewed(simulator: Simulator) -> None:
    demonstration = demonstration_of("save_and_stop")
    conf = demonstration.prepare(simulator)
    simulator.inject(Fault("error", "RenewLease", times=None, status=403, code="ModelArts.0108"))

    states = run("save_and_stop", conf)

    assert set(states.values()) == {"success"}
    assert list(demonstration.check(simulator, conf)) == []


def test_save_and_stop_leaves_stopped_notebook_alone(simulator: Simulator) -> None:
    simulator.notebook().stop()

    states = run("save_and_stop", {})

    assert states == {"save_notebook": "skipped", "stop_notebook": "skipped", "save_and_stop": "success"}
    assert simulator.saves == simulator.notebook().starts == 0


def test_save_and_stop_leaves_notebook_running_whose_save_failed(simulator: Simulator) -> None:
    conf = demonstration_of("save_and_stop").prepare(simulator)
    simulator.inject(Fault("save_fails", "CreateImage"))

    def let_save_fail_at_once(dag: Any) -> None:
        dag.task_dict["save_notebook"].retries = 0

    states = run("save_and_stop", conf, let_save_fail_at_once)

    assert (states["save_notebook"], states["stop_notebook"]) == ("failed", "upstream_failed")
    assert simulator.notebook(conf["notebook_id"]).status == "RUNNING"
