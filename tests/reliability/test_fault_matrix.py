"""A sample of the fault matrix; `run.sh reliability fault-matrix` plays all of it."""

from __future__ import annotations

import pytest

from tests.reliability import document
from tests.reliability.fault_matrix import FAULTS, RUNNERS, SCENARIOS, UNREADABLE, Case, cases, page

TRANSIENT = tuple(fault for fault in FAULTS if fault not in {*UNREADABLE, "too late"})


def sample() -> list[Case]:
    """Return every fault of the save, and two of every other scene: one that passes and one odd reply."""
    first, *others = SCENARIOS
    pairs = [(first, fault) for fault in FAULTS]
    for number, scenario in enumerate(others):
        pairs += [(scenario, faults[number % len(faults)]) for faults in (TRANSIENT, UNREADABLE)]
    return [
        Case(scenario, fault, lasting=False, runner=runner) for scenario, fault in pairs for runner in RUNNERS
    ]


@pytest.mark.parametrize("case", sample(), ids=str)
def test_one_fault_costs_a_night_at_most_a_try(case: Case) -> None:
    """And never a second save."""
    outcome = case.play()

    assert outcome == case.expected
    assert (outcome.end, outcome.creates) == ("saved", 1)


def test_nothing_is_left_out() -> None:
    """
    Every operation that a task uses, and every kind of fault that spoils a reply, has its scenes.

    To a client a hang is a reply that is too late, and a wrong total is no fault of a reply.
    """
    from airflow_provider_modelarts.simulator.faults import KINDS
    from airflow_provider_modelarts.simulator.routes import OPERATIONS

    assert {scenario.operation for scenario in SCENARIOS} == set(OPERATIONS) - {"ListAllNotebooks"}
    assert {fault["kind"] for fault in FAULTS.values()} == set(KINDS) - {"save_fails", "hang", "miscount"}
    assert all(case.expected.creates <= 1 for case in cases())


def test_the_sample_has_every_scene_and_every_fault_through_each_transport() -> None:
    """What it lacks are their combinations."""
    for runner in RUNNERS:
        of_this_world = [case for case in sample() if case.runner == runner]
        assert {case.scenario for case in of_this_world} == set(SCENARIOS)
        assert {case.fault for case in of_this_world} == FAULTS.keys()


def test_the_page_shows_this_matrix() -> None:
    """Renew it with `bash run.sh reliability fault-matrix --record`."""
    assert document.recorded("fault-matrix") == page({case: case.expected for case in cases()})
