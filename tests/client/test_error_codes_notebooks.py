"""The error codes of starts, stops, leases and updates of notebooks."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.error_codes import ERROR_CODES, MODELARTS_PAGE, classify
from airflow_provider_modelarts.exceptions import (
    AccountSuspendedError,
    ApiError,
    AuthenticationError,
    BadRequestError,
    NotebookNotReadyError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    ServerError,
)

NUMBERS: dict[type[ApiError], str] = {
    NotebookNotReadyError: "6304 6305 6306 6307 6308 6327 6347 6357 6958",
    NotFoundError: "6309 6404 6797",
    QuotaExceededError: "6329 6716 6360 0113 0118",
    PermissionDeniedError: "6328 6407 6701",
    AccountSuspendedError: "6326",
    AuthenticationError: "6401",
    BadRequestError: "0102 6348 6349 6400 6702 6768 6772 6785 6789 6792 6927 6967",
}
CODES = [(f"ModelArts.{number}", error) for error, numbers in NUMBERS.items() for number in numbers.split()]
UNDOCUMENTED = {"6401", "6404", "6407", "6701", "6702", "6772", "6785", "6927", "6958", "6967"}


@pytest.mark.parametrize("status", [400, 409])
@pytest.mark.parametrize(("code", "error"), CODES)
def test_classify_returns_class_of_code_under_any_status(
    code: str, error: type[ApiError], status: int
) -> None:
    """The pages print 6768 with the HTTP status 100, which no response has."""
    assert classify(status, code).error is error


def test_classify_returns_server_error_for_service_without_resources() -> None:
    assert classify(500, "ModelArts.6200").error is ServerError


@pytest.mark.parametrize(("code", "error"), CODES)
def test_error_codes_name_page_that_documents_code(code: str, error: type[ApiError]) -> None:
    pages = {row.page for (_, number), row in ERROR_CODES.items() if number == code and row.error is error}
    assert pages == {"" if code.partition(".")[2] in UNDOCUMENTED else MODELARTS_PAGE}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ModelArts.6327", "A stopped one has nothing to save"),
        ("ModelArts.6958", "A stopped one has nothing to save"),
        ("ModelArts.6797", "set another image"),
        ("ModelArts.6329", "choose another flavor"),
        ("ModelArts.6349", "limits that the message names"),
        ("ModelArts.6326", "account"),
    ],
)
def test_classify_returns_remedy_of_its_own(code: str, words: str) -> None:
    assert words in classify(400, code).remedy
