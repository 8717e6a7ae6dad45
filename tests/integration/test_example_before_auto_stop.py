"""How long before its auto stop a notebook is saved by the DAG that runs every 15 minutes."""

from __future__ import annotations

import runpy

import pytest

from airflow_provider_modelarts.arguments import duration_of
from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.models import CreateImageRequest
from airflow_provider_modelarts.client.notebook_filter import NotebookFilter, find_notebooks
from airflow_provider_modelarts.hooks.clients import create_client
from airflow_provider_modelarts.simulator import AfterSeconds, Simulator
from airflow_provider_modelarts.transport import block_on
from tests.direct_transport import DirectTransport
from tests.e2e.example_runs import EXAMPLE_DAGS
from tests.transports import SimulatorClock, settings

MINUTE = 60.0
RUNS = 15 * MINUTE
STARTUP = 5.0
"""Seconds from the list of a run to its save."""


def filters() -> NotebookFilter:
    """Return what the example lists."""
    task = runpy.run_path(str(EXAMPLE_DAGS / "snapshot_before_auto_stop.py"))["ending"]
    return NotebookFilter(
        ("RUNNING",),
        lease_ends_within=duration_of("lease_ends_within", task.lease_ends_within),
        not_saved_within=duration_of("not_saved_within", task.not_saved_within),
    )


def minutes_left(lease: float, renewed_after: float | None) -> list[float]:
    """
    Return for each save how many minutes were left until the auto stop when it began.

    :param lease: minutes until the auto stop at the first run.
    :param renewed_after: minutes after the first save at which the user renews the lease for an hour, once.
    """
    wanted = filters()
    simulator = Simulator(port=1, save=AfterSeconds(5 * MINUTE))
    simulator.freeze()
    transport, clock = DirectTransport(simulator), SimulatorClock(simulator)
    client = create_client(settings(simulator), transport, clock=clock)
    notebook = simulator.notebook()
    notebook.set_lease(seconds=lease * MINUTE)
    begun, ends_at = simulator.now(), simulator.now() + lease * MINUTE
    marker = f"[airflow:0123456789abcdef notebook:{notebook.id}]"
    saves: list[float] = []
    for run in range(7):
        if saves and renewed_after is not None:
            simulator.advance(STARTUP + renewed_after * MINUTE)
            notebook.set_lease(seconds=60 * MINUTE)
            ends_at, renewed_after = simulator.now() + 60 * MINUTE, None
        simulator.advance(begun + run * RUNS - simulator.now())
        if not block_on(find_notebooks(client, wanted)):
            continue
        simulator.advance(STARTUP)
        request = CreateImageRequest(name="n", namespace="team", tag=f"{run}", description=marker)
        block_on(client.call(operations.create_image(notebook.id, request)))
        saves.append((ends_at - simulator.now()) / MINUTE)
    return saves


@pytest.mark.parametrize("lease", [31, 36, 44.9])
def test_snapshot_before_auto_stop_saves_unused_notebook_once(lease: float) -> None:
    assert minutes_left(lease, None) == [pytest.approx(lease, abs=0.1)]


@pytest.mark.parametrize("lease", [31, 36, 44.9])
@pytest.mark.parametrize("renewed_after", [5.5, 10])
def test_snapshot_before_auto_stop_saves_again_in_time_if_lease_is_renewed_after_save(
    lease: float, renewed_after: float
) -> None:
    """The save before the new end must not begin in its last minutes."""
    saves = minutes_left(lease, renewed_after)

    assert len(saves) == 2
    assert saves[1] >= 15
