"""The operations that start, stop, renew and update notebooks: requests, and the responses they accept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.notebooks import NO_AUTO_STOP, Lease, Notebook
from airflow_provider_modelarts.client.operations import (
    list_notebooks,
    list_notebooks_of_all_features,
    renew_lease,
    show_lease,
    show_notebook,
    start_notebook,
    stop_notebook,
    update_notebook,
)
from airflow_provider_modelarts.exceptions import RequestValidationError

HOUR = timedelta(hours=1)
# As the pages spell it, whatever the case of the given value.
TIMING: Any = "TIMING"


@pytest.mark.parametrize(
    ("operation", "name", "line", "query", "body"),
    [
        pytest.param(
            start_notebook("n-1"), "StartNotebook", "POST /notebooks/n-1/start", {}, {}, id="a start"
        ),
        pytest.param(
            start_notebook("n-1", duration=2 * HOUR, type=TIMING),
            "StartNotebook",
            "POST /notebooks/n-1/start",
            {"duration": "7200000", "type": "timing"},
            {},
            id="a start with a lease",
        ),
        pytest.param(
            start_notebook("n-1", duration=NO_AUTO_STOP),
            "StartNotebook",
            "POST /notebooks/n-1/start",
            {"duration": "-1"},
            {},
            id="a start without auto-stop",
        ),
        pytest.param(stop_notebook("n-1"), "StopNotebook", "POST /notebooks/n-1/stop", {}, {}, id="a stop"),
        pytest.param(
            show_lease("n-1"), "ShowLease", "GET /notebooks/n-1/lease", {}, None, id="the read of a lease"
        ),
        pytest.param(
            renew_lease("n-1", HOUR),
            "RenewLease",
            "PATCH /notebooks/n-1/lease",
            {},
            {"duration": 3_600_000},
            id="a renewal",
        ),
        pytest.param(
            renew_lease("n-1", timedelta(hours=1, microseconds=1500), type="idle"),
            "RenewLease",
            "PATCH /notebooks/n-1/lease",
            {},
            {"duration": 3_600_001, "type": "idle"},
            id="a renewal of an idle lease",
        ),
        pytest.param(
            update_notebook("n-1", image_id="I-1"),
            "UpdateNotebook",
            "PUT /notebooks/n-1",
            {},
            {"image_id": "I-1"},
            id="an update",
        ),
        pytest.param(
            list_notebooks(feature=None, all_users=True),
            "ListAllNotebooks",
            "GET /notebooks/all",
            {"limit": "50"},
            None,
            id="a list of all users without a feature",
        ),
    ],
)
def test_operation_sends_documented_request(
    operation: Operation[Any], name: str, line: str, query: dict[str, str], body: dict[str, Any] | None
) -> None:
    """A duration in the query of a renewal would make an idle lease a timed one."""
    assert (operation.name, f"{operation.method} {operation.path}") == (name, line)
    assert (dict(operation.query), operation.body) == (query, body)


@pytest.mark.parametrize(
    ("operation", "is_read"),
    [
        (start_notebook("n"), False),
        (stop_notebook("n"), False),
        (renew_lease("n", HOUR), False),
        (update_notebook("n", image_id="i"), False),
        (show_lease("n"), True),
    ],
)
def test_operation_is_read_only_if_it_changes_nothing(operation: Operation[Any], is_read: bool) -> None:
    """Only a read is retried after a failure that may have been processed."""
    assert operation.is_read is is_read
    assert operation.subject == "notebook n"


def test_list_notebooks_of_all_features_asks_for_both_readings_of_unset_feature() -> None:
    lists = list_notebooks_of_all_features(name="x", all_users=True)
    assert [dict(listed.query) for listed in lists] == [
        {"name": "x", "limit": "50"},
        {"name": "x", "limit": "50", "feature": "DEFAULT"},
    ]


Make = Callable[[Any], Operation[Any]]
MAKES: list[Any] = [
    pytest.param(start_notebook, id="start"),
    pytest.param(stop_notebook, id="stop"),
    pytest.param(show_lease, id="show_lease"),
    pytest.param(lambda id_: renew_lease(id_, HOUR), id="renew_lease"),
    pytest.param(lambda id_: update_notebook(id_, image_id="i"), id="update"),
]


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("id_", ["a/b", "..", "%2F", "a?b", "a b", "", None, 7, "a\ud800"], ids=ascii)
def test_operation_rejects_id_that_would_change_path(make: Make, id_: Any) -> None:
    with pytest.raises(RequestValidationError, match="Nothing was sent: notebook_id "):
        make(id_)


@pytest.mark.parametrize("make", MAKES)
def test_operation_sends_uuid_in_lower_case(make: Make) -> None:
    assert "/4e0d1854-63e5-4517-b683-a0ee97a692a1" in make("4E0D1854-63E5-4517-B683-A0EE97A692A1").path


@pytest.mark.parametrize("id_", ["a/b", "..", "a b", "", " ", None, 7, "\ud800"], ids=ascii)
def test_update_notebook_rejects_invalid_image_id(id_: Any) -> None:
    with pytest.raises(RequestValidationError, match="Nothing was sent: image_id "):
        update_notebook("n", image_id=id_)


@pytest.mark.parametrize(
    ("duration", "rule"),
    [
        (timedelta(0), "must be positive"),
        (timedelta(microseconds=999), "must be positive"),
        (-HOUR, "must be positive"),
        (3_600_000, "must be a timedelta, not int"),
        ("1h", "must be a timedelta, not str"),
        (True, "must be a timedelta, not bool"),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "make", [lambda d: start_notebook("n", duration=d), lambda d: renew_lease("n", d)], ids=["start", "renew"]
)
def test_operation_rejects_duration(make: Make, duration: Any, rule: str) -> None:
    with pytest.raises(RequestValidationError, match=f"Nothing was sent: duration {rule}"):
        make(duration)


def test_renew_lease_rejects_duration_without_end() -> None:
    """Only a start can have it."""
    with pytest.raises(RequestValidationError, match="duration must be positive"):
        renew_lease("n", NO_AUTO_STOP)


def test_renew_lease_rejects_missing_duration() -> None:
    missing: Any = None
    with pytest.raises(RequestValidationError, match="duration must be a timedelta, not NoneType"):
        renew_lease("n", missing)


@pytest.mark.parametrize("kind", ["never", "", "tim ing", 7, True], ids=str)
@pytest.mark.parametrize(
    "make",
    [lambda t: start_notebook("n", type=t), lambda t: renew_lease("n", HOUR, type=t)],
    ids=["start", "renew"],
)
def test_operation_rejects_type_of_lease(make: Make, kind: Any) -> None:
    with pytest.raises(RequestValidationError, match="type must be timing or idle"):
        make(kind)


@pytest.mark.parametrize("make", [show_notebook, start_notebook, stop_notebook])
def test_operation_returns_its_notebook_only(make: Make) -> None:
    assert make("N-1").parse({"id": "n-1", "status": "STARTING"}) == Notebook(id="n-1", status="STARTING")
    with pytest.raises(ValueError, match="it is about notebook n-2"):
        make("n-1").parse({"id": "n-2", "status": "STARTING"})


@pytest.mark.parametrize("make", [start_notebook, stop_notebook])
@pytest.mark.parametrize("data", [None, [], {}, {"status": "STARTING"}, "STARTING"], ids=str)
def test_operation_rejects_response_without_notebook(make: Make, data: Any) -> None:
    """The caller reads the notebook again."""
    with pytest.raises(ValidationError):
        make("n").parse(data)


@pytest.mark.parametrize("data", [None, {}, [], {"duration": 3_600_000}, {"id": "other"}, "x"], ids=str)
def test_renewal_and_update_have_no_result(data: Any) -> None:
    """A response may be empty, partial, or repeat the request: it proves nothing."""
    operations: list[Operation[Any]] = [renew_lease("n", HOUR), update_notebook("n", image_id="i")]
    assert [operation.parse(data) for operation in operations] == [None, None]


def test_show_lease_returns_lease_with_date_of_response() -> None:
    data = {
        "create_at": 1,
        "duration": 2,
        "enable": True,
        "type": "timing",
        "update_at": 3,
        "response_date": "Thu, 01 Jan 1970 00:00:09 GMT",
    }
    lease = show_lease("n").parse(data)
    assert (lease.ends_at, lease.type, lease.service_time) == (3, "TIMING", 9000)


@pytest.mark.parametrize("data", [None, [], {}, "x", {"id": "n", "status": "RUNNING"}], ids=str)
def test_show_lease_rejects_what_is_no_lease(data: Any) -> None:
    with pytest.raises(ValueError, match="it is no lease"):
        show_lease("n").parse(data)


@pytest.mark.parametrize("field", ["create_at", "duration", "enable", "type"])
def test_show_lease_accepts_incomplete_lease(field: str) -> None:
    assert isinstance(show_lease("n").parse({field: None}), Lease)


def test_list_notebooks_dates_each_notebook() -> None:
    """Only ShowNotebook has the current time, so that a listed lease needs the response's date."""
    date = "Thu, 01 Jan 1970 00:00:09 GMT"
    page = list_notebooks().parse({"data": [{"id": "a"}, "x", {"id": "b"}], "response_date": date})
    assert [notebook.service_time for notebook in page.data] == [9000, 9000]
    assert page.records == 3


@pytest.mark.parametrize("data", [None, [], {}, {"data": "x"}], ids=str)
def test_list_notebooks_rejects_what_is_no_page(data: Any) -> None:
    with pytest.raises(ValidationError):
        list_notebooks().parse(data)
