"""A stop of a notebook that was restored from an older image: what was installed since is in no snapshot."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_modelarts.client import notebook_steps
from airflow_provider_modelarts.operators.notebook import RestoreNotebookOperator, StopNotebookOperator
from airflow_provider_modelarts.simulator import NotebookBehaviour, Simulator, exchange, lifecycle
from tests.operators.saves import save, sent
from tests.operators.test_notebook_stop import age_images
from tests.recorder import TaskInstance
from tests.task_runs import run

pytestmark = pytest.mark.usefixtures("quick_polls", "connection")


@pytest.mark.parametrize("restores", ["an older image", "the newest snapshot"])
def test_stop_after_restore_keeps_what_was_installed_since(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, restores: str
) -> None:
    """A start shortly after a save is not the save's own doing if the notebook runs another image."""
    monkeypatch.setattr(notebook_steps, "CHECK_INTERVAL", 0.01)
    given: dict[str, Any] = {"notebook_id": simulator.notebook_id, "poll_interval": 0.02}
    old = save(simulator, TaskInstance(run_id="r1"), wait_for_completion=True)
    age_images(simulator, timedelta(hours=5))
    simulator.notebook().install("a")
    new = save(simulator, TaskInstance(run_id="r2"), wait_for_completion=True)
    if restores == "the newest snapshot":
        age_images(simulator, timedelta(minutes=20))
        simulator.notebook().stop()
        run(RestoreNotebookOperator(task_id="restore", **given))
    else:
        run(RestoreNotebookOperator(task_id="restore", image_id=old, stop_running=True, **given))
    simulator.notebook().install("precious")
    stops = simulator.notebook().stops

    with pytest.raises(
        AirflowFailException, match=rf"{new['image_id']}.*began before the notebook was started"
    ):
        run(StopNotebookOperator(task_id="stop", **given))

    assert "precious" in simulator.notebook().environment
    assert simulator.notebook().stops == stops


@pytest.mark.parametrize(
    "simulator", [NotebookBehaviour(touched_by=("save",))], indirect=True, ids=["rewrites at a save"]
)
def test_stop_after_save_waits_for_service_to_show_image_that_notebook_runs(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease is rewritten at once, but the notebook seems to run its former image a little longer."""
    monkeypatch.setattr(notebook_steps, "CHECK_INTERVAL", 0.01)
    simulator.notebook().install("a")
    save(simulator, wait_for_completion=True)
    respond = exchange.json_reply

    def late(status: int, document: Any) -> Any:
        if "current_time" in document and sent(simulator).count("ListImages") < 2:
            document["image"]["id"] = "00000000-0000-4000-8000-000000000002"
        return respond(status, document)

    monkeypatch.setattr(lifecycle, "json_reply", late)
    run(StopNotebookOperator(task_id="stop", notebook_id=simulator.notebook_id, poll_interval=0.02))
    assert simulator.notebook().environment == {"a"}
