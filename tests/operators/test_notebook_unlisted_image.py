"""Stops and restores where no list has the image that the notebook runs since its save."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_modelarts.client import notebook_steps
from airflow_provider_modelarts.operators.notebook import RestoreNotebookOperator, StopNotebookOperator
from airflow_provider_modelarts.simulator import AtOnce, Fault, Simulator
from tests.operators.saves import save, sent, simulated
from tests.task_runs import run

pytestmark = pytest.mark.usefixtures("quick_polls")
LISTS = pytest.mark.parametrize(
    ("options", "arguments"),
    [
        pytest.param({}, {"workspace_id": "of-the-save"}, id="another workspace"),
        pytest.param({"list_lag": 1e6}, {}, id="lists that lag"),
    ],
)


@pytest.fixture(autouse=True)
def _checks_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook_steps, "CHECK_INTERVAL", 0.01)


def saved_notebook(simulator: Simulator, arguments: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Save a notebook, and return the result and the arguments of the next task."""
    simulator.notebook().install("numpy")
    saved = save(simulator, wait_for_completion=True, **arguments)
    return saved, {"notebook_id": simulator.notebook_id, "poll_interval": 0.02}


@LISTS
def test_stop_finds_unlisted_snapshot_that_notebook_runs(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], arguments: dict[str, Any]
) -> None:
    with simulated(monkeypatch, save=AtOnce(), **options) as simulator:
        saved, given = saved_notebook(simulator, arguments)
        before = len(sent(simulator))
        result = run(StopNotebookOperator(task_id="stop", **given))
        requests = sent(simulator)[before:]
    assert (result["status"], result["last_snapshot_id"]) == ("STOPPED", saved["image_id"])
    assert (requests.count("ListImages"), requests.count("ShowImage")) == (1, 1)


@LISTS
def test_restore_finds_unlisted_snapshot_that_notebook_runs(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], arguments: dict[str, Any]
) -> None:
    with simulated(monkeypatch, save=AtOnce(), **options) as simulator:
        saved, given = saved_notebook(simulator, arguments)
        simulator.notebook().stop()
        result = run(RestoreNotebookOperator(task_id="restore", **given))
        environment = simulator.notebook().environment
    assert (result["status"], result["image_id"]) == ("RUNNING", saved["image_id"])
    assert environment == {"numpy"}


def test_stop_reads_no_image_that_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    with simulated(monkeypatch, save=AtOnce()) as simulator:
        _, given = saved_notebook(simulator, {})
        before = len(sent(simulator))
        run(StopNotebookOperator(task_id="stop", **given))
        assert "ShowImage" not in sent(simulator)[before:]


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "ModelArts.6404"), (403, "ModelArts.0108")],
    ids=["there is no such image", "permission denied"],
)
def test_stop_is_refused_as_before_if_unlisted_image_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str
) -> None:
    with simulated(monkeypatch, save=AtOnce(), list_lag=1e6) as simulator:
        _, given = saved_notebook(simulator, {})
        simulator.inject(Fault("error", "ShowImage", times=None, status=status, code=code))
        with pytest.raises(AirflowFailException, match="has no ACTIVE snapshot"):
            run(StopNotebookOperator(task_id="stop", **given))
        assert simulator.notebook().environment == {"numpy"}
        assert "StopNotebook" not in sent(simulator)
