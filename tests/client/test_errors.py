"""Which refusal is which error, and what it says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from airflow_provider_modelarts.client import errors
from airflow_provider_modelarts.client.errors import (
    TABLE,
    AccountBlocked,
    ApiError,
    BrokenRule,
    InvalidRequest,
    ModelArtsError,
    NotAuthenticated,
    NotebookNotReady,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    RequestRefused,
    ServiceFailed,
    TagTaken,
    Throttled,
    TransportFailed,
    UnexpectedReply,
    meaning,
    named,
)

# HTTP status, code, error. What the service means by it stands behind.
MODELARTS: list[tuple[int, str, type[ApiError]]] = [
    (400, "ModelArts.6404", NotFound),  # resource not found
    (400, "ModelArts.6309", NotFound),  # instance does not exist
    (400, "ModelArts.6797", NotFound),  # specified image cannot be found
    (400, "ModelArts.6327", NotebookNotReady),  # instance is not running
    (400, "ModelArts.6305", NotebookNotReady),  # already running
    (400, "ModelArts.6306", NotebookNotReady),  # is starting
    (400, "ModelArts.6307", NotebookNotReady),  # already stopped
    (400, "ModelArts.6308", NotebookNotReady),  # is stopping
    (400, "ModelArts.6357", NotebookNotReady),  # another operation, or already in the target state
    (400, "ModelArts.6347", NotebookNotReady),  # not modifiable in this status
    (400, "ModelArts.6326", AccountBlocked),  # frozen because of arrears
    (400, "ModelArts.6333", NotebookNotReady),  # being restored
    (400, "ModelArts.6355", NotebookNotReady),  # resources are being initialised
    (400, "ModelArts.6360", QuotaExceeded),  # insufficient background resources
    (400, "ModelArts.6361", RequestRefused),  # internal or configuration error
    (400, "ModelArts.6737", TagTaken),  # conflict tag
    (400, "ModelArts.6771", RequestRefused),  # image is too large
    (400, "ModelArts.6303", RequestRefused),  # bad parameter, as are the next eight
    (400, "ModelArts.6332", RequestRefused),
    (400, "ModelArts.6335", RequestRefused),
    (400, "ModelArts.6336", RequestRefused),
    (400, "ModelArts.6400", RequestRefused),
    (400, "ModelArts.6600", RequestRefused),
    (400, "ModelArts.0101", RequestRefused),
    (400, "ModelArts.0104", RequestRefused),
    (400, "ModelArts.0107", RequestRefused),
    (400, "ModelArts.0102", RequestRefused),  # workspace does not exist
    (400, "ModelArts.0113", QuotaExceeded),
    (400, "ModelArts.0118", QuotaExceeded),
    (100, "ModelArts.0116", QuotaExceeded),
    (400, "ModelArts.6301", RequestRefused),  # instance exists
    (400, "ModelArts.6302", QuotaExceeded),  # too many instances
    (400, "ModelArts.6304", NotebookNotReady),  # stop it first
    (400, "ModelArts.6349", RequestRefused),  # duration out of range
    (400, "ModelArts.6376", PermissionDenied),  # no agency for ModelArts, as the next three
    (400, "ModelArts.6378", PermissionDenied),
    (400, "ModelArts.6379", PermissionDenied),
    (401, "ModelArts.0428", PermissionDenied),
    (400, "ModelArts.0204", NotAuthenticated),  # token and project do not go together, as the next four
    (400, "ModelArts.0210", NotAuthenticated),
    (401, "ModelArts.0207", NotAuthenticated),
    (401, "ModelArts.0212", NotAuthenticated),
    (403, "ModelArts.0210", NotAuthenticated),
    (401, "ModelArts.0201", NotAuthenticated),  # token problems, as the next five
    (401, "ModelArts.0202", NotAuthenticated),
    (401, "ModelArts.0203", NotAuthenticated),
    (401, "ModelArts.0204", NotAuthenticated),
    (401, "ModelArts.6620", NotAuthenticated),
    (401, "ModelArts.6608", NotAuthenticated),
    (401, "ModelArts.6201", AccountBlocked),  # suspended
    (401, "ModelArts.6203", AccountBlocked),  # restricted
    (401, "ModelArts.0112", PermissionDenied),  # denied by a policy, as the next two
    (403, "ModelArts.0112", PermissionDenied),
    (403, "ModelArts.0108", PermissionDenied),
    (403, "ModelArts.0203", NotAuthenticated),  # invalid token
    (403, "ModelArts.0206", NotAuthenticated),  # invalid access key
    (400, "ModelArts.6401", NotAuthenticated),
    (401, "ModelArts.6401", NotAuthenticated),  # illegal token; the status is not documented
    (403, "ModelArts.6401", NotAuthenticated),
    (400, "ModelArts.6407", PermissionDenied),
    (401, "ModelArts.6407", PermissionDenied),
    (403, "ModelArts.6407", PermissionDenied),  # no permission; the status is not documented
    (408, "ModelArts.6100", ServiceFailed),  # timeout
    (429, "ModelArts.6101", Throttled),  # system busy
    (500, "ModelArts.6102", ServiceFailed),
    (500, "ModelArts.6200", ServiceFailed),
    (500, "ModelArts.0010", ServiceFailed),
    (500, "ModelArts.6699", ServiceFailed),
]
GATEWAY: list[tuple[int, str, type[ApiError]]] = [
    (404, "APIGW.0101", RequestRefused),  # no such API here
    (400, "APIGW.0201", RequestRefused),
    (413, "APIGW.0201", RequestRefused),  # more than 12 MB
    (414, "APIGW.0201", RequestRefused),
    (494, "APIGW.0201", RequestRefused),
    (502, "APIGW.0201", ServiceFailed),  # backend unavailable
    (504, "APIGW.0201", ServiceFailed),  # backend too slow
    (504, "APIGW.0203", ServiceFailed),
    (401, "APIGW.0301", NotAuthenticated),  # wrong signature, locked or unknown key, bad token
    (403, "APIGW.0302", PermissionDenied),
    (401, "APIGW.0303", NotAuthenticated),  # clock skew
    (401, "APIGW.0305", NotAuthenticated),
    (403, "APIGW.0306", PermissionDenied),
    (401, "APIGW.0307", NotAuthenticated),  # token must be updated
    (429, "APIGW.0308", Throttled),
]


@pytest.mark.parametrize(("status", "code", "error"), MODELARTS + GATEWAY)
def test_a_code_means(status: int, code: str, error: type[ApiError]) -> None:
    """The class is chosen by what a caller would do about it."""
    assert meaning(status, code).error is error


def test_no_code_is_judged_unseen() -> None:
    """Every row of the table is a row above."""
    assert set(TABLE) <= {(status, code) for status, code, _ in MODELARTS + GATEWAY}


@pytest.mark.parametrize(("status", "code", "error"), GATEWAY)
def test_the_gateway_has_two_names_for_itself(status: int, code: str, error: type[ApiError]) -> None:
    """APIG and APIGW number alike: class and remedy are the same."""
    assert meaning(status, code.replace("APIGW.", "APIG.")) == meaning(status, code)
    assert meaning(status, code.replace("APIGW.", "APIG.")).error is error


@pytest.mark.parametrize("code", ["", "ModelArts.9999", "SVCSTG.0001", "401", "APIG.9999", "APIG", "."])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RequestRefused),
        (401, NotAuthenticated),
        (403, PermissionDenied),
        (404, NotFound),
        (405, RequestRefused),
        (408, ServiceFailed),
        (409, RequestRefused),
        (422, RequestRefused),
        (429, Throttled),
        (499, RequestRefused),
        (500, ServiceFailed),
        (502, ServiceFailed),
        (503, ServiceFailed),
        (504, ServiceFailed),
        (599, ServiceFailed),
    ],
)
def test_without_a_known_code_the_status_decides(status: int, code: str, error: type[ApiError]) -> None:
    """Whatever the code looks like."""
    assert meaning(status, code).error is error


def test_a_code_counts_only_under_its_status() -> None:
    """The same number can mean something else elsewhere."""
    assert meaning(404, "ModelArts.6737").error is NotFound
    assert meaning(500, "ModelArts.6404").error is ServiceFailed
    assert meaning(400, "ModelArts.0204").remedy != meaning(401, "ModelArts.0204").remedy


@pytest.mark.parametrize(("status", "code", "error"), MODELARTS + GATEWAY)
def test_a_known_code_has_a_remedy(status: int, code: str, error: type[ApiError]) -> None:
    """A sentence that says what to do."""
    if (status, code) in TABLE:
        assert re.fullmatch(r"[A-Z].+\.", meaning(status, code).remedy), error


# The tree


def tree(error: type[ModelArtsError] = ModelArtsError, depth: int = 0) -> Iterator[tuple[int, str, bool]]:
    """Give every class of the tree with its depth, and whether it is transient."""
    yield depth, error.__name__, error.is_transient
    for below in error.__subclasses__():
        yield from tree(below, depth + 1)


def drawn() -> list[tuple[int, str, bool]]:
    """Return the same as the docstring draws it."""
    rows = re.findall(
        r"^    ( *)([A-Z][a-z]\w+)\b(?:  .*?)?( +\(transient\))?$", errors.__doc__ or "", re.MULTILINE
    )
    return [(len(indent) // 2, name, bool(mark)) for indent, name, mark in rows]


def test_the_tree_is_drawn_as_it_is() -> None:
    """Every class, under its parent, in its order, transient where it says so."""
    assert drawn() == list(tree())


@pytest.mark.parametrize("name", [name for _, name, _ in tree()])
def test_an_error_comes_back_from_its_name(name: str) -> None:
    """An event or a log holds no more than that and the message."""
    error = named(name, "what happened")
    assert type(error).__name__ == name
    assert (error.message, str(error)) == ("what happened", "what happened")


@pytest.mark.parametrize("name", ["", "Nothing", "ValueError", "BrokenRule", "object"])
def test_a_name_that_is_no_error_of_ours_is_the_root(name: str) -> None:
    """An event of a newer version may hold one."""
    assert type(named(name, "what happened")) is ModelArtsError


# What an error says


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ModelArtsError("it"), "it"),
        (ApiError("it"), "it"),
        (ApiError("it", status=400), "it (HTTP 400)"),
        (ApiError("it", code="ModelArts.6404"), "it (ModelArts.6404)"),
        (ApiError("it", request_id="r-1"), "it (request id r-1)"),
        (
            TagTaken("it", status=400, code="ModelArts.6737", request_id="r-1"),
            "it (HTTP 400, ModelArts.6737, request id r-1)",
        ),
        (InvalidRequest("it"), "it"),
        (
            InvalidRequest([BrokenRule("a", "is bad", 1), BrokenRule("b", "is worse", "x")]),
            "Nothing was sent: a is bad; got 1; b is worse; got 'x'",
        ),
        (BrokenRule("a", "is long", "x" * 200), f"a is long; got '{'x' * 79}… (200 characters)"),
        (BrokenRule("a", "fits", "x" * 78), f"a fits; got '{'x' * 78}'"),
    ],
)
def test_an_error_says_all_it_knows(error: object, text: str) -> None:
    """The words first, then what support asks for."""
    assert str(error) == text


def test_an_error_keeps_what_a_caller_decides_by() -> None:
    """Not only in words."""
    error = Throttled("it", status=429, code="APIGW.0308", request_id="r", retry_after=7.0)
    assert (error.message, error.status, error.code, error.request_id, error.retry_after) == (
        "it",
        429,
        "APIGW.0308",
        "r",
        7.0,
    )
    assert InvalidRequest("it").broken == ()


def test_in_doubt_a_request_arrived() -> None:
    """Only what surely did not may be sent again."""
    assert TransportFailed("it").arrived
    assert not TransportFailed("it", arrived=False).arrived


@pytest.mark.parametrize(
    ("error", "is_transient"),
    [
        (TransportFailed, True),
        (UnexpectedReply, True),
        (Throttled, True),
        (ServiceFailed, True),
        (NotAuthenticated, False),
        (NotFound, False),
        (NotebookNotReady, False),
        (InvalidRequest, False),
    ],
)
def test_what_a_moment_may_cure(error: type[ModelArtsError], is_transient: bool) -> None:
    """Everything else is told at once."""
    assert error("it").is_transient is is_transient
