"""The hook's methods that start, stop, renew, update and list notebooks, and register images."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from airflow_provider_modelarts.exceptions import NotebookNotReadyError, RequestValidationError
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import NotebookBehaviour, Simulator

BUILT_IN = "00000000-0000-4000-8000-000000000002"


@pytest.fixture
def hook(connection: str) -> ModelArtsHook:
    return ModelArtsHook(connection)


def test_stop_and_start_return_notebook_in_between(hook: ModelArtsHook, simulator: Simulator) -> None:
    assert hook.stop_notebook(simulator.notebook_id).status == "STOPPING"
    simulator.set_notebook_status(simulator.notebook_id, "STOPPED")
    started = hook.start_notebook(simulator.notebook_id, duration=timedelta(hours=2), type="timing")
    assert (started.status, started.lease and started.lease.length) == ("STARTING", timedelta(hours=2))


def test_renew_lease_returns_lease_as_read_again(hook: ModelArtsHook, simulator: Simulator) -> None:
    lease = hook.renew_lease(simulator.notebook_id, timedelta(hours=2), type="timing")
    assert lease.length == timedelta(hours=2)
    assert lease.ends_at == hook.show_lease(simulator.notebook_id).ends_at


def test_update_notebook_returns_notebook_as_read_again(hook: ModelArtsHook, simulator: Simulator) -> None:
    with pytest.raises(NotebookNotReadyError):
        hook.update_notebook(simulator.notebook_id, image_id=BUILT_IN)
    simulator.notebook().stop()
    assert hook.update_notebook(simulator.notebook_id, image_id=BUILT_IN).image_id == BUILT_IN


def test_register_image_uses_workspace_of_connection(
    hook: ModelArtsHook, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_MODELARTS_DEFAULT",
        json.dumps(
            {**simulator.connection, "extra": {**simulator.connection["extra"], "workspace_id": "w1"}}
        ),
    )
    simulator.set_image_status(simulator.add_image(), "DELETED")
    (swr_path,) = (image["swr_path"] for image in simulator.images)

    image = hook.register_image(swr_path, description="back", arch="x86_64")

    assert (image.swr_path, image.description, image.workspace_id) == (swr_path, "back", "w1")


@pytest.mark.parametrize("unset_feature", ["NOTEBOOK", "all"])
def test_list_notebooks_without_feature_returns_each_once(
    monkeypatch: pytest.MonkeyPatch, unset_feature: str
) -> None:
    """Whatever a list without the filter has."""
    with Simulator(notebooks=NotebookBehaviour(unset_feature=unset_feature)) as simulator:
        monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))
        free = simulator.add_notebook(feature="DEFAULT")
        other = simulator.add_notebook(owner="b" * 32)
        hook = ModelArtsHook()
        own = [notebook.id for notebook in hook.list_notebooks(feature=None)]
        everybody = [notebook.id for notebook in hook.list_notebooks(feature=None, all_users=True)]
        assert sorted(own) == sorted([simulator.notebook_id, free])
        assert sorted(everybody) == sorted([simulator.notebook_id, free, other])


def test_methods_send_nothing_for_invalid_values(hook: ModelArtsHook, simulator: Simulator) -> None:
    with pytest.raises(RequestValidationError):
        hook.renew_lease(simulator.notebook_id, timedelta(0))
    with pytest.raises(RequestValidationError):
        hook.update_notebook(simulator.notebook_id, image_id="")
    assert simulator.journal == ()
