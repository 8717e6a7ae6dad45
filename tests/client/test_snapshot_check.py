"""Whether a notebook may be stopped: which image proves that its environment is saved, and for how long."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.client.snapshot_check import (
    SnapshotCheck,
    check_snapshot,
    check_stopped,
)

ID = "6b1c2d3e-4f50-4a61-8b72-9c83ad94be05"
OWN = f"after the course [airflow:0123456789abcdef notebook:{ID}]"
OTHERS = "[airflow:0123456789abcdef notebook:00000000-0000-4000-8000-000000000001]"
NOW = 1_784_948_034_829
MINUTE = 60_000
HOUR = 60 * MINUTE
WITHIN = timedelta(hours=2)


def notebook(
    *, started: int | None = 3 * HOUR, lease: dict[str, Any] | None = None, **fields: Any
) -> Notebook:
    """Return a running notebook that was created a day ago, and started or renewed some time ago."""
    timed = {
        "create_at": NOW - 24 * HOUR,
        "update_at": None if started is None else NOW - started,
        "duration": 48 * HOUR,
        "enable": True,
        "type": "TIMING",
    }
    values = {"id": ID, "status": "RUNNING", "image": {"id": "i-1"}, "lease": timed | (lease or {})}
    return Notebook.model_validate(values | fields)


def image(begun: int | None = HOUR, *, took: int = 10 * MINUTE, **fields: Any) -> Image:
    """Return a saved image of the notebook, begun some time ago."""
    times = {} if begun is None else {"create_at": NOW - begun, "update_at": NOW - begun + took}
    values = {"id": "i-1", "name": "research", "tag": "v1", "status": "ACTIVE", "description": OWN, **times}
    return Image.model_validate(values | fields)


def check(found: Notebook, *images: Image, given: Image | None = None) -> SnapshotCheck:
    return check_snapshot(found, images, now=NOW, require_snapshot_within=WITHIN, given=given)


# Which images are snapshots


@pytest.mark.parametrize(
    ("fields", "is_safe"),
    [
        pytest.param({}, True, id="its marker"),
        pytest.param({"description": OWN.upper().replace("AFTER", "x")}, True, id="its marker in upper case"),
        pytest.param({"description": f"{OTHERS} {OWN}"}, True, id="its marker is the last one"),
        pytest.param({"description": f"{OWN} {OTHERS}"}, False, id="the last marker is another notebook's"),
        pytest.param({"description": OTHERS}, False, id="another notebook's marker"),
        pytest.param({"description": None}, False, id="no marker"),
        pytest.param({"description": OWN[:-9]}, False, id="a marker that is cut"),
        *(
            pytest.param({"status": status}, False, id=f"an image that is {status}")
            for status in ("INIT", "CREATING", "CREATE_FAILED", "ERROR", "DELETED", "ODD", None)
        ),
        pytest.param({"status": "active "}, True, id="an image that is ACTIVE, in other letters"),
    ],
)
def test_check_snapshot_accepts_active_image_with_marker_of_notebook(
    fields: dict[str, Any], is_safe: bool
) -> None:
    found = check(notebook(), image(**fields))
    assert found.is_safe is is_safe
    assert (found.snapshot is not None) is is_safe
    if not is_safe:
        assert found.reason == "has no ACTIVE snapshot"


@pytest.mark.parametrize(
    ("fields", "runs", "is_safe"),
    [
        pytest.param({}, "i-1", True, id="a save that it runs since"),
        pytest.param({}, "I-1", True, id="in other letters"),
        pytest.param({}, "i-2", False, id="an image that it does not run"),
        pytest.param({}, None, False, id="an unknown image"),
        pytest.param({"origin": "CUSTOMIZE"}, "i-1", False, id="a registered image"),
        pytest.param({"origin": None}, "i-1", False, id="an image of unknown origin"),
        pytest.param({"description": OTHERS}, "i-1", False, id="a save of another notebook"),
        pytest.param({"status": "CREATING"}, "i-1", False, id="a save in progress"),
        pytest.param({"create_at": NOW - 25 * HOUR}, "i-1", False, id="older than the notebook"),
    ],
)
def test_check_snapshot_accepts_save_that_notebook_runs(
    fields: dict[str, Any], runs: str | None, is_safe: bool
) -> None:
    """As the console saves it, without a marker."""
    saved = image(**{"description": "", "origin": "IMAGE_SAVE", **fields})
    assert check(notebook(image={"id": runs}), saved).is_safe is is_safe


def test_check_snapshot_refuses_save_from_which_notebook_was_created() -> None:
    """Its lease proves nothing, and the image is young enough: it is the other notebook's."""
    disabled = {"create_at": NOW - HOUR, "enable": False}
    saved = image(90 * MINUTE, description="", origin="IMAGE_SAVE")
    assert not check(notebook(image={"id": "i-1"}, lease=disabled), saved).is_safe
    assert check(notebook(image={"id": "i-1"}, lease={"enable": False}), saved).is_safe


