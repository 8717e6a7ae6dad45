"""The operator that lists notebooks: what it returns, warns of and refuses."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_modelarts.exceptions import ServerError
from airflow_provider_modelarts.operators import notebook as notebook_operators
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.operators.notebook import ListNotebooksOperator, RenewNotebookLeaseOperator
from airflow_provider_modelarts.simulator import AtOnce, Fault, Simulator
from tests.recorder import TaskInstance
from tests.task_runs import run

pytestmark = pytest.mark.usefixtures("connection")


def listing(**arguments: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run(ListNotebooksOperator(task_id="list", **arguments))
    assert json.loads(json.dumps(found)) == found
    return found


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [notebook["notebook_id"] for notebook in found]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return our own; Airflow also warns of a task without a task runner."""
    ours = [record for record in caplog.records if record.name.startswith("airflow_provider_modelarts")]
    return [record.getMessage() for record in ours if record.levelno >= logging.WARNING]


def test_list_is_importable_beside_the_other_notebook_operators() -> None:
    assert {"ListNotebooksOperator", "StopNotebookOperator"} <= set(notebook_operators.__all__)


def test_list_returns_what_other_notebook_operators_return(simulator: Simulator) -> None:
    ti = TaskInstance()
    simulator.notebook().set_lease(seconds=7200)

    (found,) = run(ListNotebooksOperator(task_id="list"), ti)

    renewed = run(
        RenewNotebookLeaseOperator(task_id="renew", notebook_id=simulator.notebook_id, duration="1h")
    )
    assert found == renewed
    assert found["lease_ends_at"].endswith("+00:00")
    assert ti.xcom.keys() == {"modelarts_notebooks_url"}


@pytest.mark.parametrize("simulator", [AtOnce()], indirect=True, ids=["at once"])
def test_list_leaves_out_what_a_save_has_just_saved(simulator: Simulator) -> None:
    other = simulator.add_notebook()
    run(
        CreateNotebookImageOperator(
            task_id="save", notebook_id=simulator.notebook_id, name="n", namespace="team"
        )
    )

    assert ids(listing(not_saved_within="1h")) == [other]
    assert len(listing()) == 2


def test_list_returns_last_snapshot_if_images_are_read(simulator: Simulator) -> None:
    simulator.freeze()
    marker = f"[airflow:0123456789abcdef notebook:{simulator.notebook_id}]"
    snapshot = simulator.add_image(description=marker, status="ACTIVE")
    simulator.add_image(description=marker, status="CREATING")
    simulator.advance(600)

    (found,) = listing(not_saved_within=timedelta(minutes=5))

    assert found["last_snapshot_id"] == snapshot
    assert found["last_snapshot_at"] is not None
    assert {**found, "last_snapshot_id": None, "last_snapshot_at": None} == listing()[0]


def test_list_combines_filters(simulator: Simulator) -> None:
    wanted = simulator.add_notebook(name="team-b", owner="b" * 32, flavor="gpu", workspace_id="w1")
    simulator.notebook(wanted).set_lease(seconds=600)
    for changed in (
        {"name": "other"},
        {"owner": "c" * 32},
        {"flavor": "cpu"},
        {"workspace_id": "w2"},
        {"status": "STOPPED"},
        {},
    ):
        notebook: Any = {
            "name": "team-b",
            "owner": "b" * 32,
            "flavor": "gpu",
            "workspace_id": "w1",
            **changed,
        }
        simulator.add_notebook(**notebook)

    filters = {
        "status": ["running", "SNAPSHOTTING"],
        "name": "team-*",
        "owner_id": "b" * 32,
        "flavor": "gpu",
        "workspace_id": "w1",
        "lease_ends_within": "45min",
        "not_saved_within": "20h",
    }
    assert ids(listing(all_users=True, **filters)) == [wanted]
    assert listing(**filters) == []


@pytest.mark.parametrize(
    "lease",
    [{"seconds": 600, "enable": False}, {"seconds": None}, {"seconds": 600, "type": "IDLE"}],
    ids=["disabled", "unlimited", "idle"],
)
def test_list_never_lists_lease_without_end_as_ending(simulator: Simulator, lease: dict[str, Any]) -> None:
    simulator.notebook().set_lease(**lease)
    assert listing(lease_ends_within="3650d") == []
    assert listing()[0]["lease_ends_at"] is None


