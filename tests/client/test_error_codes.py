"""The table of error codes, and ``classify``."""

from __future__ import annotations

import re

import pytest

from airflow_provider_modelarts.client.error_codes import ERROR_CODES, classify
from airflow_provider_modelarts.exceptions import (
    PERMANENT,
    AccountSuspendedError,
    ApiError,
    AuthenticationError,
    BadRequestError,
    NotebookNotReadyError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    TagConflictError,
)

PLAIN = ApiError
"""The class of an unknown code, which is never permanent."""


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
def test_classify_returns_class_of_known_code(status: int, code: str, error: type[ApiError]) -> None:
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
def test_classify_401_without_code_returns_authentication_error(code: str, error: type[ApiError]) -> None:
    assert classify(401, code).error is error


@pytest.mark.parametrize(("status", "code"), ERROR_CODES)
def test_classify_returns_remedy(status: int, code: str) -> None:
    assert re.fullmatch(r"[A-Z].+\.", classify(status, code).remedy)


def test_error_codes_are_brief_only_where_service_names_a_minute() -> None:
    brief = {code for (_, code), row in ERROR_CODES.items() if row.is_brief}
    assert brief == {"ModelArts.6333", "ModelArts.6355", "ModelArts.6360"}
