"""A sample of the fault matrix; `run.sh reliability fault-matrix` runs all of it."""

from __future__ import annotations

import pytest

from tests.reliability import document
from tests.reliability.fault_matrix import SCENARIOS, Case, cases, page
from tests.reliability.fault_scenarios import FAULTS, RUNNERS, UNREADABLE
from tests.reliability.operator_scenarios import OperatorScenario

TRANSIENT = tuple(fault for fault in FAULTS if fault not in {*UNREADABLE, "timeout"})


def sample() -> list[Case]:
    """
    Return every fault of the save, and two of every other scenario: a transient and an unreadable one.

    Of the many steps of the notebook operators it is one of these in turn.
    """
    first, *others = SCENARIOS
    pairs = [(first, fault) for fault in FAULTS]
    for number, scenario in enumerate(others):
        kinds: tuple[tuple[str, ...], ...] = (TRANSIENT, UNREADABLE)
        if isinstance(scenario, OperatorScenario):
            kinds = kinds[number % 2 :][:1]
        pairs += [(scenario, faults[number % len(faults)]) for faults in kinds]
    return [
        Case(scenario, fault, lasting=False, runner=runner) for scenario, fault in pairs for runner in RUNNERS
    ]


@pytest.mark.parametrize("case", sample(), ids=str)
def test_one_fault_costs_at_most_one_try(case: Case) -> None:
    """And nothing happens twice."""
    outcome = case.play()

    assert outcome == case.expected
    assert (outcome.is_success, outcome.effects) == (True, 1)


def test_fault_matrix_includes_every_operation_and_fault() -> None:
    """A hang is a late response to a client, and a wrong total is no fault of a response."""
    from airflow_provider_modelarts.simulator.faults import KINDS
    from airflow_provider_modelarts.simulator.routes import OPERATIONS

    assert {scenario.operation for scenario in SCENARIOS} == set(OPERATIONS)
    assert {fault["kind"] for fault in FAULTS.values()} == set(KINDS) - {"save_fails", "hang", "miscount"}
    assert all(case.expected.effects <= 1 for case in cases())


def test_sample_includes_every_scenario_and_fault_with_each_transport() -> None:
    for runner in RUNNERS:
        of_this_transport = [case for case in sample() if case.runner == runner]
        assert {case.scenario for case in of_this_transport} == set(SCENARIOS)
        assert {case.fault for case in of_this_transport} == FAULTS.keys()


def test_reliability_page_shows_this_matrix() -> None:
    """Renew it with `bash run.sh reliability fault-matrix --record`."""
    assert document.recorded("fault-matrix") == page({case: case.expected for case in cases()})
