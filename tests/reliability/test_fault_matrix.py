"""A sample of the fault matrix; `run.sh reliability fault-matrix` plays all of it."""

from __future__ import annotations

import pytest

from tests.reliability import document
from tests.reliability.fault_matrix import FAULTS, SCENES, UNREADABLE, WORLDS, Cell, cells, page

TRANSIENT = tuple(fault for fault in FAULTS if fault not in {*UNREADABLE, "too late"})


def sample() -> list[Cell]:
    """Return every fault of the save, and two of every other scene: one that passes and one odd reply."""
    first, *others = SCENES
    pairs = [(first, fault) for fault in FAULTS]
    for number, scene in enumerate(others):
        pairs += [(scene, faults[number % len(faults)]) for faults in (TRANSIENT, UNREADABLE)]
    return [Cell(scene, fault, lasting=False, world=world) for scene, fault in pairs for world in WORLDS]


@pytest.mark.parametrize("cell", sample(), ids=str)
def test_one_fault_costs_a_night_at_most_a_try(cell: Cell) -> None:
    """And never a second save."""
    outcome = cell.play()

    assert outcome == cell.expected
    assert (outcome.end, outcome.creates) == ("saved", 1)


def test_nothing_is_left_out() -> None:
    """
    Every operation that a task uses, and every kind of fault that spoils a reply, has its scenes.

    To a client a hang is a reply that is too late, and a wrong total is no fault of a reply.
    """
    from airflow_provider_modelarts.simulator.faults import KINDS
    from airflow_provider_modelarts.simulator.routes import OPERATIONS

    assert {scene.operation for scene in SCENES} == set(OPERATIONS) - {"ListAllNotebooks"}
    assert {fault["kind"] for fault in FAULTS.values()} == set(KINDS) - {"save_fails", "hang", "miscount"}
    assert all(cell.expected.creates <= 1 for cell in cells())


def test_the_sample_has_every_scene_and_every_fault_through_each_transport() -> None:
    """What it lacks are their combinations."""
    for world in WORLDS:
        of_this_world = [cell for cell in sample() if cell.world == world]
        assert {cell.scene for cell in of_this_world} == set(SCENES)
        assert {cell.fault for cell in of_this_world} == FAULTS.keys()


def test_the_page_shows_this_matrix() -> None:
    """Renew it with `bash run.sh reliability fault-matrix --record`."""
    assert document.recorded("fault-matrix") == page({cell: cell.expected for cell in cells()})
