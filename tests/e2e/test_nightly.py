"""The nightly DAG through the real scheduler, workers and triggerer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.e2e.example_runs import (
    EXAMPLE_DAGS,
    NIGHTLY,
    SAVE,
    SAVE_TASK,
    WAIT_TASK,
    ExampleRun,
    airflow_environment,
    run_example,
)
from tests.e2e.failure_logs import keep_logs_after_failure
from tests.e2e.stack import AirflowStack

pytestmark = pytest.mark.e2e

STATUS_MESSAGE = "The layer 7f3a could not be pushed to SWR."


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """Run one simulated ModelArts for all tests here."""
    with Simulator(save=SAVE) as running:
        yield running


@pytest.fixture(scope="module")
def stack(simulator: Simulator, request: pytest.FixtureRequest) -> Iterator[AirflowStack]:
    """Run one Airflow for all tests here."""
    with (
        AirflowStack(EXAMPLE_DAGS, env=airflow_environment(simulator)) as running,
        keep_logs_after_failure(running, request.session),
    ):
        running.wait_for_dag(NIGHTLY)
        yield running


@pytest.fixture(scope="module")
def good_run(stack: AirflowStack, simulator: Simulator) -> ExampleRun:
    """Run the DAG while all is well."""
    return run_example(stack, simulator)


@pytest.fixture(scope="module")
def bad_run(stack: AirflowStack, simulator: Simulator) -> ExampleRun:
    """Run the DAG while the save ends CREATE_FAILED."""
    simulator.inject(Fault(kind="save_fails", operation="CreateImage", message=STATUS_MESSAGE))
    return run_example(stack, simulator)


def test_nightly_dag_succeeds_with_deferred_sensor(good_run: ExampleRun) -> None:
    assert good_run.state == "success"
    assert set(good_run.tasks.values()) == {"success"}
    assert good_run.deferred


@pytest.mark.parametrize("task_id", [SAVE_TASK, WAIT_TASK])
def test_operator_and_sensor_push_image_of_service(
    task_id: str, good_run: ExampleRun, stack: AirflowStack, simulator: Simulator
) -> None:
    image_id = stack.xcom(NIGHTLY, good_run.run_id, task_id, "image_id")
    swr_path = stack.xcom(NIGHTLY, good_run.run_id, task_id, "swr_path")
    returned = stack.xcom(NIGHTLY, good_run.run_id, task_id)

    assert {image["id"]: image["swr_path"] for image in simulator.images}[image_id] == swr_path
    assert (returned["image_id"], returned["swr_path"]) == (image_id, swr_path)


def test_downstream_task_receives_both_results(good_run: ExampleRun, stack: AirflowStack) -> None:
    image_id = stack.xcom(NIGHTLY, good_run.run_id, WAIT_TASK, "image_id")
    swr_path = stack.xcom(NIGHTLY, good_run.run_id, WAIT_TASK, "swr_path")

    announced = stack.xcom(NIGHTLY, good_run.run_id, "announce")

    assert announced == f"Image {image_id} can be pulled from {swr_path}"


@pytest.mark.parametrize("task_id", [SAVE_TASK, WAIT_TASK])
def test_links_work_while_sensor_is_deferred(task_id: str, good_run: ExampleRun) -> None:
    """Those to one notebook and image need what this connection and a first try do not know."""
    links = {name: url for name, url in good_run.links[task_id].items() if name.endswith("(list)")}

    assert links
    assert all(address and address.startswith("https://") for address in links.values())


def test_nightly_dag_sends_one_create_image(good_run: ExampleRun) -> None:
    assert good_run.creates == 1


def test_failed_image_fails_run_without_retry(bad_run: ExampleRun, stack: AirflowStack) -> None:
    task = stack.task_instances(NIGHTLY, bad_run.run_id)[WAIT_TASK]

    assert bad_run.state == "failed"
    assert bad_run.tasks[WAIT_TASK] == "failed"
    assert task["try_number"] == 1
    assert task["max_tries"] > 0, "the DAG allows no retries, so that none happened proves nothing"
    assert bad_run.creates == 1


def test_task_log_names_reason_of_failed_image(bad_run: ExampleRun, stack: AirflowStack) -> None:
    image_id = stack.xcom(NIGHTLY, bad_run.run_id, SAVE_TASK, "image_id")

    log = stack.task_log(NIGHTLY, bad_run.run_id, WAIT_TASK)

    assert STATUS_MESSAGE in log
    assert image_id in log
