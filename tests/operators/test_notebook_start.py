"""The operator that starts a notebook, in worker and triggerer."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_modelarts.client.notebooks import NO_AUTO_STOP
from airflow_provider_modelarts.exceptions import NotebookFailedError, WaitTimeoutError
from airflow_provider_modelarts.operators.notebook import StartNotebookOperator
from airflow_provider_modelarts.simulator import AfterReads, Fault, NotebookBehaviour, Simulator
from tests.recorder import TaskInstance, context
from tests.task_runs import run

pytestmark = pytest.mark.usefixtures("quick_polls", "connection", "_stopped")
in_both = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "triggerer"])

NEVER = AfterReads(1_000_000)
FACTS = {
    *("notebook_id", "name", "image_name", "status", "owner", "flavor", "workspace_id", "image_id"),
    *("lease_ends_at", "last_snapshot_at", "last_snapshot_id"),
}


@pytest.fixture
def _stopped(simulator: Simulator) -> None:
    simulator.notebook().stop()


def start(simulator: Simulator, **arguments: Any) -> StartNotebookOperator:
    given = {"task_id": "start", "notebook_id": simulator.notebook_id, "poll_interval": 0.02, **arguments}
    return StartNotebookOperator(**given)


def sent(simulator: Simulator) -> list[str]:
    return [entry.operation for entry in simulator.journal if entry.method != "GET"]


@in_both
def test_start_waits_until_notebook_runs(simulator: Simulator, deferrable: bool) -> None:
    ti = TaskInstance()

    result = run(start(simulator, deferrable=deferrable), ti)

    assert simulator.notebook().status == "RUNNING"
    assert result.keys() == FACTS | {"changed"}
    assert (result["notebook_id"], result["status"], result["changed"]) == (
        simulator.notebook_id,
        "RUNNING",
        True,
    )
    assert result["lease_ends_at"] is not None
    assert json.loads(json.dumps(result)) == result
    assert ti.xcom.keys() == {"modelarts_notebook_url", "modelarts_notebooks_url", "notebook_id", "status"}
    assert (ti.xcom["notebook_id"], ti.xcom["status"]) == (simulator.notebook_id, "RUNNING")


def test_start_without_wait_returns_starting(simulator: Simulator) -> None:
    result = run(start(simulator, wait_for_completion=False))

    assert (result["status"], result["changed"]) == ("STARTING", True)
    assert [entry.operation for entry in simulator.journal] == ["ShowNotebook"] * 2 + ["StartNotebook"]


@in_both
@pytest.mark.parametrize(
    ("status", "requests"), [("RUNNING", 1), ("STARTING", None)], ids=["running", "starting"]
)
def test_start_sends_nothing_if_started_already(
    simulator: Simulator, deferrable: bool, status: str, requests: int | None
) -> None:
    simulator.notebook().set_status(status)
    task = start(simulator, deferrable=deferrable, wait_for_completion=requests is not None)

    result = run(task)

    assert (result["status"], result["changed"]) == (status, False)
    assert len(simulator.journal) == 1
    assert simulator.notebook().starts == 0


@in_both
@pytest.mark.parametrize("simulator", [NotebookBehaviour(stopping=AfterReads(4))], indirect=True)
def test_start_waits_for_busy_notebook(simulator: Simulator, deferrable: bool) -> None:
    simulator.notebook().start()
    stop_through_api(simulator)

    result = run(start(simulator, deferrable=deferrable, wait_for_completion=False))

    assert result["changed"] is True
    assert sent(simulator) == ["StopNotebook", "StartNotebook"]
    assert simulator.notebook().starts == 1


def stop_through_api(simulator: Simulator) -> None:
    from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook

    assert ModelArtsHook().stop_notebook(simulator.notebook_id).status == "STOPPING"


@in_both
@pytest.mark.parametrize("kind", ["reset", "reset_after", "torn"])
def test_start_is_sent_once_whatever_happens_to_response(
    simulator: Simulator, deferrable: bool, kind: str
) -> None:
    simulator.inject(Fault(kind, "StartNotebook"))
    results = []
    for try_number in (1, 2):
        try:
            results.append(run(start(simulator, deferrable=deferrable), TaskInstance(try_number=try_number)))
        except Exception as error:  # noqa: BLE001, PERF203 - the next try continues
            results.append(error)

    assert results[-1]["status"] == "RUNNING"
    assert simulator.notebook().starts == 1


@in_both
@pytest.mark.parametrize(
    "simulator", [NotebookBehaviour(start_failure="no resources left")], indirect=True, ids=["start fails"]
)
def test_start_fails_with_reason_of_notebook(simulator: Simulator, deferrable: bool) -> None:
    with pytest.raises(NotebookFailedError, match="is START_FAILED: no resources left"):
        run(start(simulator, deferrable=deferrable))


@pytest.mark.parametrize("status", ["ERROR", "CREATE_FAILED", "FROZEN", "DELETED"])
def test_start_of_failed_notebook_sends_nothing(simulator: Simulator, status: str) -> None:
    simulator.notebook().set_status(status, "arrears")
    with pytest.raises(NotebookFailedError, match=f"is {status}: arrears"):
        run(start(simulator))
    assert sent(simulator) == []


@in_both
@pytest.mark.parametrize("simulator", [NotebookBehaviour(starting=NEVER)], indirect=True, ids=["never"])
def test_start_timeout_names_status(simulator: Simulator, deferrable: bool) -> None:
    with pytest.raises(WaitTimeoutError, match=r"last poll: Notebook .* is STARTING"):
        run(start(simulator, deferrable=deferrable, timeout=0.2))


@in_both
@pytest.mark.parametrize(
    ("simulator", "lease"),
    [
        (NotebookBehaviour(no_auto_stop="disabled"), {"seconds": 7200, "enable": False}),
        (NotebookBehaviour(no_auto_stop="unlimited"), {"seconds": None}),
        (NotebookBehaviour(), {"seconds": 7200, "type": "IDLE"}),
        (NotebookBehaviour(touched_by=()), {"seconds": 7200, "type": "IDLE"}),
    ],
    indirect=["simulator"],
    ids=["disabled", "unlimited", "idle", "idle, untouched by the stop"],
)
def test_start_keeps_lease(simulator: Simulator, deferrable: bool, lease: dict[str, Any]) -> None:
    simulator.notebook().set_lease(**lease)
    before = simulator.notebook().lease

    result = run(start(simulator, deferrable=deferrable))

    after = simulator.notebook().lease
    assert after["update_at"] >= before["update_at"]
    assert {**after, "update_at": 0} == {**before, "update_at": 0}
    assert result["lease_ends_at"] is None


@in_both
@pytest.mark.parametrize(
    "simulator", [NotebookBehaviour(touched_by=())], indirect=True, ids=["untouched by the stop"]
)
def test_start_keeps_length_of_timed_lease(simulator: Simulator, deferrable: bool) -> None:
    simulator.notebook().start(seconds=5 * 3600)
    simulator.notebook().stop()

    run(start(simulator, deferrable=deferrable))

    assert simulator.notebook().lease_ends_at == pytest.approx(simulator.now() + 5 * 3600, abs=60)


@pytest.mark.parametrize("simulator", [NotebookBehaviour(no_auto_stop="refused")], indirect=True)
def test_start_takes_longest_lease_if_no_auto_stop_is_refused(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.notebook().set_lease(seconds=None)
    with caplog.at_level(logging.WARNING):
        run(start(simulator))

    messages = [record.getMessage() for record in caplog.records]
    warnings = [message for message in messages if "cannot start without" in message]
    assert len(warnings) == 1
    assert "the longest lease, 3 days" in warnings[0]
    ends_at = simulator.notebook().lease_ends_at
    assert ends_at == pytest.approx(simulator.now() + 72 * 3600, abs=60)


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("2h", 7200), ("1d12h", 129_600), (timedelta(minutes=90), 5400), (NO_AUTO_STOP, None), ("", 72 * 3600)],
)
def test_start_asks_for_given_duration(simulator: Simulator, duration: Any, seconds: float | None) -> None:
    run(start(simulator, duration=duration))

    ends_at = simulator.notebook().lease_ends_at
    assert ends_at == (seconds and pytest.approx(simulator.now() + seconds, abs=60))


@pytest.mark.parametrize("duration", ["90m", "2", 7200, "soon", timedelta(0), "0h", "-2h", True])
def test_start_refuses_other_duration_before_sending(simulator: Simulator, duration: Any) -> None:
    with pytest.raises(AirflowFailException, match="duration"):
        run(start(simulator, duration=duration))
    assert simulator.journal == ()


@pytest.mark.parametrize(
    ("fault", "match"),
    [
        (Fault("error", "StartNotebook", status=400, code="ModelArts.6797"), "6797"),
        (Fault("error", "ShowNotebook", status=403, code="ModelArts.0108"), "0108"),
        (Fault("error", "ShowNotebook", status=400, code="ModelArts.6404"), "6404"),
    ],
    ids=["image gone", "no permission", "no such notebook"],
)
def test_start_does_not_retry_permanent_error(simulator: Simulator, fault: Fault, match: str) -> None:
    simulator.inject(fault)
    with pytest.raises(AirflowFailException, match=match):
        run(start(simulator))


def test_start_defers_with_plain_values_until_its_deadline(simulator: Simulator) -> None:
    task = start(simulator, deferrable=True, timeout=600, execution_timeout=timedelta(seconds=60))

    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context(TaskInstance()))

    path, arguments = deferred.value.trigger.serialize()
    assert path == "airflow_provider_modelarts.triggers.notebook.NotebookStatusTrigger"
    assert json.loads(json.dumps(arguments)) == arguments
    assert (arguments["notebook_id"], arguments["statuses"]) == (simulator.notebook_id, ["RUNNING"])
    assert arguments["deadline"] == pytest.approx(simulator.now() + 60, abs=5)
    assert simulator.connection["password"] not in json.dumps(arguments)
