"""The fault matrix, as far as each fault happens once; `run.sh reliability fault-matrix` plays all of it."""

from __future__ import annotations

import pytest

from tests.reliability import document
from tests.reliability.fault_matrix import FAULTS, SCENES, Cell, cells, page


@pytest.mark.parametrize("cell", [cell for cell in cells() if not cell.lasting], ids=str)
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


def test_the_page_shows_this_matrix() -> None:
    """Renew it with `bash run.sh reliability fault-matrix --record`."""
    assert document.recorded("fault-matrix") == page({cell: cell.expected for cell in cells()})
