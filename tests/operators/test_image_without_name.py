"""Saves without a name, which no tag conflict protects from a second one, while no list has the image yet."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client import idempotent_create
from airflow_provider_modelarts.simulator import AtOnce, Fault, Simulator
from tests.operators.saves import save, sent, simulated
from tests.recorder import TaskInstance

pytestmark = pytest.mark.usefixtures("quick_polls")
LAGS: dict[str, Any] = {"cloud": "otc", "list_lag": 1e6, "save": AtOnce()}


@pytest.fixture(autouse=True)
def _lookups_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotent_create, "LOOKUP_INTERVAL", 0.01)


def save_without_name(simulator: Simulator, try_number: int = 1) -> dict[str, Any]:
    ti = TaskInstance(try_number=try_number)
    result: dict[str, Any] = save(simulator, ti, name=None, namespace=None, wait_for_completion=True)
    return result


def test_create_image_with_lost_response_is_found_by_image_that_notebook_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with simulated(monkeypatch, **LAGS) as simulator:
        simulator.inject(Fault("reset_after", "CreateImage"))
        first = save_without_name(simulator)
        second = save_without_name(simulator, try_number=2)
        assert sent(simulator).count("CreateImage") == 1
        assert len(simulator.images) == 1
    assert (first["adopted"], second["adopted"]) == (False, True)
    assert first["image_id"] == second["image_id"]


def test_create_image_of_later_try_is_not_sent_if_notebook_runs_own_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with simulated(monkeypatch, **LAGS) as simulator:
        first = save_without_name(simulator)
        second = save_without_name(simulator, try_number=2)
        assert sent(simulator).count("CreateImage") == 1
    assert (second["adopted"], second["image_id"]) == (True, first["image_id"])


@pytest.mark.parametrize("run_id", ["another run", None], ids=["other task's image", "no image of a task"])
def test_create_image_of_later_try_is_sent_if_notebook_runs_another_image(
    monkeypatch: pytest.MonkeyPatch, run_id: str | None
) -> None:
    with simulated(monkeypatch, **LAGS) as simulator:
        if run_id:
            save(simulator, TaskInstance(run_id=run_id), name=None, namespace=None, wait_for_completion=True)
        before = len(simulator.images)
        result = save_without_name(simulator, try_number=2)
        assert len(simulator.images) == before + 1
    assert result["adopted"] is False


def test_create_image_of_later_try_with_name_does_not_read_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    with simulated(monkeypatch, save=AtOnce()) as simulator:
        save(simulator, TaskInstance(try_number=2))
        assert sent(simulator) == ["ListImages", "CreateImage"]


def test_create_image_of_later_try_is_sent_although_notebook_may_not_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with simulated(monkeypatch, cloud="otc", save=AtOnce()) as simulator:
        simulator.inject(Fault("error", "ShowNotebook", times=None, status=403, code="ModelArts.0108"))
        result = save(simulator, TaskInstance(try_number=2), name=None, namespace=None)
        assert len(simulator.images) == 1
    assert result["adopted"] is False
