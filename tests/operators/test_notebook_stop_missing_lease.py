"""Stops of a notebook whose own response does not show when it was last started."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_modelarts.client import notebook_steps
from airflow_provider_modelarts.exceptions import ServerError
from airflow_provider_modelarts.operators.notebook import StopNotebookOperator
from airflow_provider_modelarts.simulator import Fault, Simulator, exchange, lifecycle
from tests.operators.saves import save, sent
from tests.operators.test_notebook_stop import age_images
from tests.task_runs import run

pytestmark = pytest.mark.usefixtures("quick_polls", "connection", "_checks_are_quick")


def _missing(notebook: dict[str, Any]) -> None:
    del notebook["lease"]


def _unreadable(notebook: dict[str, Any]) -> None:
    notebook["lease"] = "an hour"


def _without_update(notebook: dict[str, Any]) -> None:
    del notebook["lease"]["update_at"]


def _without_duration(notebook: dict[str, Any]) -> None:
    del notebook["lease"]["duration"]


@pytest.fixture
def _checks_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook_steps, "CHECK_INTERVAL", 0.01)


def restarted(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, change: Callable[..., None], **arguments: Any
) -> Any:
    """Save a notebook, start it again an hour later, and return a task that stops it."""
    respond = exchange.json_reply

    def changed(status: int, document: Any) -> Any:
        if "current_time" in document and "image" in document:
            change(document)
        return respond(status, document)

    monkeypatch.setattr(lifecycle, "json_reply", changed)
    simulator.notebook().install("numpy")
    save(simulator, wait_for_completion=True)
    simulator.notebook().stop()
    age_images(simulator, timedelta(hours=1))
    simulator.notebook().start()
    simulator.notebook().install("precious")
    given = {"task_id": "stop", "notebook_id": simulator.notebook_id, "poll_interval": 0.02, **arguments}
    return StopNotebookOperator(**given)


@pytest.mark.parametrize(
    "change", [_missing, _unreadable, _without_update, _without_duration], ids=lambda f: f.__name__
)
def test_stop_after_restart_is_refused_whatever_lease_the_notebook_shows(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, change: Callable[..., None]
) -> None:
    task = restarted(simulator, monkeypatch, change)
    with pytest.raises(AirflowFailException, match="began before the notebook was started or renewed"):
        run(task)
    assert "precious" in simulator.notebook().environment
    assert ("ShowLease" in sent(simulator)) is (change is not _without_duration)


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "ModelArts.0108"), (400, "ModelArts.6404"), (400, "ModelArts.6357"), (400, "ModelArts.9999")],
)
def test_stop_decides_by_age_if_lease_is_refused(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, status: int, code: str
) -> None:
    task = restarted(simulator, monkeypatch, _missing)
    simulator.inject(Fault("error", "ShowLease", times=None, status=status, code=code))
    assert run(task)["status"] == "STOPPED"
    assert sent(simulator).count("ShowLease") == 1


def test_stop_is_retryable_if_lease_cannot_be_read_now(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = restarted(simulator, monkeypatch, _missing, timeout=0.1)
    simulator.inject(Fault("error", "ShowLease", times=None, status=500, code="ModelArts.0010"))
    with pytest.raises(ServerError):
        run(task)
    assert "precious" in simulator.notebook().environment


def test_stop_asks_for_no_lease_that_has_no_end(simulator: Simulator) -> None:
    simulator.notebook().install("numpy")
    simulator.notebook().set_lease(seconds=None)
    save(simulator, wait_for_completion=True)
    run(StopNotebookOperator(task_id="stop", notebook_id=simulator.notebook_id, poll_interval=0.02))
    assert "ShowLease" not in sent(simulator)
