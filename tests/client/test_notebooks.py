"""Notebooks and leases: statuses, the end of a lease by the service's clock, and names of images."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.notebooks import (
    BUSY,
    FAILED,
    KNOWN,
    START,
    STOP,
    Lease,
    Move,
    Notebook,
    image_name,
)
from airflow_provider_modelarts.exceptions import PERMANENT, NotebookFailedError
from airflow_provider_modelarts.simulator.documents import NOTEBOOK_STATUSES

HOUR = 3_600_000
NOW = 1_784_948_034_829
CLOUD = CLOUDS["huaweicloud"]


def notebook(**fields: Any) -> Notebook:
    return Notebook.model_validate({"id": "n-1", "status": "RUNNING", **fields})


def lease(**fields: Any) -> Lease:
    return Lease.model_validate(fields)


# Statuses


def test_statuses_are_those_of_the_pages() -> None:
    assert set(NOTEBOOK_STATUSES) == KNOWN
    assert not BUSY & FAILED


@pytest.mark.parametrize(
    ("status", "properties"),
    [
        ("RUNNING", {"is_running", "is_ready", "is_known"}),
        ("running ", {"is_running", "is_ready", "is_known"}),
        ("STOPPED", {"is_stopped", "is_known"}),
        *((status, {"is_busy", "is_known"}) for status in sorted(BUSY)),
        *((status, {"has_failed", "is_known"}) for status in sorted(FAILED)),
        ("HIBERNATING", {"is_busy"}),
        ("", {"is_busy"}),
        (None, {"is_busy"}),
        (7, {"is_busy"}),
    ],
)
def test_notebook_has_one_kind_of_status(status: Any, properties: set[str]) -> None:
    """An unknown status is not an end."""
    found = notebook(status=status)
    names = ("is_running", "is_ready", "is_stopped", "is_busy", "has_failed", "is_known")
    assert {name for name in names if getattr(found, name)} == properties


@pytest.mark.parametrize(
    ("volume", "is_ready"),
    [
        (None, True),
        ({}, True),
        ({"status": "ACTIVE"}, True),
        ({"status": "initializing"}, False),
        ({"status": "RESIZING"}, False),
        ({"status": "DELETING"}, False),
        ("odd", True),
    ],
)
def test_notebook_is_ready_when_its_storage_is(volume: Any, is_ready: bool) -> None:
    assert notebook(volume=volume).is_ready is is_ready
    assert not notebook(volume=volume, status="STARTING").is_ready


@pytest.mark.parametrize(
    ("move", "done"),
    [(START, {"STARTING", "RUNNING"}), (STOP, {"STOPPING", "STOPPED"})],
    ids=["start", "stop"],
)
def test_move_is_done_in_its_last_two_statuses(move: Move, done: set[str]) -> None:
    """Any other busy notebook, an unknown status and a failed one are none."""
    every = [*NOTEBOOK_STATUSES, "HIBERNATING", None]
    assert {status for status in every if move.is_done_in(status)} == done


@pytest.mark.parametrize("status", sorted(FAILED))
def test_raise_for_status_names_reason_and_remedy(status: str) -> None:
    found = notebook(status=status, fail_reason="no\nresources", name="research", request_id="r-1")
    with pytest.raises(NotebookFailedError) as failed:
        found.raise_for_status()
    text = str(failed.value)
    assert text.startswith(f"Notebook n-1 (research) is {status}: no resources (request id r-1); ")
    assert ("account" in text) is (status == "FROZEN")


@pytest.mark.parametrize("status", ["RUNNING", "STOPPED", "SNAPSHOTTING", "HIBERNATING", None])
def test_raise_for_status_returns_any_other_notebook(status: str | None) -> None:
    found = notebook(status=status, fail_reason="of an earlier start")
    assert found.raise_for_status() is found
    assert "of an earlier start" not in found.describe()


def test_failed_notebook_is_retried() -> None:
    """A failed start may succeed later."""
    assert not issubclass(NotebookFailedError, PERMANENT)
    assert not NotebookFailedError("x").is_transient


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({}, "Notebook n-1 is RUNNING"),
        ({"name": "a\x1bb"}, "Notebook n-1 (a b) is RUNNING"),
        ({"status": "ODD"}, "Notebook n-1 is ODD (an unknown status, treated as busy)"),
        ({"status": None}, "Notebook n-1 is without a status, treated as busy"),
        ({"status": "ERROR", "fail_reason": "x"}, "Notebook n-1 is ERROR: x"),
    ],
    ids=str,
)
def test_describe_returns_one_line(fields: dict[str, Any], line: str) -> None:
    assert notebook(**fields).describe() == line


# Leases

TIMED = {
    "create_at": NOW - HOUR,
    "update_at": NOW - HOUR,
    "duration": 2 * HOUR,
    "enable": True,
    "type": "TIMING",
}


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        pytest.param(TIMED, "is_timed", id="timed"),
        pytest.param({**TIMED, "type": "timing"}, "is_timed", id="timed, in lower case"),
        pytest.param({**TIMED, "type": None}, "is_timed", id="timed, without a type, as in OTC's sample"),
        pytest.param({**TIMED, "type": "ODD"}, "is_timed", id="timed, of an unknown type"),
        pytest.param({**TIMED, "enable": None}, "is_timed", id="timed, without enable"),
        pytest.param({**TIMED, "duration": "7200000"}, "is_timed", id="timed, as text"),
        pytest.param({**TIMED, "enable": False}, "is_disabled", id="disabled"),
        pytest.param({**TIMED, "enable": "false"}, "is_disabled", id="disabled, as text"),
        pytest.param({**TIMED, "enable": False, "type": "IDLE"}, "is_disabled", id="disabled and idle"),
        pytest.param({**TIMED, "enable": False, "duration": -1}, "is_disabled", id="disabled and unlimited"),
        pytest.param({**TIMED, "type": "IDLE"}, "is_idle", id="idle"),
        pytest.param({**TIMED, "type": "idle"}, "is_idle", id="idle, in lower case"),
        pytest.param({"type": "IDLE"}, "is_idle", id="idle, with nothing else"),
        pytest.param({**TIMED, "duration": -1}, "is_unlimited", id="unlimited"),
        pytest.param({**TIMED, "duration": 0}, "is_unlimited", id="of no duration"),
        pytest.param({"enable": True}, "is_unlimited", id="enabled, without a duration"),
        pytest.param({}, None, id="unknown"),
        pytest.param({"duration": "odd"}, None, id="unreadable"),
    ],
)
def test_lease_has_one_kind(fields: dict[str, Any], kind: str | None) -> None:
    """Only a timed lease is renewed or counts as ending; an unknown one is none of these."""
    found = lease(**fields)
    names = ("is_timed", "is_disabled", "is_idle", "is_unlimited")
    assert [name for name in names if getattr(found, name)] == ([kind] if kind else [])
    if kind != "is_timed":
        assert (found.ends_at, found.left(NOW), found.started_at, found.length) == (None, None, None, None)


@pytest.mark.parametrize(
    ("create_at", "duration", "now", "left"),
    [
        pytest.param(1784946917652, 4573131, 1784948034829, 3_455_954, id="seen on the service"),
        pytest.param(1638841744515, 6327212, 1638844471727, 3_600_000, id="sample of StartNotebook"),
        pytest.param(1638841744515, 5313106, 1638843457621, 3_600_000, id="sample of StopNotebook"),
        pytest.param(HOUR, HOUR, 3 * HOUR, -HOUR, id="over"),
    ],
)
def test_lease_ends_at_creation_plus_duration(create_at: int, duration: int, now: int, left: int) -> None:
    """The pages have it the wrong way round."""
    found = lease(create_at=create_at, duration=duration, enable=True)
    assert found.ends_at == create_at + duration
    assert found.left(now) == timedelta(milliseconds=left)


@pytest.mark.parametrize("field", ["create_at", "update_at"])
@pytest.mark.parametrize("value", [None, "odd", [], True], ids=str)
def test_lease_without_a_time_has_no_length(field: str, value: Any) -> None:
    found = lease(**{**TIMED, field: value})
    assert found.is_timed
    assert found.length is None
    assert (found.ends_at is None) is (field == "create_at")
    assert (found.started_at is None) is (field == "update_at")
    assert "lease ends at" in found.describe()


@pytest.mark.parametrize(
    ("update_at", "length"),
    [
        (NOW, timedelta(hours=1)),
        (NOW - HOUR, timedelta(hours=2)),
        (NOW + HOUR - 1, timedelta(milliseconds=1)),
        (NOW + HOUR, None),
        (NOW + 2 * HOUR, None),
    ],
)
def test_lease_length_is_what_was_last_asked_for(update_at: int, length: timedelta | None) -> None:
    assert lease(**{**TIMED, "update_at": update_at}).length == length


def test_lease_survives_numbers_out_of_range() -> None:
    found = lease(create_at=2**62, update_at=1, duration=2**62)
    assert found.left(-(2**62)) == timedelta.max
    assert lease(create_at=1, duration=1).left(2**63) == timedelta.min
    assert lease(create_at=1, update_at=1, duration=2**62).length == timedelta.max
    assert found.length is None
    assert found.describe() == "its lease ends at an unknown time"


@pytest.mark.parametrize(
    ("fields", "clause"),
    [
        (TIMED, "its lease ends at 2026-07-25T03:53:54.829+00:00"),
        ({**TIMED, "enable": False}, "it does not stop by itself"),
        ({**TIMED, "duration": -1}, "it does not stop by itself"),
        ({**TIMED, "type": "IDLE"}, "it stops when it is idle"),
        ({}, "its lease is unknown"),
    ],
    ids=str,
)
def test_lease_describe_returns_clause(fields: dict[str, Any], clause: str) -> None:
    assert lease(**fields).describe() == clause


@pytest.mark.parametrize(
    ("fields", "time"),
    [
        ({"current_time": 86_409_000, "response_date": "Thu, 01 Jan 1970 00:00:09 GMT"}, 86_409_000),
        # Whatever its unit, it is not that of the other times.
        ({"current_time": NOW // 1000, "response_date": "Thu, 01 Jan 1970 00:00:09 GMT"}, 9000),
        ({"current_time": str(NOW)}, NOW),
        ({"current_time": None, "response_date": "Thu, 01 Jan 1970 00:00:09 GMT"}, 9000),
        ({"current_time": 0, "response_date": "Thu, 01 Jan 1970 00:00:09 GMT"}, 9000),
        ({"response_date": "Thu, 01 Jan 1970 00:00:09 -0000"}, 9000),
        ({"response_date": "Thu, 01 Jan 1970 01:00:09 +0100"}, 9000),
        ({"response_date": "yesterday"}, None),
        ({"response_date": "Thu, 99 Jan 1970 00:00:09 GMT"}, None),
        ({"response_date": ""}, None),
        ({}, None),
    ],
    ids=str,
)
def test_service_time_is_current_time_or_date(fields: dict[str, Any], time: int | None) -> None:
    """The local clock may be wrong."""
    assert notebook(**fields).service_time == time


@pytest.mark.parametrize(
    ("status", "ends"),
    [("RUNNING", True), ("SNAPSHOTTING", True), ("STARTING", True), ("STOPPED", False), ("STOPPING", False)],
)
def test_lease_ends_at_only_while_notebook_runs(status: str, ends: bool) -> None:
    found = notebook(status=status, lease=TIMED)
    assert found.lease_ends_at == (NOW + HOUR if ends else None)


@pytest.mark.parametrize(
    ("fields", "owner"),
    [
        ({"user_id": "u-1", "user": {"id": "u-2"}}, "u-1"),
        ({"user": {"id": "u-2", "name": "x"}}, "u-2"),
        ({"user": {}}, None),
        ({"user": "u-2"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_owner_is_id_of_user(fields: dict[str, Any], owner: str | None) -> None:
    assert notebook(**fields).owner == owner


@pytest.mark.parametrize(
    ("fields", "created"),
    [({"create_at": 5, "lease": {"create_at": 6}}, 5), ({"lease": {"create_at": 6}}, 6), ({}, None)],
    ids=str,
)
def test_created_at_is_that_of_notebook_or_lease(fields: dict[str, Any], created: int | None) -> None:
    """The lease's is documented, the notebook's is not."""
    assert notebook(**fields).created_at == created


# XCom


def test_to_xcom_returns_every_field() -> None:
    found = notebook(
        name="Über Research",
        user_id="u-1",
        flavor="modelarts.vm.cpu.2u",
        workspace_id="0",
        image={"id": "i-1"},
        lease=TIMED,
        token="secret",
    )
    assert found.to_xcom(CLOUD, Image(id="i-2", create_at=1)) == {
        "notebook_id": "n-1",
        "name": "Über Research",
        "image_name": "uber-research",
        "status": "RUNNING",
        "owner": "u-1",
        "flavor": "modelarts.vm.cpu.2u",
        "workspace_id": "0",
        "image_id": "i-1",
        "lease_ends_at": "2026-07-25T03:53:54.829+00:00",
        "last_snapshot_at": "1970-01-01T00:00:00.001+00:00",
        "last_snapshot_id": "i-2",
    }


def test_to_xcom_has_every_key_without_values() -> None:
    """So that a template of a later task does not fail."""
    empty = notebook(status=None).to_xcom(CLOUD)
    assert empty.keys() == notebook(lease=TIMED).to_xcom(CLOUD, Image(id="i")).keys()
    assert {key for key, value in empty.items() if value is not None} == {"notebook_id", "image_name"}
    json.dumps(empty)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("research", "research"),
        ("Research_2026.v1", "research_2026.v1"),
        ("a b", "a-b"),
        ("a - b", "a-b"),
        ("a--b__c", "a-b-c"),
        ("-a.", "a"),
        ("Größe", "groe"),
        ("研究-v1", "v1"),
        ("研究", "notebook-n-1"),
        ("---", "notebook-n-1"),
        (None, "notebook-n-1"),
        ("x" * 200, "x" * 128),
        ("x" * 127 + "--y", "x" * 127),
    ],
)
def test_image_name_is_valid_form_of_notebook_name(name: str | None, expected: str) -> None:
    assert image_name(notebook(name=name), CLOUD) == expected


@pytest.mark.parametrize("cloud", CLOUDS)
@given(name=st.text(max_size=600))
def test_image_name_keeps_rules_of_each_cloud(cloud: str, name: str) -> None:
    found = image_name(notebook(name=name), CLOUDS[cloud])
    assert CLOUDS[cloud].rules["name"].violation(found) is None
    assert CLOUDS["huaweicloud"].rules["name"].pattern
    assert found[0].isalnum()
    assert found[-1].isalnum()
