"""The example DAGs that need no more than a simulator, all at once through a real scheduler and triggerer."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from airflow_provider_modelarts.simulator import Simulator
from tests.e2e.demonstrations import DEMONSTRATIONS
from tests.e2e.engines import postgresql
from tests.e2e.example_runs import EXAMPLE_DAGS, NIGHTLY, SAVE, ExampleRun, airflow_environment, run_example
from tests.e2e.failure_logs import keep_logs_after_failure
from tests.e2e.stack import AirflowStack

pytestmark = pytest.mark.e2e

OWN_TESTS = {NIGHTLY, "nightly_fleet", "snapshot_on_demand", "save_training_image"}
"""These save the simulator's first notebook, which only one can do at a time, and have tests elsewhere."""
DAG_IDS = sorted(DEMONSTRATIONS.keys() - OWN_TESTS)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(save=SAVE) as running:
        yield running


@pytest.fixture(scope="module")
def runs(simulator: Simulator, request: pytest.FixtureRequest) -> Iterator[dict[str, list[str]]]:
    """Return what is wrong with each run; everything is prepared before the first one begins."""
    prepared = {dag_id: DEMONSTRATIONS[dag_id].prepare(simulator) for dag_id in DAG_IDS}
    with (
        # In SQLite runs that are triggered at once may find the database locked.
        postgresql() as database,
        AirflowStack(
            EXAMPLE_DAGS,
            env={**airflow_environment(simulator), "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database},
        ) as stack,
        keep_logs_after_failure(stack, request.session),
        ThreadPoolExecutor() as pool,
    ):
        ended: dict[str, Future[ExampleRun]] = {}
        for dag_id, conf in prepared.items():
            stack.wait_for_dag(dag_id)
            ended[dag_id] = pool.submit(run_example, stack, simulator, dag_id, conf)
        yield {dag_id: problems(run.result(), simulator, prepared[dag_id]) for dag_id, run in ended.items()}


def problems(run: ExampleRun, simulator: Simulator, conf: dict[str, object]) -> list[str]:
    demonstration = DEMONSTRATIONS[run.dag_id]
    if run.state != "success" or set(run.tasks.values()) != {"success"}:
        return [f"the run is {run.state}: {dict(run.tasks)}"]
    found = [] if run.deferred or not demonstration.defers else ["no task was seen deferred"]
    return [*found, *demonstration.check(simulator, conf)]


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_example_dag_does_what_demo_shows(dag_id: str, runs: dict[str, list[str]]) -> None:
    assert runs[dag_id] == []
