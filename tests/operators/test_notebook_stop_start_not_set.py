"""Stops of notebooks whose own response has no time of their last start, but a zero."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_modelarts.client import notebook_steps
from airflow_provider_modelarts.operators.notebook import StopNotebookOperator
from airflow_provider_modelarts.simulator import Simulator, exchange, lifecycle
from tests.operators.saves import save, sent
from tests.task_runs import run

pytestmark = pytest.mark.usefixtures("quick_polls", "connection")


@pytest.mark.parametrize("unset", [0, "0001-01-01T00:00:00Z"], ids=["zero", "date"])
def test_stop_asks_lease_for_start_that_notebook_does_not_show(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, unset: Any
) -> None:
    """Else a snapshot from before the start would allow a stop that discards what was installed since."""
    monkeypatch.setattr(notebook_steps, "CHECK_INTERVAL", 0.01)
    respond = exchange.json_reply

    def changed(status: int, document: Any) -> Any:
        if "current_time" in document:
            document["lease"]["update_at"] = unset
        return respond(status, document)

    monkeypatch.setattr(lifecycle, "json_reply", changed)
    notebook = simulator.notebook()
    save(simulator, wait_for_completion=True)
    simulator.advance(600)
    notebook.stop()
    notebook.start()
    notebook.install("numpy")

    with pytest.raises(AirflowFailException, match="began before the notebook was started or renewed"):
        run(StopNotebookOperator(task_id="stop", notebook_id=simulator.notebook_id))

    assert "StopNotebook" not in sent(simulator)
    assert notebook.environment == {"numpy"}
