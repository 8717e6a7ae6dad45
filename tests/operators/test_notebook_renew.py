"""The operator that renews a lease: it never shortens one, and leaves those without an end alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_modelarts.exceptions import NotebookFailedError, NotebookNotReadyError
from airflow_provider_modelarts.operators.notebook import RenewNotebookLeaseOperator
from airflow_provider_modelarts.simulator import Fault, NotebookBehaviour, Simulator
from tests.recorder import TaskInstance
from tests.task_runs import run

pytestmark = pytest.mark.usefixtures("connection")

HOUR = 3600


def renew(simulator: Simulator, duration: Any = "2h", **arguments: Any) -> RenewNotebookLeaseOperator:
    given = {"task_id": "renew", "notebook_id": simulator.notebook_id, "duration": duration, **arguments}
    return RenewNotebookLeaseOperator(**given)


def sent(simulator: Simulator) -> list[str]:
    return [entry.operation for entry in simulator.journal if entry.method != "GET"]


@pytest.mark.parametrize(
    "simulator",
    [NotebookBehaviour(renewal_response=response) for response in ("echo", "lease", "empty")],
    indirect=True,
    ids=["echo", "lease", "empty"],
)
@pytest.mark.parametrize(
    ("left", "duration", "expected"),
    [
        (600, "2h", 2 * HOUR),
        (600, timedelta(minutes=90), 1.5 * HOUR),
        (600, "20min", HOUR),
        (3 * HOUR, "2h", None),
        (1800, "20min", None),
    ],
)
def test_renew_prolongs_lease_that_ends_too_soon(
    simulator: Simulator, left: float, duration: Any, expected: float | None
) -> None:
    simulator.notebook().set_lease(seconds=left)
    ti = TaskInstance()

    result = run(renew(simulator, duration), ti)

    ends_at = simulator.notebook().lease_ends_at
    assert ends_at == pytest.approx(simulator.now() + (expected or left), abs=60)
    assert sent(simulator) == (["RenewLease"] if expected else [])
    assert (result["notebook_id"], result["status"]) == (simulator.notebook_id, "RUNNING")
    assert result["lease_ends_at"] is not None
    assert "changed" not in result
    assert ti.xcom.keys() == {"modelarts_notebook_url", "modelarts_notebooks_url", "notebook_id", "status"}


@pytest.mark.parametrize(
    "lease",
    [{"seconds": 600, "enable": False}, {"seconds": None}, {"seconds": 600, "type": "IDLE"}],
    ids=["disabled", "unlimited", "idle"],
)
def test_renew_leaves_other_lease_as_it_is(simulator: Simulator, lease: dict[str, Any]) -> None:
    simulator.notebook().set_lease(**lease)
    before = simulator.notebook().lease

    result = run(renew(simulator))

    assert simulator.notebook().lease == before
    assert result["lease_ends_at"] is None


@pytest.mark.parametrize("status", ["STOPPED", "STARTING", "STOPPING"])
def test_renew_of_notebook_that_does_not_run_is_retryable(simulator: Simulator, status: str) -> None:
    simulator.notebook().set_status(status)
    with pytest.raises(NotebookNotReadyError, match=f"is {status}"):
        run(renew(simulator))
    assert sent(simulator) == []


def test_renew_of_failed_notebook_sends_nothing(simulator: Simulator) -> None:
    simulator.notebook().set_status("ERROR", "disk full")
    with pytest.raises(NotebookFailedError, match="disk full"):
        run(renew(simulator))
    assert sent(simulator) == []


@pytest.mark.parametrize("kind", ["reset_after", "torn"])
def test_renew_finds_effect_of_lost_response(simulator: Simulator, kind: str) -> None:
    simulator.notebook().set_lease(seconds=600)
    simulator.inject(Fault(kind, "RenewLease"))
    run(renew(simulator))
    assert sent(simulator) == ["RenewLease"]


@pytest.mark.parametrize("duration", ["", "None", "90m", 7200, "30d", "2 hours", timedelta(-1)], ids=repr)
def test_renew_refuses_duration(simulator: Simulator, duration: Any) -> None:
    simulator.notebook().set_lease(seconds=600)
    with pytest.raises(AirflowFailException, match="duration"):
        run(renew(simulator, duration))
    assert sent(simulator) == (["RenewLease"] if duration == "30d" else [])
