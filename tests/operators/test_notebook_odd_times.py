"""Saves, stops and starts, where the service's times are in another unit or incomplete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_modelarts.operators.notebook import StartNotebookOperator, StopNotebookOperator
from airflow_provider_modelarts.simulator import Simulator, exchange, lifecycle
from tests.operators.saves import save
from tests.task_runs import run

pytestmark = pytest.mark.usefixtures("quick_polls", "connection")


def _seconds(notebook: dict[str, Any]) -> None:
    notebook["current_time"] //= 1000


def _update_in_seconds(notebook: dict[str, Any]) -> None:
    notebook["lease"]["update_at"] //= 1000


def _without_end(notebook: dict[str, Any]) -> None:
    del notebook["lease"]["create_at"]


def _empty(notebook: dict[str, Any]) -> None:
    notebook["lease"] = {}


@pytest.mark.parametrize(
    "change", [_seconds, _update_in_seconds, _without_end, _empty], ids=lambda f: f.__name__
)
def test_lease_is_renewed_and_stop_after_save_allowed_whatever_show_notebook_has(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None]
) -> None:
    respond = exchange.json_reply

    def changed(status: int, document: Any) -> Any:
        if "current_time" in document:
            change(document)
        return respond(status, document)

    monkeypatch.setattr(lifecycle, "json_reply", changed)
    notebook = simulator.notebook()
    notebook.install("numpy")
    notebook.set_lease(seconds=600)
    given: dict[str, Any] = {"notebook_id": simulator.notebook_id, "poll_interval": 0.02}

    saved = save(simulator, min_lease="2h", wait_for_completion=True)
    assert notebook.lease_ends_at == pytest.approx(simulator.now() + 7200, abs=60)
    run(StopNotebookOperator(task_id="stop", image_id=saved, **given))
    assert (notebook.status, notebook.environment) == ("STOPPED", frozenset({"numpy"}))
    run(StartNotebookOperator(task_id="start", **given))
    assert notebook.status == "RUNNING"
