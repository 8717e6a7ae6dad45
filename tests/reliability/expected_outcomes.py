"""How each image ends, which responses are faulty, and whether a wait ended correctly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from airflow_provider_modelarts.exceptions import (
    ImageFailedError,
    ModelArtsError,
    NotFoundError,
    WaitTimeoutError,
)
from airflow_provider_modelarts.simulator import Fault
from airflow_provider_modelarts.triggers.events import ImageEvent

NEVER = "CREATING"
"""The status of an image that stays as it is."""

# Of 25 waits.
_STATUSES = 20 * ["ACTIVE"] + 2 * ["CREATE_FAILED"] + ["ERROR", "DELETED", NEVER]
_ERRORS: dict[str, type[ModelArtsError]] = {
    "CREATE_FAILED": ImageFailedError,
    "ERROR": ImageFailedError,
    "DELETED": NotFoundError,
    NEVER: WaitTimeoutError,
}

_OTHER = '{"id": "0b5e1d7c-0000-4000-8000-000000000000", "swr_path": "swr.example.com/a/b:c", "status": '

FAULTS = (
    Fault("reset"),
    Fault("reset_after"),
    Fault("torn"),
    Fault("garbage"),
    Fault("html", status=502),
    Fault("html", status=503),
    Fault("html", status=200),
    Fault("empty", status=502),
    Fault("empty", status=200),
    Fault("error", status=500, code="ModelArts.6102"),
    Fault("error", status=503, envelope="legacy"),
    Fault("error", status=504, code="APIGW.0203", envelope="gateway"),
    Fault("error", status=500, envelope="iam"),
    Fault("error", status=408, code="ModelArts.6100"),
    Fault("redirect", location="http://127.0.0.1:9/login"),
    Fault("huge", size=300_000),
    Fault("document", body="null"),
    Fault("document", body="[]"),
    Fault("document", body='{"id": ["x"], "status": 7, "size": "large"}'),
    Fault("document", body=_OTHER + '"ACTIVE"}'),
    Fault("document", body=_OTHER + '"DELETED"}'),
)
"""The faults of a share of all responses."""

OUTAGES = (
    Fault("throttle", "ListImages"),
    Fault("throttle", "ListImages", retry_after=45),
    Fault("slow", "ListImages", seconds=3),
    Fault("throttle", "ListImages", code="ModelArts.6101", envelope="modelarts"),
    Fault("throttle", "ListImages", retry_after="Sat, 21 Nov 2020 10:00:00 GMT"),
    Fault("error", "ListImages", status=408, code="ModelArts.6100", retry_after=10),
    Fault("error", "ShowImage", status=503, retry_after=30),
    Fault("error", "ListImages", status=403, code="ModelArts.0108"),
)
"""What comes once in a while, because all waits must mind it or because it takes real time."""


def shares(faults: Sequence[Fault], total: float) -> Iterator[Fault]:
    """Inject the faults into a share of all requests, without end, each as often as the others."""
    each = total / len(faults)
    for number, fault in enumerate(faults):
        # A fault sees only the requests that those before it left alone.
        yield replace(fault, times=None, chance=each / (1 - number * each))


@dataclass(frozen=True)
class ExpectedOutcome:
    """
    One wait and its image, in seconds since the start.

    :param status: how the image ends, at ``ends``; one that never ends has no such time.
    """

    begins: float
    ends: float | None
    status: str
    deadline: float

    @property
    def over(self) -> float:
        """When there is nothing more to wait for."""
        return self.deadline if self.ends is None else self.ends


def expected_outcomes(number: int, duration: float, random: Random) -> list[ExpectedOutcome]:
    """
    Return outcomes; most images are waited for from the first quarter of the time to the last.

    One of ten images ends in the first quarter, some of them before their wait begins.
    """
    statuses = [_STATUSES[n % len(_STATUSES)] for n in range(number)]
    random.shuffle(statuses)
    return [_expected_outcome(status, duration, random) for status in statuses]


def _expected_outcome(status: str, duration: float, random: Random) -> ExpectedOutcome:
    begins = random.uniform(0, duration / 4)
    late = random.uniform(duration * 3 / 4, duration)
    if status == NEVER:
        return ExpectedOutcome(begins, None, status, deadline=late)
    early = max(0.0, begins + random.uniform(-1, 1) * duration / 16)
    return ExpectedOutcome(begins, early if random.random() < 0.1 else late, status, deadline=1.5 * duration)


def judge(expected_outcome: ExpectedOutcome, image: dict[str, Any], event: Any, ended: float) -> str:
    """
    Return what is wrong with the end of a wait; nothing if it is correct.

    :param image: the id and the address that the cloud issued.
    :param event: the payload of the trigger's event.
    :param ended: in seconds since the start.
    """
    try:
        outcome = ImageEvent.read(event).result()
    except ModelArtsError as error:
        reported: object = type(error)
    else:
        reported = outcome["image_id"], outcome["swr_path"]
    due = _ERRORS.get(expected_outcome.status) or (image["id"], image["swr_path"])
    if reported != due:
        return f"image {image['id']} became {expected_outcome.status}, but its wait ended with {reported}"
    if ended < expected_outcome.over:
        return f"the wait for image {image['id']} ended {expected_outcome.over - ended:.0f} s before its time"
    return ""
