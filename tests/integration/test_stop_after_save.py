"""Whether a notebook may stop after what happened to it, asked of the simulator, whatever it rewrites."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.marker import IdempotencyKey, prepare_request
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.client.snapshot_check import SnapshotCheck, check_snapshot, check_stopped
from airflow_provider_modelarts.simulator import AfterSeconds, Fault, NotebookBehaviour, Simulator
from tests.transports import BlockingRunner, settings

KEY = IdempotencyKey("nightly", "save", "scheduled__2026-11-21T02:00:00+00:00", -1)
WITHIN = timedelta(hours=2)
SAVE_SECONDS = 1500.0
LEASES: dict[str, dict[str, Any]] = {
    "timed": {"seconds": 100_000},
    "disabled": {"seconds": 100_000, "enable": False},
    "unlimited": {"seconds": None},
    "idle": {"seconds": 7200, "type": "IDLE"},
}
BEHAVIOURS: list[Any] = [
    pytest.param(
        NotebookBehaviour(touched_by=events, snapshotting=AfterSeconds(200), has_current_time=has_time),
        id=f"{'+'.join(events) or 'nothing'} rewrites, {'current_time' if has_time else 'Date'}",
    )
    for events, has_time in (((), True), (("save",), True), (("save", "stop"), False))
]


def simulate(behaviour: NotebookBehaviour, lease: str = "timed") -> Simulator:
    """Return a simulator with a notebook that was started three hours ago."""
    simulator = Simulator(save=AfterSeconds(SAVE_SECONDS), notebooks=behaviour)
    simulator.notebook().set_lease(**LEASES[lease])
    simulator.advance(3 * 3600)
    simulator.notebook().install("numpy")
    return simulator


def save(simulator: Simulator, *, is_marked: bool = True) -> str:
    """Start a save, and return the image's id."""
    notebook_id = simulator.notebook_id
    fields: dict[str, str | None] = {"name": "research", "namespace": "team"}
    request, _ = prepare_request(settings(simulator).cloud, notebook_id, KEY, fields)
    if not is_marked:
        request = request.model_copy(update={"description": None})
    operation = operations.create_image(notebook_id, request)
    return BlockingRunner().run(simulator, lambda modelarts: modelarts.call(operation)).id


def read(simulator: Simulator) -> tuple[Notebook, list[Image]]:
    async def scenario(modelarts: ModelArtsClient) -> tuple[Notebook, list[Image]]:
        notebook = await modelarts.call(operations.show_notebook(simulator.notebook_id))
        return notebook, await modelarts.list_all(operations.list_images())

    return BlockingRunner().run(simulator, scenario)


def check(simulator: Simulator) -> SnapshotCheck:
    """Return whether the notebook may stop, by the service's clock."""
    notebook, images = read(simulator)
    assert notebook.service_time is not None
    return check_snapshot(notebook, images, now=notebook.service_time, require_snapshot_within=WITHIN)


@pytest.mark.parametrize("is_marked", [True, False], ids=["marked", "of the console"])
@pytest.mark.parametrize("lease", LEASES)
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_stop_after_save_is_never_refused(behaviour: NotebookBehaviour, lease: str, is_marked: bool) -> None:
    with simulate(behaviour, lease) as simulator:
        assert not check(simulator).is_safe
        save(simulator, is_marked=is_marked)
        assert not check(simulator).is_safe
        simulator.advance(SAVE_SECONDS)
        read(simulator)
        simulator.advance(200)

        found = check(simulator)

        assert found.is_safe, found.reason
        assert simulator.notebook().status == "RUNNING"
        simulator.notebook().stop()
        assert simulator.notebook().environment == {"numpy"}


@pytest.mark.parametrize("behaviour", [NotebookBehaviour(), *BEHAVIOURS])
def test_stop_is_not_refused_if_nobody_read_notebook_since_save(behaviour: NotebookBehaviour) -> None:
    """When the save has ended does not depend on when somebody reads that."""
    with simulate(behaviour) as simulator:
        save(simulator)
        simulator.advance(SAVE_SECONDS + 3600)

        found = check(simulator)

        assert found.is_safe, found.reason


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_stop_after_failed_save_is_refused(behaviour: NotebookBehaviour) -> None:
    with simulate(behaviour) as simulator:
        simulator.inject(Fault("save_fails"))
        save(simulator)
        simulator.advance(SAVE_SECONDS + 200)
        assert check(simulator).reason == "has no ACTIVE snapshot"


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_stop_after_restart_is_refused(behaviour: NotebookBehaviour) -> None:
    """What was installed since is in no image."""
    with simulate(behaviour) as simulator:
        save(simulator)
        simulator.advance(SAVE_SECONDS)
        read(simulator)
        simulator.advance(600)
        assert check(simulator).is_safe
        simulator.notebook().stop()
        simulator.notebook().start(seconds=7200)
        simulator.notebook().install("torch")

        found = check(simulator)

        assert not found.is_safe
        assert "began before the notebook was started or renewed" in found.reason


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_stop_long_after_save_is_refused(behaviour: NotebookBehaviour) -> None:
    with simulate(behaviour, "disabled") as simulator:
        save(simulator)
        simulator.advance(SAVE_SECONDS)
        read(simulator)
        simulator.advance(2 * 3600)
        assert "is older than 2:00:00" in check(simulator).reason


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_stop_after_save_of_another_notebook_is_refused(behaviour: NotebookBehaviour) -> None:
    """Even if this one was created from that image a moment ago."""
    with simulate(behaviour) as simulator:
        image_id = save(simulator)
        simulator.advance(SAVE_SECONDS)
        read(simulator)
        other = simulator.add_notebook(image_id=image_id)
        simulator.notebook(other).set_lease(**LEASES["disabled"])
        simulator.notebook_id = other
        assert check(simulator).reason == "has no ACTIVE snapshot"


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.parametrize(("hours", "is_safe"), [(1, True), (4, False)])
def test_stopped_notebook_was_saved_if_snapshot_is_not_much_older(
    behaviour: NotebookBehaviour, hours: int, is_safe: bool
) -> None:
    """Where a stop leaves ``update_at`` as it is, no snapshot is much older than that."""
    with simulate(behaviour) as simulator:
        save(simulator)
        simulator.advance(SAVE_SECONDS)
        read(simulator)
        simulator.advance(hours * 3600)
        simulator.notebook().stop()
        notebook, images = read(simulator)
        found = check_stopped(notebook, images, now=notebook.service_time or 0)
        assert found.is_safe is (is_safe or "stop" not in behaviour.touched_by)
