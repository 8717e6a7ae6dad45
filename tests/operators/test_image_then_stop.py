"""A stop after a good save is never refused, whatever the service rewrites."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.exceptions import WaitTimeoutError
from airflow_provider_modelarts.operators.notebook import StopNotebookOperator
from airflow_provider_modelarts.simulator import AfterReads, AfterSeconds, NotebookBehaviour, Simulator
from tests.fast_forward import FastForward
from tests.operators.saves import save, sent, simulated
from tests.recorder import TaskInstance
from tests.task_runs import run

REWRITES: list[Any] = [(), ("save",), ("stop",), ("save", "stop")]


def stop(simulator: Simulator, image_id: Any, **arguments: Any) -> dict[str, Any]:
    given = {"task_id": "stop", "notebook_id": simulator.notebook_id, "poll_interval": 15, **arguments}
    result: dict[str, Any] = run(StopNotebookOperator(image_id=image_id, **given))
    return result


@pytest.mark.parametrize("touched_by", REWRITES, ids=lambda events: "+".join(events) or "nothing")
@pytest.mark.parametrize(
    ("lease", "arguments", "deferrable"),
    [
        ({"seconds": 600}, {"min_lease": "2h"}, False),
        ({"seconds": 600}, {"min_lease": "2h"}, True),
        ({"seconds": 9000}, {"if_not_running": "skip"}, False),
        ({"seconds": None}, {"min_lease": "2h", "if_not_running": "skip"}, True),
    ],
    ids=["renewed, worker", "renewed, triggerer", "timed", "unlimited"],
)
def test_stop_after_save_is_never_refused(
    touched_by: tuple[str, ...],
    lease: dict[str, Any],
    arguments: dict[str, Any],
    deferrable: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    FastForward(monkeypatch)
    behaviour = NotebookBehaviour(
        touched_by=touched_by, snapshotting=AfterSeconds(200), lease_interrupts_save=True
    )
    with simulated(monkeypatch, save=AfterSeconds(1500), notebooks=behaviour) as simulator:
        simulator.notebook().set_lease(**lease)
        simulator.notebook().install("numpy")
        how = {"wait_for_completion": True, "deferrable": deferrable, "poll_interval": 15, **arguments}

        result = stop(simulator, save(simulator, **how), deferrable=deferrable)

        assert (result["status"], result["changed"]) == ("STOPPED", True)
        assert simulator.notebook().environment == {"numpy"}


@pytest.mark.parametrize("touched_by", REWRITES, ids=lambda events: "+".join(events) or "nothing")
def test_stop_after_retry_is_never_refused(
    touched_by: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The retry after a timeout of the wait for the notebook renews nothing, although the lease is short."""
    FastForward(monkeypatch)
    behaviour = NotebookBehaviour(touched_by=touched_by, snapshotting=AfterSeconds(250))
    how: dict[str, Any] = {"min_lease": "2h", "wait_for_completion": True, "poll_interval": 15}
    with simulated(monkeypatch, save=AfterSeconds(1500), notebooks=behaviour) as simulator:
        simulator.notebook().set_lease(seconds=600)
        simulator.notebook().install("numpy")
        with pytest.raises(WaitTimeoutError):
            save(simulator, timeout=1600, **how)

        saved = save(simulator, TaskInstance(try_number=2), **how)

        assert saved["adopted"] is True
        assert stop(simulator, saved)["changed"] is True
        assert sent(simulator).count("RenewLease") == simulator.saves == 1
        assert simulator.notebook().environment == {"numpy"}


def test_retry_whose_image_is_not_listed_yet_renews_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the notebook would seem to have been started after its save."""
    FastForward(monkeypatch)
    with simulated(monkeypatch, save=AfterReads(1), list_lag=100_000.0) as simulator:
        simulator.notebook().set_lease(seconds=600)
        simulator.notebook().install("numpy")
        first = save(simulator, min_lease="1h", wait_for_completion=True)
        simulator.notebook().set_lease(seconds=600)
        simulator.advance(500)  # longer than what may be the end of the save

        again = save(simulator, TaskInstance(try_number=2), min_lease="1h")

        assert (again["image_id"], again["adopted"]) == (first["image_id"], True)
        assert sent(simulator).count("RenewLease") == 1
        assert stop(simulator, again)["changed"] is True