# After the last start


@pytest.mark.parametrize(
    ("started", "begun", "took", "is_safe"),
    [
        pytest.param(3 * HOUR, HOUR, 10 * MINUTE, True, id="started before"),
        pytest.param(HOUR + 1, HOUR, 10 * MINUTE, True, id="started just before"),
        pytest.param(HOUR, HOUR, 10 * MINUTE, True, id="rewritten by the save's begin"),
        pytest.param(HOUR - 5 * MINUTE, HOUR, 10 * MINUTE, True, id="rewritten during the save"),
        pytest.param(50 * MINUTE, HOUR, 10 * MINUTE, True, id="rewritten by the save's end"),
        pytest.param(45 * MINUTE, HOUR, 10 * MINUTE, True, id="rewritten five minutes after it"),
        pytest.param(45 * MINUTE - 1, HOUR, 10 * MINUTE, False, id="started more than five minutes after"),
        pytest.param(MINUTE, HOUR, 10 * MINUTE, False, id="started long after"),
        pytest.param(0, HOUR, 10 * MINUTE, False, id="started now"),
        pytest.param(54 * MINUTE, HOUR, -2 * HOUR, False, id="an end before the begin is none"),
        pytest.param(55 * MINUTE, HOUR, -2 * HOUR, True, id="and five minutes after the begin count"),
        pytest.param(None, HOUR, 10 * MINUTE, True, id="an unknown start proves nothing"),
    ],
)
def test_check_snapshot_must_begin_after_last_start(
    started: int | None, begun: int, took: int, is_safe: bool
) -> None:
    """A save may rewrite the time of the start, which is not documented."""
    found = check(notebook(started=started), image(begun, took=took))
    assert found.is_safe is is_safe
    if not is_safe:
        assert (
            "began before the notebook was started or renewed; it was started or renewed at 20"
            in found.reason
        )


@pytest.mark.parametrize(
    "lease",
    [{"enable": False}, {"duration": -1}, {"duration": 0}, {"type": "IDLE"}, {"type": "idle"}],
    ids=str,
)
def test_check_snapshot_of_lease_without_end_decides_by_age(lease: dict[str, Any]) -> None:
    """Its ``update_at`` proves nothing."""
    assert check(notebook(started=MINUTE, lease=lease), image(HOUR)).is_safe
    old = check(notebook(started=MINUTE, lease=lease), image(3 * HOUR))
    assert not old.is_safe
    assert old.reason.endswith("is older than 2:00:00; its lease does not show when it was started")


def test_check_snapshot_of_notebook_without_lease_decides_by_age() -> None:
    without = Notebook.model_validate({"id": ID, "status": "RUNNING"})
    assert check(without, image(HOUR)).is_safe
    assert not check(without, image(3 * HOUR)).is_safe


# Not too long ago


