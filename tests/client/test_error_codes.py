"""Error codes and exception classes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from airflow_provider_modelarts import exceptions
from airflow_provider_modelarts.client.error_codes import ERROR_CODES, classify
from airflow_provider_modelarts.exceptions import (
    PERMANENT,
    AccountSuspendedError,
    ApiError,
    AuthenticationError,
    BadRequestError,
    FieldViolation,
    InvalidResponseError,
    ModelArtsError,
    NotebookNotReadyError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestValidationError,
    ServerError,
    TagConflictError,
    TransportError,
    error_from_name,
)

PLAIN = ApiError
"""The class of what this provider does not know: never permanent."""


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        pytest.param(400, "ModelArts.6404", NotFoundError, id="not found is an HTTP 400"),
        pytest.param(404, "ModelArts.6404", NotFoundError, id="a code under another status"),
        pytest.param(409, "ModelArts.6737", TagConflictError, id="tag taken under another status"),
        pytest.param(400, "ModelArts.6327", NotebookNotReadyError, id="not running"),
        pytest.param(400, "ModelArts.6958", NotebookNotReadyError, id="not running, newer endpoints"),
        pytest.param(400, "ModelArts.6357", NotebookNotReadyError, id="busy"),
        pytest.param(400, "ModelArts.6701", PermissionDeniedError, id="agency missing"),
        pytest.param(400, "ModelArts.6407", PermissionDeniedError, id="no permission"),
        pytest.param(400, "ModelArts.6326", AccountSuspendedError, id="arrears"),
        pytest.param(400, "ModelArts.0113", QuotaExceededError, id="quota"),
        pytest.param(400, "ModelArts.0104", BadRequestError, id="bad parameter"),
        pytest.param(401, "ModelArts.0204", AuthenticationError, id="token"),
        pytest.param(404, "APIGW.0101", BadRequestError, id="no such API"),
        pytest.param(404, "APIG.0101", BadRequestError, id="no such API, the gateway's other name"),
        pytest.param(504, "APIG.0201", ServerError, id="a number that means several things: backend"),
        pytest.param(413, "APIG.0201", BadRequestError, id="a number that means several things: too large"),
        pytest.param(405, "APIG.0201", PLAIN, id="a number that means several things: none of them"),
        pytest.param(500, "ModelArts.6404", ServerError, id="a failing service knows nothing"),
        pytest.param(429, "ModelArts.6404", RateLimitError, id="too many requests, whatever the code"),
    ],
)
def test_classify_known_code(status: int, code: str, error: type[ApiError]) -> None:
    assert classify(status, code).error is error


@pytest.mark.parametrize("code", ["", "ModelArts.9999", "SVCSTG.0001", "APIG.9999", "APIG", "."])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        *[(status, PLAIN) for status in (400, 402, 403, 404, 405, 409, 413, 422, 451, 499)],
        (408, ServerError),
        (429, RateLimitError),
        *[(status, ServerError) for status in (500, 502, 503, 504, 599)],
    ],
)
def test_classify_never_returns_permanent_error_for_unknown_code(
    status: int, code: str, error: type[ApiError]
) -> None:
    assert classify(status, code).error is error
    assert error.is_transient
    assert not issubclass(error, PERMANENT)


@pytest.mark.parametrize(("code", "error"), [("", AuthenticationError), ("ModelArts.9999", PLAIN)])
def test_classify_401_without_code_as_authentication(code: str, error: type[ApiError]) -> None:
    assert classify(401, code).error is error


@pytest.mark.parametrize(("status", "code"), ERROR_CODES)
def test_classify_returns_remedy(status: int, code: str) -> None:
    assert re.fullmatch(r"[A-Z].+\.", classify(status, code).remedy)


def test_error_codes_are_brief_only_where_service_names_a_minute() -> None:
    brief = {code for (_, code), row in ERROR_CODES.items() if row.is_brief}
    assert brief == {"ModelArts.6333", "ModelArts.6355", "ModelArts.6360"}


# The tree


def tree(error: type[ModelArtsError] = ModelArtsError, depth: int = 0) -> Iterator[tuple[int, str, bool]]:
    """Give every class of the tree with its depth, and whether it is transient."""
    yield depth, error.__name__, error.is_transient
    for below in error.__subclasses__():
        yield from tree(below, depth + 1)


def drawn() -> list[tuple[int, str, bool]]:
    """Return the same as the docstring draws it."""
    rows = re.findall(
        r"^    ( *)([A-Z][a-z]\w+)\b(?:  .*?)?( +\(transient\))?$", exceptions.__doc__ or "", re.MULTILINE
    )
    return [(len(indent) // 2, name, bool(mark)) for indent, name, mark in rows]


def test_exceptions_docstring_shows_class_tree() -> None:
    assert drawn() == list(tree())


@pytest.mark.parametrize("name", [name for _, name, _ in tree()])
def test_error_from_name_restores_class(name: str) -> None:
    """An event or a log holds only name and message."""
    error = error_from_name(name, "what happened")
    assert type(error).__name__ == name
    assert (error.message, str(error)) == ("what happened", "what happened")


@pytest.mark.parametrize("name", ["", "Nothing", "ValueError", "FieldViolation", "object"])
def test_error_from_name_returns_base_class_for_unknown_name(name: str) -> None:
    """A newer version may have written the event."""
    assert type(error_from_name(name, "what happened")) is ModelArtsError


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
            TagConflictError("it", status=400, code="ModelArts.6737", request_id="r-1"),
            "it (HTTP 400, ModelArts.6737, request id r-1)",
        ),
        (RequestValidationError("it"), "it"),
        (
            RequestValidationError([FieldViolation("a", "is bad", 1), FieldViolation("b", "is worse", "x")]),
            "Nothing was sent: a is bad; got 1; b is worse; got 'x'",
        ),
        (FieldViolation("a", "is long", "x" * 200), f"a is long; got '{'x' * 79}… (200 characters)"),
        (FieldViolation("a", "fits", "x" * 78), f"a fits; got '{'x' * 78}'"),
    ],
)
def test_api_error_message_includes_all_details(error: object, text: str) -> None:
    assert str(error) == text


def test_api_error_keeps_details_as_attributes() -> None:
    error = RateLimitError("it", status=429, code="APIGW.0308", request_id="r", retry_after=7.0)
    assert (error.message, error.status, error.code, error.request_id, error.retry_after) == (
        "it",
        429,
        "APIGW.0308",
        "r",
        7.0,
    )
    assert RequestValidationError("it").violations == ()


def test_error_defaults_to_may_have_been_processed() -> None:
    """A write is sent again only if it was certainly not processed."""
    assert TransportError("it").may_have_been_processed
    assert not TransportError("it", may_have_been_processed=False).may_have_been_processed


@pytest.mark.parametrize(
    ("error", "is_transient"),
    [
        (TransportError, True),
        (InvalidResponseError, True),
        (RateLimitError, True),
        (ServerError, True),
        (AuthenticationError, False),
        (NotFoundError, False),
        (ApiError, True),
        (NotebookNotReadyError, True),
        (QuotaExceededError, True),
        (PermissionDeniedError, False),
        (RequestValidationError, False),
    ],
)
def test_transient_errors_are_the_documented_ones(error: type[ModelArtsError], is_transient: bool) -> None:
    assert error("it").is_transient is is_transient
