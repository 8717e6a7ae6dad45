"""Which failed polls end a wait."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.poll_errors import PollErrors
from airflow_provider_modelarts.exceptions import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ModelArtsError,
    NotFoundError,
    PermissionDeniedError,
    ServerError,
    TransportError,
)

GONE = NotFoundError("not found", status=400, code="ModelArts.6404")
BARE_403 = ApiError("denied", status=403, request_id="r-1")
NEW_403 = ApiError("denied", status=403, code="ModelArts.9999")
HTML_404 = ApiError("no reason given", status=404)
SEEN = None
Poll = tuple[float, ModelArtsError | None]


def end(*polls: Poll) -> tuple[int, type[ModelArtsError]] | None:
    """Return which poll ended the wait, and with which error."""
    errors = PollErrors()
    for number, (at, error) in enumerate(polls, 1):
        if error is None:
            errors.succeeded()
            continue
        try:
            errors.accept(error, at)
        except ModelArtsError as ended:
            return number, type(ended)
    return None


@pytest.mark.parametrize(
    ("polls", "expected"),
    [
        pytest.param([(0, GONE), (15, GONE), (30, GONE)], (3, NotFoundError), id="three in 30 s"),
        pytest.param([(0, GONE), (5, GONE), (10, GONE), (29, GONE)], None, id="four in 29 s"),
        pytest.param([(0, GONE), (3600, GONE)], None, id="two in an hour"),
        pytest.param(
            [(0, GONE), (15, ServerError("it")), (20, GONE), (40, GONE)],
            (4, NotFoundError),
            id="a failure between",
        ),
        pytest.param([(0, SEEN), (15, GONE)], (2, NotFoundError), id="seen before"),
        pytest.param([(0, GONE), (15, SEEN), (30, GONE)], (3, NotFoundError), id="seen late"),
    ],
)
def test_poll_errors_raise_not_found_when_confirmed(
    polls: list[Poll], expected: tuple[int, type[ModelArtsError]] | None
) -> None:
    """Lists and reads may lag behind a save."""
    assert end(*polls) == expected


@pytest.mark.parametrize(
    ("polls", "expected"),
    [
        pytest.param([BARE_403] * 3, (3, PermissionDeniedError), id="three in a row"),
        pytest.param([BARE_403, BARE_403, SEEN, BARE_403, BARE_403], None, id="a good poll between"),
        pytest.param([BARE_403, BARE_403, HTML_404, BARE_403], None, id="another failure between"),
        pytest.param([NEW_403] * 100, None, id="a code that no table holds"),
        pytest.param([HTML_404] * 100, None, id="a page of a gateway"),
        pytest.param([TransportError("it")] * 100, None, id="no reply"),
        pytest.param([AuthenticationError("it")], (1, AuthenticationError), id="credentials"),
        pytest.param(
            [PermissionDeniedError("it", code="ModelArts.6407")], (1, PermissionDeniedError), id="permission"
        ),
        pytest.param([BadRequestError("it", code="ModelArts.0104")], (1, BadRequestError), id="bad request"),
    ],
)
def test_poll_errors_raise_certain_refusal_at_once(
    polls: list[ModelArtsError | None], expected: tuple[int, type[ModelArtsError]] | None
) -> None:
    assert end(*[(15.0 * turn, error) for turn, error in enumerate(polls)]) == expected


def test_poll_errors_keep_details_of_permission_denied() -> None:
    errors = PollErrors()
    errors.accept(BARE_403, 0)
    errors.accept(BARE_403, 1)
    with pytest.raises(PermissionDeniedError, match=r"3 polls in a row .*HTTP 403, request id r-1"):
        errors.accept(BARE_403, 2)
