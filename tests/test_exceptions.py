"""The exception classes: tree, messages and attributes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from airflow_provider_modelarts import exceptions
from airflow_provider_modelarts.exceptions import (
    ApiError,
    AuthenticationError,
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


def tree(error: type[ModelArtsError] = ModelArtsError, depth: int = 0) -> Iterator[tuple[int, str, bool]]:
    """Yield every class of the tree with its depth, and whether it is transient."""
    yield depth, error.__name__, error.is_transient
    for below in error.__subclasses__():
        yield from tree(below, depth + 1)


def drawn() -> list[tuple[int, str, bool]]:
    """Return the tree of the docstring in the same form."""
    rows = re.findall(
        r"^    ( *)([A-Z][a-z]\w+)\b(?:  .*?)?( +\(transient\))?$", exceptions.__doc__ or "", re.MULTILINE
    )
    return [(len(indent) // 2, name, bool(transient)) for indent, name, transient in rows]


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
