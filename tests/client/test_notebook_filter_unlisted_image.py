"""Notebooks that were saved, where no list has the image that they run since."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.models import CreateImageRequest
from airflow_provider_modelarts.client.notebook_filter import FoundNotebook, NotebookFilter, find_notebooks
from airflow_provider_modelarts.exceptions import ServerError
from airflow_provider_modelarts.simulator import AtOnce, Fault, Simulator
from tests.transports import TransportRunner

HOUR = timedelta(hours=1)


def saved_and_found(
    transport: TransportRunner, simulator: Simulator, *, workspace_id: str | None = None, fault: Any = None
) -> list[FoundNotebook]:
    """Save the simulator's notebook, and return which notebooks were not saved within an hour then."""
    marker = f"[airflow:0123456789abcdef notebook:{simulator.notebook_id}]"
    names = {"name": "research", "namespace": "team", "tag": "1", "description": marker}
    request = CreateImageRequest(**names, workspace_id=workspace_id)

    async def scenario(client: ModelArtsClient) -> list[FoundNotebook]:
        image = await client.call(operations.create_image(simulator.notebook_id, request))
        await client.call(operations.show_image(image.id))
        if fault is not None:
            simulator.inject(fault)
        return await find_notebooks(client, NotebookFilter(("RUNNING",), not_saved_within=HOUR))

    return transport.run(simulator, scenario)


@pytest.mark.parametrize(
    ("options", "workspace_id"),
    [
        pytest.param({"list_lag": 1e6}, None, id="lists that lag"),
        pytest.param({}, "of-the-save", id="another workspace"),
    ],
)
def test_find_notebooks_leaves_out_notebook_that_runs_its_unlisted_snapshot(
    transport: TransportRunner, options: dict[str, Any], workspace_id: str | None
) -> None:
    """Or the next run would save it once more."""
    with Simulator(save=AtOnce(), **options) as simulator:
        assert saved_and_found(transport, simulator, workspace_id=workspace_id) == []


def test_find_notebooks_reads_each_unlisted_image_once_and_none_of_the_vendor(
    transport: TransportRunner, simulator: Simulator
) -> None:
    for _ in range(3):
        simulator.add_notebook()
    unlisted = simulator.add_image(status="ACTIVE", workspace_id="elsewhere", origin="CUSTOMIZE")
    for _ in range(2):
        simulator.add_notebook(image_id=unlisted)

    async def scenario(client: ModelArtsClient) -> list[FoundNotebook]:
        return await find_notebooks(client, NotebookFilter(not_saved_within=HOUR))

    assert len(transport.run(simulator, scenario)) == 6
    shown = [entry.path for entry in simulator.journal if entry.operation == "ShowImage"]
    assert [path.rpartition("/")[2] for path in shown] == [unlisted]


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "ModelArts.6404"), (403, "ModelArts.0108")],
    ids=["there is no such image", "permission denied"],
)
def test_find_notebooks_counts_notebook_as_not_saved_if_unlisted_image_cannot_be_read(
    transport: TransportRunner, status: int, code: str
) -> None:
    fault = Fault("error", "ShowImage", times=None, status=status, code=code)
    with Simulator(save=AtOnce(), list_lag=1e6) as simulator:
        (found,) = saved_and_found(transport, simulator, fault=fault)
        assert (found.notebook.id, found.last_snapshot) == (simulator.notebook_id, None)


def test_find_notebooks_fails_if_unlisted_image_may_be_a_snapshot(transport: TransportRunner) -> None:
    fault = Fault("error", "ShowImage", times=None, status=500)
    with Simulator(save=AtOnce(), list_lag=1e6) as simulator, pytest.raises(ServerError):
        saved_and_found(transport, simulator, fault=fault)