@pytest.mark.parametrize(
    ("begun", "is_safe"),
    [
        pytest.param(0, True, id="now"),
        pytest.param(2 * HOUR, True, id="at the limit"),
        pytest.param(2 * HOUR + 1, False, id="beyond the limit"),
        pytest.param(-5 * MINUTE, True, id="a little in the future"),
        pytest.param(-5 * MINUTE - 1, False, id="in the future"),
        pytest.param(None, False, id="without a date"),
        pytest.param(NOW - 2**62, False, id="out of range"),
        pytest.param(NOW + 2**62, False, id="out of range, in the past"),
    ],
)
def test_check_snapshot_must_be_young_enough(begun: int | None, is_safe: bool) -> None:
    """Its age counts from its begin, by the service's clock."""
    found = check(notebook(started=100 * HOUR), image(begun))
    assert found.is_safe is is_safe


def test_check_snapshot_age_does_not_count_from_end() -> None:
    assert not check(notebook(started=9 * HOUR), image(3 * HOUR, took=2 * HOUR)).is_safe


@pytest.mark.parametrize("order", [1, -1])
def test_check_snapshot_finds_the_one_that_is_good(order: int) -> None:
    images = [image(50 * HOUR, id="old"), image(None, id="undated"), image(HOUR, id="good")]
    others = [image(MINUTE, id="failed", status="ERROR"), image(MINUTE, id="other", description=OTHERS)]
    found = check(notebook(), *[*images, *others][::order])
    assert found.is_safe
    assert found.snapshot is not None
    assert found.snapshot.id == "good"


def test_check_snapshot_refusal_names_newest_snapshot_and_start() -> None:
    found = check(notebook(started=HOUR), image(9 * HOUR, id="old"), image(3 * HOUR))
    assert not found.is_safe
    assert found.snapshot is not None
    assert found.snapshot.id == "i-1"
    assert found.reason == (
        "is not saved: its newest snapshot, research:v1 (i-1), begun 2026-07-24T23:53:54.829+00:00, 3:00:00 "
        "ago, began before the notebook was started or renewed; "
        "it was started or renewed at 2026-07-25T01:53:54.829+00:00"
    )


# The image that the user names


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({}, None, id="with its marker"),
        pytest.param({"description": ""}, None, id="without any marker, it is the user's word"),
        pytest.param({"description": "", "origin": "CUSTOMIZE"}, None, id="registered, without a marker"),
        pytest.param(
            {"description": OTHERS},
            "is not saved by the given image i-9, which is of notebook 00000000-",
            id="of another notebook",
        ),
        pytest.param(
            {"description": "nightly [airflow:0123456789abcdef noteb", "origin": "CUSTOMIZE"},
            "is not saved by the given image i-9, whose marker was cut",
            id="with a cut marker",
        ),
        *(
            pytest.param(
                {"status": status},
                f"is not saved by the given image i-9, which is {status}",
                id=f"that is {status}",
            )
            for status in ("CREATING", "CREATE_FAILED", "ERROR", "DELETED", "ODD")
        ),
        pytest.param({"status": None}, "which is without a status", id="without a status"),
    ],
)
def test_check_snapshot_given_must_be_active_and_of_notebook(
    fields: dict[str, Any], reason: str | None
) -> None:
    """A wrong one is refused although the notebook has another snapshot: the user was mistaken."""
    given = image(id="i-9", **fields)
    found = check(notebook(), image(), given=given)
    assert found.is_safe is (reason is None)
    if reason:
        assert reason in found.reason
        assert found.snapshot is given


@pytest.mark.parametrize(
    ("started", "begun", "is_safe"),
    [(3 * HOUR, HOUR, True), (MINUTE, HOUR, False), (9 * HOUR, 3 * HOUR, False)],
)
def test_check_snapshot_given_obeys_the_same_times(started: int, begun: int, is_safe: bool) -> None:
    given = image(begun, id="i-9", description="")
    assert check(notebook(started=started), given=given).is_safe is is_safe


def test_check_snapshot_accepts_another_snapshot_if_given_is_too_old() -> None:
    """What is installed is saved, whichever image has it."""
    assert check(notebook(), image(HOUR), given=image(9 * HOUR, id="i-9")).is_safe


