"""A run on Celery creates one image, also when the worker that sends the save is killed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_modelarts.simulator import AfterSeconds, Fault, Simulator
from tests.e2e.failure_logs import keep_logs_after_failure
from tests.e2e.flows import SAVE, WAIT, Flow, on_two_workers
from tests.e2e.stack import AirflowStack

pytestmark = pytest.mark.e2e

SAVE_SECONDS = 6.0
SLOW_CREATE = 8.0


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(save=AfterSeconds(SAVE_SECONDS)) as running:
        yield running


@pytest.fixture(scope="module")
def stack(simulator: Simulator, request: pytest.FixtureRequest) -> Iterator[AirflowStack]:
    """Run one Airflow for all tests here."""
    with on_two_workers(simulator) as running, keep_logs_after_failure(running, request.session):
        yield running


def test_operator_on_celery_sends_one_create_image(stack: AirflowStack, simulator: Simulator) -> None:
    flow = Flow(stack, simulator)

    assert flow.end() == "success"
    assert flow.problems() == []
    assert len(flow.creates) == 1
    assert flow.task(SAVE)["try_number"] == 1


def test_operator_creates_one_image_when_celery_worker_is_killed(
    stack: AirflowStack, simulator: Simulator
) -> None:
    simulator.inject(Fault("slow", operation="CreateImage", seconds=SLOW_CREATE))
    flow = Flow(stack, simulator)
    flow.wait_until(lambda: flow.creates, "the save was asked for")
    supervisor = flow.supervisor()
    assert supervisor is not None
    worker = supervisor.parent()
    assert worker is not None
    pool = worker.children()
    assert supervisor in pool

    for process in (worker, *pool):
        process.kill()
    flow.wait_until(stack.processes.restart_ended, "the worker has ended")

    assert flow.end() == "success"
    assert flow.problems() == []
    assert flow.task(SAVE)["try_number"] > 1, "nothing was killed, so that one image is there proves nothing"
    assert flow.task(WAIT)["try_number"] == 1