def test_list_warns_once_of_empty_list_and_names_filters(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert listing(status="STOPPED", name="team-*", not_saved_within="1d") == []
    (warning,) = warnings(caplog)
    for part in ("status STOPPED", "name team-*", "not_saved_within 1 day", "all_users False"):
        assert part in warning
    assert "Listed 1 notebooks" in caplog.text
    assert simulator.notebook_id not in warning


@pytest.mark.parametrize("arguments", [{}, {"not_saved_within": "1h"}])
def test_list_beyond_limit_fails_without_retry(simulator: Simulator, arguments: dict[str, str]) -> None:
    simulator.add_notebook()
    assert len(listing(limit=2, **arguments)) == 2
    with pytest.raises(AirflowFailException, match=r"2 notebooks match, more than limit=1.*truncate=True"):
        listing(limit=1, **arguments)


def test_list_that_is_truncated_names_what_is_left_out(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """It keeps those whose lease ends first, in the usual order."""
    simulator.freeze()
    added = []
    for hours in (2, 5, 1):
        simulator.advance(1)
        added.append(simulator.add_notebook(name=f"n{hours}"))
        simulator.notebook(added[-1]).set_lease(seconds=hours * 3600)

    found = listing(limit=2, truncate=True)

    assert ids(found) == [added[0], added[2]]
    (warning,) = warnings(caplog)
    assert "4 notebooks match, more than limit=2" in warning
    assert f"{added[1]} (n5)" in warning
    assert simulator.notebook_id in warning


@pytest.mark.parametrize("nothing", ["", "None", "  ", None], ids=repr)
def test_list_treats_empty_template_as_not_given(simulator: Simulator, nothing: str | None) -> None:
    names = ("status", "name", "owner_id", "flavor", "workspace_id", "lease_ends_within", "not_saved_within")
    assert ids(listing(**dict.fromkeys(names, nothing))) == [simulator.notebook_id]


@pytest.mark.parametrize(
    "arguments",
    [
        {"status": "UP"},
        {"status": []},
        {"status": ["RUNNING", ""]},
        {"status": {"RUNNING": 1}},
        {"status": 5},
        {"name": 5},
        {"owner_id": ["a"]},
        {"flavor": b"x"},
        {"workspace_id": 0},
        {"lease_ends_within": "5m"},
        {"lease_ends_within": 3600},
        {"not_saved_within": "0h"},
        {"not_saved_within": timedelta(-1)},
        {"all_users": "false"},
        {"truncate": 1},
        {"modelarts_conn_id": ""},
    ],
    ids=repr,
)
def test_list_refuses_argument_before_anything_is_sent(
    simulator: Simulator, arguments: dict[str, Any]
) -> None:
    (name,) = arguments
    with pytest.raises(AirflowFailException, match=name):
        listing(**arguments)
    assert simulator.journal == ()


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "10", None], ids=repr)
def test_list_refuses_limit_when_dag_is_parsed(limit: Any) -> None:
    with pytest.raises(ValueError, match="limit must be a whole number"):
        ListNotebooksOperator(task_id="list", limit=limit)


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("modelarts:notebook:list", {}),
        ("modelarts:notebook:listAllNotebooks", {"all_users": True}),
    ],
)
def test_list_without_permission_fails_without_retry(
    simulator: Simulator, action: str, arguments: dict[str, Any]
) -> None:
    simulator.revoke(action)
    with pytest.raises(AirflowFailException, match=action):
        listing(**arguments)


def test_list_names_missing_permission_for_images_and_lists_their_notebooks(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.revoke("modelarts:image:list")
    assert ids(listing(not_saved_within="1h")) == [simulator.notebook_id]
    assert ids(listing()) == [simulator.notebook_id]
    (warning,) = warnings(caplog)
    assert "modelarts:image:list" in warning
    assert "its 1 notebooks count as not saved" in warning


def test_list_fails_with_retry_while_service_fails(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_modelarts.client.client.RETRY_TIMEOUT", 0)
    simulator.inject(Fault("html", "ListNotebooks", times=None))
    with pytest.raises(ServerError):
        listing()


def test_list_uses_workspace_of_connection(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {**simulator.connection["extra"], "workspace_id": "w1"}
    connection = json.dumps({**simulator.connection, "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", connection)
    own, other = (simulator.add_notebook(workspace_id=workspace) for workspace in ("w1", "w2"))

    assert ids(listing()) == [own]
    assert ids(listing(workspace_id="w2", not_saved_within="1h")) == [other]
    asked = [entry.query for entry in simulator.journal if entry.operation == "ListImages"]
    assert [query.partition("workspace_id=")[2][:2] for query in asked] == ["w1", "w2"]