# All at once

ages = st.one_of(st.none(), st.integers(-10 * MINUTE, 5 * HOUR))
pictures = st.builds(
    image,
    ages,
    took=st.integers(-HOUR, HOUR),
    status=st.sampled_from(["ACTIVE", "CREATING", "ERROR"]),
    description=st.sampled_from([OWN, OTHERS, ""]),
    origin=st.sampled_from(["IMAGE_SAVE", "CUSTOMIZE"]),
    id=st.sampled_from(["i-1", "i-2"]),
)
leases = st.sampled_from([{}, {"enable": False}, {"type": "IDLE"}, {"duration": -1}])


@given(
    started=st.one_of(st.none(), st.integers(0, 5 * HOUR)),
    lease=leases,
    images=st.lists(pictures, max_size=4),
)
def test_check_snapshot_is_safe_only_with_proof(
    started: int | None, lease: dict[str, Any], images: list[Image]
) -> None:
    found = check(notebook(started=started, lease=lease, image={"id": "i-2"}), *images)
    if not found.is_safe:
        return
    proof = found.snapshot
    assert proof is not None
    assert proof.is_active
    assert proof.create_at is not None
    assert -5 * MINUTE <= NOW - proof.create_at <= 2 * HOUR
    assert OTHERS not in (proof.description or "")
    assert proof.description or (proof.id == "i-2" and proof.origin == "IMAGE_SAVE")
    if started is not None and not lease:
        end = max(proof.create_at, proof.update_at or 0)
        assert NOW - started <= end + 5 * MINUTE


@given(took=st.integers(0, 100 * MINUTE), rewritten=st.integers(0, 110 * MINUTE), lease=leases)
def test_check_snapshot_is_never_refused_right_after_save(
    took: int, rewritten: int, lease: dict[str, Any]
) -> None:
    """Whatever the save rewrites, until five minutes after its end."""
    saved = image(took + 5 * MINUTE, took=took)
    rewritten = min(rewritten, took + 5 * MINUTE)
    assert check(notebook(started=rewritten, lease=lease), saved).is_safe


# Stopped notebooks


@pytest.mark.parametrize(
    ("changed", "begun", "is_safe"),
    [
        pytest.param(HOUR, 2 * HOUR, True, id="an hour before"),
        pytest.param(HOUR, 3 * HOUR, True, id="two hours before"),
        pytest.param(HOUR, 3 * HOUR + 1, False, id="more than two hours before"),
        pytest.param(5 * HOUR, 2 * HOUR, True, id="after it"),
        pytest.param(HOUR, None, False, id="without a date"),
    ],
)
@pytest.mark.parametrize("field", ["notebook", "lease"])
def test_check_stopped_compares_snapshot_with_last_change(
    changed: int, begun: int | None, is_safe: bool, field: str
) -> None:
    """Which of the times a stop rewrites is not documented: the later one counts."""
    stopped = notebook(
        status="STOPPED",
        started=changed if field == "lease" else 20 * HOUR,
        update_at=NOW - (changed if field == "notebook" else 20 * HOUR),
    )
    found = check_stopped(stopped, [image(begun), image(MINUTE, description=OTHERS)], now=NOW)
    assert found.is_safe is is_safe
    assert "research:v1 (i-1)" in found.reason
    assert ("stopped unsaved" in found.reason) is not is_safe


def test_check_stopped_without_snapshot_was_probably_unsaved() -> None:
    found = check_stopped(notebook(status="STOPPED"), [image(status="ERROR")], now=NOW)
    assert (found.is_safe, found.snapshot) == (False, None)
    assert found.reason == "has no ACTIVE snapshot: it was probably stopped unsaved"


def test_check_stopped_without_any_time_names_snapshot() -> None:
    stopped = Notebook.model_validate({"id": ID, "status": "STOPPED"})
    assert check_stopped(stopped, [image(9 * HOUR)], now=NOW).is_safe
