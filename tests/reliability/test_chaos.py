"""The chaos run of docs/reliability.md in small, and tests of its checks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import ImageFailedError, NotFoundError, WaitTimeoutError
from airflow_provider_modelarts.simulator.faults import FaultQueue
from airflow_provider_modelarts.triggers.events import ImageEvent
from tests.reliability.chaos import in_small, memory_problems, problems
from tests.reliability.expected_outcomes import (
    FAULTS,
    NEVER,
    OUTAGES,
    ExpectedOutcome,
    expected_outcomes,
    judge,
    shares,
)
from tests.reliability.soak import SAMPLES, Report, Sample

ISSUED = {"id": "i", "swr_path": "swr.example.com/team/n:nightly"}


ENDS: dict[str, ImageEvent] = {
    "ACTIVE": ImageEvent.of_image(Image(id="i", swr_path=ISSUED["swr_path"], status="ACTIVE"), {}),
    "CREATE_FAILED": ImageEvent.of_error(ImageFailedError("Image i ended as CREATE_FAILED"), {}),
    "ERROR": ImageEvent.of_error(ImageFailedError("Image i ended as ERROR"), {}),
    "DELETED": ImageEvent.of_error(NotFoundError("Image i is not found"), {}),
    NEVER: ImageEvent.of_error(WaitTimeoutError("Image i is CREATING"), {}),
}
"""How a wait must end, by what becomes of its image."""


def test_soak_loses_no_wait_despite_faults() -> None:
    """With every kind of image, 15 % faulty responses and expiring tokens."""
    report = in_small()

    assert problems(report) == []
    assert {ending.expected_outcome.status for ending in report.endings} == ENDS.keys()
    assert len(report.endings) == 60
    assert report.faults.total() / report.requests == pytest.approx(0.15, abs=0.06)
    assert len(report.faults) >= 8
    assert report.faults.keys() <= {fault.kind for fault in (*FAULTS, *OUTAGES)}
    assert report.logins > 4


def test_leak_of_one_object_per_request_is_a_problem() -> None:
    report = Report(requests=5000, faults=Counter(reset=250), left={"sockets": 0})
    grown = [Sample(at=0, requests=300 * n, memory=10**8, blocks=10**6 + 300 * n) for n in range(SAMPLES)]
    still = [Sample(at=0, requests=300 * n, memory=10**8, blocks=10**6 + n) for n in range(SAMPLES)]
    outage = [
        replace(still[n], blocks=10**6 + 3000) if n in {5, 10, 12} else still[n] for n in range(SAMPLES)
    ]
    short = [replace(sample, requests=sample.requests // 2) for sample in grown]

    assert memory_problems(replace(report, samples=still)) == []
    assert memory_problems(replace(report, samples=outage)) == []
    assert memory_problems(replace(report, samples=grown)) == ["1,500 objects are left of 1,500 requests"]
    assert memory_problems(replace(report, samples=short)) == [
        "750 requests are too few to judge the memory by"
    ]


@pytest.mark.parametrize("ended", ENDS)
@pytest.mark.parametrize("status", ENDS)
def test_judge_accepts_event_of_image_status_only(status: str, ended: str) -> None:
    """ERROR and CREATE_FAILED are equivalent."""
    expected_outcome = ExpectedOutcome(
        begins=0, ends=None if status == NEVER else 10, status=status, deadline=20
    )

    problem = judge(expected_outcome, ISSUED, ENDS[ended].model_dump(mode="json"), ended=20)

    assert (problem == "") == (ENDS[status].error == ENDS[ended].error)


@pytest.mark.parametrize(
    ("image_id", "swr_path"),
    [
        pytest.param("j", ISSUED["swr_path"], id="id"),
        pytest.param("i", "swr.example.com/other:1", id="address"),
    ],
)
def test_judge_rejects_event_of_another_image(image_id: str, swr_path: str) -> None:
    event = ImageEvent.of_image(Image(id=image_id, swr_path=swr_path, status="ACTIVE"), {})

    assert "became ACTIVE, but" in judge(
        ExpectedOutcome(0, 10, "ACTIVE", 20), ISSUED, event.model_dump(), ended=11
    )


@pytest.mark.parametrize("event", [None, {}, {"status": "success"}, "success"], ids=repr)
def test_judge_rejects_event_without_content(event: object) -> None:
    assert "became ACTIVE, but" in judge(ExpectedOutcome(0, 10, "ACTIVE", 20), ISSUED, event, ended=11)


@pytest.mark.parametrize(("status", "earliest"), [("ACTIVE", 10), ("DELETED", 10), (NEVER, 20)])
def test_judge_rejects_event_before_its_time(status: str, earliest: float) -> None:
    """Neither a status nor a deadline can be reported early."""
    expected_outcome = ExpectedOutcome(
        begins=0, ends=None if status == NEVER else 10, status=status, deadline=20
    )
    event = ENDS[status].model_dump(mode="json")

    assert judge(expected_outcome, ISSUED, event, ended=earliest) == ""
    assert "ended 1 s before its time" in judge(expected_outcome, ISSUED, event, ended=earliest - 1)


def test_faults_have_equal_shares() -> None:
    queue = FaultQueue(seed=1)
    for fault in shares(FAULTS, 0.5):
        queue.add(fault)
    requests = 100_000
    drawn = Counter(hit for _ in range(requests) if (hit := queue.take("ShowImage")))

    assert len(drawn) == len(FAULTS)
    assert drawn.total() == pytest.approx(0.5 * requests, rel=0.02)
    assert min(drawn.values()) > 0.8 * max(drawn.values())


def test_waits_overlap_for_half_of_the_time() -> None:
    """Their number is then constant while the memory is measured, and some begin too late."""
    given = expected_outcomes(1000, 3600.0, Random(1))

    assert max(expected_outcome.begins for expected_outcome in given) <= 900
    assert all(
        expected_outcome.over <= 1125 or 2700 <= expected_outcome.over <= 3600 for expected_outcome in given
    )
    assert any(expected_outcome.over < expected_outcome.begins for expected_outcome in given)
    assert all(expected_outcome.over <= expected_outcome.deadline for expected_outcome in given)
