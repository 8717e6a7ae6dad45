"""Each run creates one image and its wait ends correctly, whichever process is killed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy

from airflow_provider_modelarts.simulator import AfterSeconds, Fault, Simulator
from tests.e2e.components import TRIGGERERS
from tests.e2e.failure_logs import keep_logs_after_failure
from tests.e2e.flows import SAVE, VICTIMS, WAIT, Flow, on_two_triggerers
from tests.e2e.stack import AirflowStack

pytestmark = pytest.mark.e2e

NEVER = AfterSeconds(3600)
"""So that the test decides when a save ends."""
SLOW_CREATE = 8.0
"""Seconds between a create-image and its response, in which a process can be killed."""
GOES_ON = "ModelArts cannot cancel a save; it continues"
"""In the log of a wait that a user has ended."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(save=NEVER) as running:
        yield running


@pytest.fixture(scope="module")
def airflow(simulator: Simulator, request: pytest.FixtureRequest) -> Iterator[tuple[AirflowStack, str]]:
    """Run one Airflow and its database for all tests here."""
    with on_two_triggerers(simulator) as (stack, database), keep_logs_after_failure(stack, request.session):
        yield stack, database


@pytest.fixture
def stack(airflow: tuple[AirflowStack, str]) -> AirflowStack:
    """Give the Airflow with everything up that an earlier test has killed."""
    airflow[0].processes.restart_ended()
    airflow[0].wait_until_up()
    return airflow[0]


@pytest.fixture(scope="module")
def killed_while_saving(airflow: tuple[AirflowStack, str], simulator: Simulator) -> dict[str, Flow]:
    """
    Run three flows at once, of which one is spared, and give them when they have ended.

    A save is over before its task is tried again: while it lasts, ModelArts itself refuses another.
    """
    stack, _ = airflow
    victims = ["nobody", "task process", "worker"]
    simulator.inject(Fault("slow", operation="CreateImage", seconds=SLOW_CREATE, times=len(victims)))
    flows = {victim: Flow(stack, simulator) for victim in victims}

    def live(victim: str) -> None:
        flow = flows[victim]
        flow.wait_until(lambda: flow.creates, "the save was asked for")
        if victim in VICTIMS:
            found = VICTIMS[victim](flow)
            assert found is not None, f"the {victim} is gone already"
            found.kill()
        else:
            flow.await_state(WAIT, "deferred")
        flow.finish()
        flow.end()

    with ThreadPoolExecutor() as pool:
        list(pool.map(live, victims))
    return flows


def wait_log(flow: Flow) -> str:
    return flow.stack.task_log(flow.dag_id, flow.run_id, WAIT)


def test_operator_sends_one_create_image_without_failure(killed_while_saving: dict[str, Flow]) -> None:
    flow = killed_while_saving["nobody"]

    assert flow.problems() == []
    assert len(flow.creates) == 1
    assert {flow.task(SAVE)["try_number"], flow.task(WAIT)["try_number"]} == {1}


@pytest.mark.parametrize("victim", ["task process", "worker"])
def test_operator_creates_one_image_when_task_process_is_killed(
    victim: str, killed_while_saving: dict[str, Flow]
) -> None:
    flow = killed_while_saving[victim]

    assert flow.problems() == []
    assert flow.task(SAVE)["try_number"] > 1, "nothing was killed, so that one image is there proves nothing"


@pytest.mark.parametrize("victim", ["triggerer", "runner of the triggerer"])
def test_trigger_continues_in_other_triggerer_when_its_own_is_killed(
    victim: str, stack: AirflowStack, simulator: Simulator
) -> None:
    flow = Flow(stack, simulator)
    flow.await_state(WAIT, "deferred")
    flow.await_release(WAIT)
    flow.wait_until(flow.runner, "a triggerer has the wait")
    holder, found = flow.triggerer(), VICTIMS[victim](flow)
    assert holder is not None
    assert found is not None

    found.kill()
    flow.wait_until(lambda: flow.triggerer() not in {None, holder}, "the other triggerer has the wait")
    flow.finish()

    assert flow.end() == "success"
    assert flow.problems() == []
    assert flow.task(WAIT)["try_number"] == 1
    assert GOES_ON not in wait_log(flow)


def test_deferred_task_fails_at_execution_timeout(stack: AirflowStack, simulator: Simulator) -> None:
    flow = Flow(stack, simulator, "wait_briefly", image_id=simulator.add_image(status="CREATING"))

    assert flow.end() == "failed"
    assert "execution_timeout" in wait_log(flow)
    assert flow.task(WAIT)["duration"] < 60


def test_deferred_task_marked_failed_leaves_image_untouched(
    stack: AirflowStack, simulator: Simulator
) -> None:
    flow = Flow(stack, simulator)
    flow.await_state(WAIT, "deferred")
    flow.wait_until(flow.triggerer, "a triggerer has the wait")

    flow.set_task_state(WAIT, "failed")

    assert flow.end() == "failed"
    flow.wait_until(lambda: GOES_ON in wait_log(flow), "the log names the image that continues")
    flow.finish()
    assert flow.saves == 1
    assert {path for _, path in flow.images} <= simulator.swr_paths
    assert [entry for entry in simulator.journal if entry.operation == "DeleteImage"] == []


def test_cleared_operator_adopts_its_image(
    killed_while_saving: dict[str, Flow], stack: AirflowStack, simulator: Simulator
) -> None:
    flow = killed_while_saving["nobody"]
    tries, before = flow.task(SAVE)["try_number"], len(simulator.journal)

    flow.clear(SAVE)

    assert flow.end() == "success"
    asked = [entry.operation for entry in simulator.journal[before:]]
    assert asked == ["ShowImage"], "the task state holds the id of the image"
    assert flow.task(SAVE)["try_number"] == tries + 1
    assert stack.xcom(flow.dag_id, flow.run_id, SAVE)["adopted"] is True
    assert flow.problems() == []
    assert len(flow.creates) == 1


@pytest.fixture(scope="module")
def without_triggerers(airflow: tuple[AirflowStack, str], simulator: Simulator) -> dict[str, Flow]:
    """
    Let waits outlive all triggerers, and give them when they have ended.

    The last fixture to be used here: nothing starts the triggerers again. Airflow's own deadline is
    minutes behind the trigger's, so it is moved to now.
    """
    stack, database = airflow
    image_id = simulator.add_image(status="CREATING")
    dag_ids = ["wait_patiently", "wait_softly"]
    flows = {dag_id: Flow(stack, simulator, dag_id, image_id=image_id) for dag_id in dag_ids}
    for flow in flows.values():
        flow.await_state(WAIT, "deferred")
        flow.await_release(WAIT)
    for triggerer in TRIGGERERS:
        stack.processes.process(triggerer.name).kill()
    overdue = "UPDATE task_instance SET trigger_timeout = now() WHERE state = 'deferred'"
    with sqlalchemy.create_engine(database, poolclass=sqlalchemy.NullPool).begin() as connection:
        connection.execute(sqlalchemy.text(overdue))
    for flow in flows.values():
        flow.end()
    return flows


@pytest.mark.parametrize(("dag_id", "state"), [("wait_patiently", "failed"), ("wait_softly", "skipped")])
def test_deferred_task_is_failed_by_airflow_when_no_triggerer_runs(
    dag_id: str, state: str, without_triggerers: dict[str, Flow]
) -> None:
    task = without_triggerers[dag_id].task(WAIT)

    assert task["state"] == state
    assert task["try_number"] == 1
    assert task["max_tries"] > 0, "the DAG allows no retries, so that none happened proves nothing"
