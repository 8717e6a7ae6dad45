"""What is listed to find notebooks: pages of all features, and images of the notebooks' workspaces."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_modelarts.client.notebook_filter import FoundNotebook, NotebookFilter, find_notebooks
from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.simulator import Fault, NotebookBehaviour, Simulator
from tests.transports import TransportRunner

SAVED = NotebookFilter(not_saved_within=timedelta(hours=2))
LIST = "modelarts:image:list"


def find(
    transport: TransportRunner, simulator: Simulator, wanted: NotebookFilter, **options: Any
) -> list[FoundNotebook]:
    found: list[FoundNotebook] = transport.run(
        simulator, lambda client: find_notebooks(client, wanted, **options)
    )
    return found


def ids(found: list[FoundNotebook]) -> list[str]:
    return [item.notebook.id for item in found]


def add_snapshot(simulator: Simulator, notebook_id: str, **fields: Any) -> str:
    marker = f"[airflow:0123456789abcdef notebook:{notebook_id}]"
    return simulator.add_image(**{"description": marker, "status": "ACTIVE"} | fields)


def snapshots_requested(simulator: Simulator) -> list[str]:
    return [
        entry.query.partition("workspace_id=")[2].partition("&")[0]
        for entry in simulator.journal
        if entry.operation == "ListImages"
    ]


@pytest.mark.parametrize("unset_feature", ["NOTEBOOK", "all"])
@pytest.mark.parametrize("all_users", [False, True])
def test_find_notebooks_lists_every_feature_once(
    transport: TransportRunner, unset_feature: str, all_users: bool
) -> None:
    with Simulator(notebooks=NotebookBehaviour(unset_feature=unset_feature)) as simulator:
        free = simulator.add_notebook(feature="DEFAULT")
        other = simulator.add_notebook(owner="b" * 32)
        found = find(transport, simulator, NotebookFilter(), all_users=all_users)

        assert sorted(ids(found)) == sorted([simulator.notebook_id, free, *([other] if all_users else [])])
        names = {entry.operation for entry in simulator.journal}
        assert names == {"ListAllNotebooks" if all_users else "ListNotebooks"}


def test_find_notebooks_reads_all_pages_oldest_first(
    transport: TransportRunner, simulator: Simulator
) -> None:
    simulator.freeze()
    added = []
    for _ in range(60):
        simulator.advance(1)
        added.append(simulator.add_notebook())
    assert ids(find(transport, simulator, NotebookFilter())) == [simulator.notebook_id, *added]


def test_find_notebooks_requests_no_filter_by_what_may_change_while_pages_are_read(
    transport: TransportRunner, simulator: Simulator
) -> None:
    wanted = NotebookFilter(("RUNNING",), name="n*", owner_id="o", flavor="f", workspace_id="w1")
    find(transport, simulator, wanted)
    queries = {pair for entry in simulator.journal for pair in entry.query.split("&")}
    expected = {"workspace_id=w1", "workspaceId=w1", "limit=50", "offset=0", "feature=DEFAULT"}
    assert queries == expected


@pytest.mark.parametrize(
    ("wanted", "requested"),
    [
        pytest.param(SAVED, ["0", "w1", "w2"], id="of each notebook, and of saves by default"),
        pytest.param(NotebookFilter(), [], id="not without the filter"),
        pytest.param(NotebookFilter(("FROZEN",), not_saved_within=timedelta(hours=1)), [], id="no notebook"),
    ],
)
def test_find_notebooks_lists_images_once_for_each_workspace(
    transport: TransportRunner, simulator: Simulator, wanted: NotebookFilter, requested: list[str]
) -> None:
    for workspace_id in ("w1", "w1", "w2"):
        simulator.add_notebook(workspace_id=workspace_id)
    find(transport, simulator, wanted)
    assert snapshots_requested(simulator) == requested


def test_find_notebooks_asks_own_workspace_and_that_of_the_connection(
    transport: TransportRunner, simulator: Simulator
) -> None:
    saved_at_home, saved_in_default, saved_elsewhere = (
        simulator.add_notebook(workspace_id="w1") for _ in range(3)
    )
    add_snapshot(simulator, saved_at_home, workspace_id="w1")
    add_snapshot(simulator, saved_in_default, workspace_id="w9")
    add_snapshot(simulator, saved_elsewhere, workspace_id="w2")

    found = find(
        transport,
        simulator,
        NotebookFilter(workspace_id="w1", not_saved_within=timedelta(hours=2)),
        default_workspace_id="w9",
    )

    assert ids(found) == [saved_elsewhere]
    assert set(snapshots_requested(simulator)) == {"w1", "w9"}


@pytest.mark.parametrize("clock_skew", [-840, 0, 840])
def test_find_notebooks_compares_times_with_clock_of_service(
    transport: TransportRunner, simulator: Simulator, clock_skew: float
) -> None:
    simulator.freeze()
    simulator.notebook().set_lease(seconds=1800)
    snapshot = add_snapshot(simulator, simulator.notebook_id)
    simulator.advance(60)

    def is_found(**filters: int) -> bool:
        wanted = NotebookFilter(**{name: timedelta(minutes=minutes) for name, minutes in filters.items()})  # type: ignore[arg-type]
        found = transport.run(simulator, lambda client: find_notebooks(client, wanted), clock_skew=clock_skew)
        return [item.last_snapshot and item.last_snapshot.id for item in found] == [
            snapshot if wanted.not_saved_within else None
        ]

    assert is_found(lease_ends_within=35)
    assert not is_found(lease_ends_within=25)
    assert not is_found(not_saved_within=5)
    simulator.advance(360)
    assert is_found(not_saved_within=5)


def test_find_notebooks_counts_notebooks_as_not_saved_if_images_may_not_be_listed(
    transport: TransportRunner, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    add_snapshot(simulator, simulator.notebook_id)
    assert find(transport, simulator, SAVED) == []
    simulator.revoke(LIST)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        found = find(transport, simulator, SAVED)
    assert ids(found) == [simulator.notebook_id]
    (record,) = caplog.records
    assert "workspace 0" in record.message
    assert LIST in record.message


@pytest.mark.parametrize(
    "fault",
    [
        Fault("error", "ListImages", times=None, status=403, code=""),
        Fault("error", "ListImages", times=None, status=400, code="ModelArts.9999"),
        Fault("html", "ListImages", times=None),
        Fault("miscount", "ListImages", times=None),
        Fault("miscount", "ListNotebooks", times=None),
    ],
    ids=["403 without a code", "unknown code", "gateway", "images missing", "notebooks missing"],
)
def test_find_notebooks_returns_no_incomplete_list(
    transport: TransportRunner, simulator: Simulator, fault: Fault
) -> None:
    """An error that may pass does not make notebooks unsaved: a retry reads again."""
    simulator.inject(fault)
    with pytest.raises(ModelArtsError) as raised:
        find(transport, simulator, SAVED)
    assert raised.value.is_transient


def test_find_notebooks_retries_list_after_temporary_fault(
    transport: TransportRunner, simulator: Simulator
) -> None:
    simulator.inject(Fault("error", "ListImages"), Fault("throttle", "ListNotebooks"))
    assert ids(find(transport, simulator, SAVED)) == [simulator.notebook_id]


def test_find_notebooks_warns_of_notebook_whose_end_is_unknown(
    transport: TransportRunner, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    page = '{"total": 1, "data": [{"id": "n-1", "name": "x", "status": "RUNNING"}]}'
    simulator.inject(Fault("document", "ListNotebooks", body=page))
    with caplog.at_level(logging.WARNING):
        found = find(transport, simulator, NotebookFilter(lease_ends_within=timedelta(minutes=1)))
    assert found == []
    (record,) = caplog.records
    assert "n-1 (x)" in record.message
