"""Lists of notebooks where the service refuses one of several: what is known is returned, with a warning."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.notebook_filter import (
    FoundNotebook,
    NotebookFilter,
    find_notebooks,
    list_notebooks_of_all_features,
)
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.exceptions import ApiError, BadRequestError, PermissionDeniedError
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.transports import TransportRunner

UNSAVED = NotebookFilter(not_saved_within=timedelta(hours=2))


def fail(simulator: Simulator, operation: str, status: int, code: str, *, skip: int = 1) -> None:
    """Refuse all requests after the first ones."""
    simulator.inject(Fault("error", operation, skip=skip, times=None, status=status, code=code))


def find(transport: TransportRunner, simulator: Simulator, wanted: NotebookFilter) -> list[str]:
    async def scenario(client: ModelArtsClient) -> list[FoundNotebook]:
        return await find_notebooks(client, wanted)

    return [item.notebook.id for item in transport.run(simulator, scenario)]


def test_find_notebooks_leaves_out_free_ones_where_their_filter_is_refused(
    transport: TransportRunner, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """The same list without the filter was accepted: the region has no such notebooks."""
    fail(simulator, "ListNotebooks", 400, "ModelArts.0107")

    assert find(transport, simulator, NotebookFilter()) == [simulator.notebook_id]

    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "Free notebooks are left out" in record.message


@pytest.mark.usefixtures("connection")
def test_hook_leaves_out_free_notebooks_where_their_filter_is_refused(simulator: Simulator) -> None:
    fail(simulator, "ListNotebooks", 400, "ModelArts.0107")

    found = ModelArtsHook().list_notebooks(feature=None)

    assert [notebook.id for notebook in found] == [simulator.notebook_id]


@pytest.mark.parametrize(
    ("status", "code", "skip", "error"),
    [
        pytest.param(400, "ModelArts.0107", 0, BadRequestError, id="the list of all others"),
        pytest.param(403, "ModelArts.0112", 1, PermissionDeniedError, id="permission"),
        pytest.param(400, "ModelArts.9999", 1, ApiError, id="unknown code"),
        pytest.param(400, "", 1, ApiError, id="gateway"),
    ],
)
def test_list_of_all_features_fails_if_notebooks_may_be_missing(
    status: int,
    code: str,
    skip: int,
    error: type[ApiError],
    transport: TransportRunner,
    simulator: Simulator,
) -> None:
    fail(simulator, "ListNotebooks", status, code, skip=skip)

    async def scenario(client: ModelArtsClient) -> list[Notebook]:
        return await list_notebooks_of_all_features(client)

    with pytest.raises(ApiError) as raised:
        transport.run(simulator, scenario)
    assert type(raised.value) is error


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "ModelArts.0112"), (400, "ModelArts.0107"), (404, "ModelArts.6404")],
    ids=["permission", "bad request", "not found"],
)
def test_find_notebooks_counts_notebooks_of_refused_workspace_as_not_saved(
    status: int,
    code: str,
    transport: TransportRunner,
    simulator: Simulator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Those of the other workspaces are not lost to the inventory."""
    for notebook_id, workspace_id in (
        (simulator.notebook_id, "0"),
        (elsewhere := simulator.add_notebook(workspace_id="w1"), "w1"),
    ):
        marker = f"[airflow:0123456789abcdef notebook:{notebook_id}]"
        simulator.add_image(description=marker, status="ACTIVE", workspace_id=workspace_id)
    assert find(transport, simulator, UNSAVED) == []
    fail(simulator, "ListImages", status, code)
    caplog.clear()

    assert find(transport, simulator, UNSAVED) == [elsewhere]

    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "The images of workspace w1 cannot be listed" in record.message
    assert code in record.message
