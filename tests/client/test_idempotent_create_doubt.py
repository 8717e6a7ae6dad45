"""Saves of which the reply leaves a doubt, or whose doubt cannot be checked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_modelarts.client.http_types import Response
from airflow_provider_modelarts.exceptions import (
    PERMANENT,
    ApiError,
    AuthenticationError,
    BadRequestError,
    InvalidResponseError,
    ModelArtsError,
    NotebookNotReadyError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    ResponseTooLargeError,
    ServerError,
    TransportError,
)
from tests.client.fake_transport import IMAGE_ID, reply
from tests.client.save_service import (
    BUSY,
    CREATED,
    FORBIDDEN,
    FOUND,
    HTML,
    LIST,
    LOOK,
    NOTEBOOK_ID,
    NOTHING,
    POST,
    RUNNING,
    SHOW,
    TAKEN,
    Service,
    is_ring,
    lost,
    refused,
)

DOUBTS: dict[str, Callable[[], Response | Exception]] = {
    "read time-out": lost,
    "500": lambda: refused(500, "ModelArts.6102"),
    "502 of a gateway": lambda: refused(502),
    "201 without a body": lambda: reply(b"", 201),
    "204": lambda: reply(b"", 204),
    "200 of a portal": lambda: reply(HTML),
    "200 without an id": lambda: reply({"name": "research"}),
    "too large": lambda: ResponseTooLargeError("The response is larger than 256 KiB"),
    "redirect": lambda: reply(b"", 302, location="https://elsewhere"),
    "400 of a gateway": lambda: refused(400),
    "403 of a gateway": lambda: refused(403),
    "404 of a gateway": lambda: refused(404),
    "407 of a proxy": lambda: refused(407),
    "409 with a proxy's code": lambda: refused(409, "PROXY-1"),
    "a gateway's new code": lambda: refused(400, "APIGW.9999"),
}
doubts = pytest.mark.parametrize("doubt", DOUBTS.values(), ids=list(DOUBTS))


@doubts
def test_doubt_is_resolved_by_the_mark(doubt: Callable[[], Response | Exception]) -> None:
    """This call caused what is found, so it is not adopted."""
    service = Service({POST: [doubt()], LIST: [FOUND], SHOW: [RUNNING]})

    assert service.save() == (IMAGE_ID, False)
    assert service.kinds == [POST, LIST]


@doubts
def test_doubt_is_resolved_by_the_mark_although_lists_lag(doubt: Callable[[], Response | Exception]) -> None:
    service = Service({POST: [doubt()], LIST: [NOTHING, NOTHING, FOUND]})

    assert service.save() == (IMAGE_ID, False)
    assert service.kinds == [POST, LIST, LIST, LIST]
    assert service.sleeps == [5, 5, 5]


@doubts
def test_doubt_of_a_running_notebook_sends_again(doubt: Callable[[], Response | Exception]) -> None:
    service = Service({POST: [doubt(), CREATED], LIST: [NOTHING], SHOW: [RUNNING]})

    assert service.save() == (IMAGE_ID, False)
    assert service.kinds == [POST, LIST, LIST, LIST, SHOW, POST]


@doubts
def test_doubt_whose_tag_is_taken_by_what_no_list_shows_is_left_to_the_next_try(
    doubt: Callable[[], Response | Exception],
) -> None:
    """It is this very save, most likely, in a list that lags: no conflict that ends the task for good."""
    service = Service({POST: [doubt(), TAKEN], LIST: [NOTHING], SHOW: [RUNNING]})

    with pytest.raises(ModelArtsError, match="Tag 'nightly' is now in use, perhaps by this") as caught:
        service.save()

    assert not isinstance(caught.value, PERMANENT)
    assert not is_ring(caught.value)
    assert service.posts == 2


@doubts
def test_doubt_of_a_busy_notebook_is_left_to_the_next_try(doubt: Callable[[], Response | Exception]) -> None:
    service = Service({POST: [doubt()], LIST: [NOTHING], SHOW: [BUSY]})

    error = service.fails(NotebookNotReadyError)

    assert "the notebook is SNAPSHOTTING. The next try checks again" in str(error)
    assert service.posts == 1


@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 407, 409, 422, 451])
def test_refusal_without_a_code_ends_as_a_retryable_error(status: int) -> None:
    """It may be a gateway's moment: the task's next try may succeed."""
    service = Service({POST: [refused(status)], LIST: [NOTHING], SHOW: [RUNNING]})

    error = service.fails(ApiError)

    assert isinstance(error, ApiError)
    assert (error.status, error.request_id, service.posts) == (status, "r-1", 4)
    assert not isinstance(error, PERMANENT)


def test_401_without_a_code_is_no_doubt() -> None:
    service = Service({POST: [refused(401)]})

    service.fails(AuthenticationError)

    assert service.kinds == [POST]


@pytest.mark.parametrize("code", ["ModelArts.9999", "ModelArts.0001"])
@pytest.mark.parametrize("is_there", [False, True], ids=["nothing there", "image there"])
def test_unknown_code_of_the_service_is_checked_once_and_not_sent_again(code: str, is_there: bool) -> None:
    service = Service({POST: [refused(400, code)], LIST: [FOUND if is_there else NOTHING]})

    if is_there:
        assert service.save() == (IMAGE_ID, False)
    else:
        error = service.fails(ApiError)
        assert isinstance(error, ApiError)
        assert error.code == code
    assert service.kinds == [POST, LIST]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(400, "ModelArts.6404"), NotFoundError),
        (refused(400, "ModelArts.0107"), BadRequestError),
        (refused(403, "ModelArts.0108"), PermissionDeniedError),
        (refused(400, "ModelArts.0113"), QuotaExceededError),
    ],
)
def test_known_refusal_stays_as_it_is(answer: Response, error: type[ModelArtsError]) -> None:
    service = Service({POST: [answer]})

    service.fails(error)

    assert service.kinds == [POST]


# Notebooks that are not ready

NOT_READY = {
    "ModelArts.6327": NotebookNotReadyError,
    "ModelArts.6357": NotebookNotReadyError,
    "ModelArts.6958": NotebookNotReadyError,
    "ModelArts.6355": NotebookNotReadyError,
    "ModelArts.6333": NotebookNotReadyError,
    "ModelArts.6360": QuotaExceededError,
}
BRIEF = ("ModelArts.6355", "ModelArts.6333", "ModelArts.6360")


@pytest.mark.parametrize(("code", "error"), NOT_READY.items())
def test_not_ready_is_checked_and_then_raised(code: str, error: type[ModelArtsError]) -> None:
    """At once, or where ModelArts says that it takes a minute, after two."""
    service = Service({POST: [refused(400, code)], LIST: [NOTHING]})

    failure = service.fails(error)

    assert not isinstance(failure, PERMANENT)
    assert service.kinds == [POST] * service.posts + [LIST]
    if code in BRIEF:
        assert service.posts > 3
        assert 90 <= sum(service.sleeps) <= 120
    else:
        assert (service.posts, service.sleeps) == (1, [])


@pytest.mark.parametrize("code", NOT_READY)
def test_not_ready_for_an_own_save_adopts_it(code: str) -> None:
    """An earlier try's: this one was refused."""
    service = Service({POST: [refused(400, code)], LIST: [FOUND]})

    assert service.save() == (IMAGE_ID, True)


def test_not_ready_after_a_doubt_is_this_tries_own_save() -> None:
    service = Service(
        {POST: [lost(), refused(400, "ModelArts.6357")], LIST: [NOTHING] * 3 + [FOUND], SHOW: [RUNNING]}
    )

    assert service.save() == (IMAGE_ID, False)


@pytest.mark.parametrize("code", BRIEF)
def test_brief_refusal_is_sent_again_and_saves(code: str) -> None:
    service = Service({POST: [refused(400, code), refused(400, code), CREATED]})

    assert service.save() == (IMAGE_ID, False)
    assert service.kinds == [POST, POST, POST]


# Checks that are forbidden


@pytest.mark.parametrize(("code", "error"), NOT_READY.items())
@pytest.mark.parametrize("forbidden", [FORBIDDEN, refused(403)], ids=["403 with a code", "403"])
def test_forbidden_list_keeps_the_refusal(
    code: str, error: type[ModelArtsError], forbidden: Response, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service({POST: [refused(400, code)], LIST: [forbidden]})

    failure = service.fails(error)

    assert isinstance(failure, ApiError)
    assert (failure.code, failure.request_id) == (code, "r-1")
    assert "modelarts:image:list is missing" in str(failure)
    said = [line for line in caplog.messages if "modelarts:image:list" in line]
    assert len(said) == 1


@pytest.mark.parametrize("check", [refused(500), lost(), refused(400), reply(HTML), refused(401)])
def test_failed_list_keeps_the_refusal(check: Response | Exception) -> None:
    """Whatever hinders the check, the notebook's state is what the task is told."""
    service = Service({POST: [refused(400, "ModelArts.6327")], LIST: [check]})

    assert "because the check failed" in str(service.fails(NotebookNotReadyError))


@doubts
@pytest.mark.parametrize("forbidden", [FORBIDDEN, refused(403)], ids=["403 with a code", "403"])
def test_forbidden_list_leaves_a_doubt_that_is_never_sent_again(
    forbidden: Response, doubt: Callable[[], Response | Exception]
) -> None:
    service = Service({POST: [doubt()], LIST: [forbidden], SHOW: [RUNNING]})

    with pytest.raises((TransportError, InvalidResponseError, ServerError, ApiError)) as caught:
        service.save()

    assert f"already saved notebook {NOTEBOOK_ID}, because modelarts:image:list is missing" in str(
        caught.value
    )
    assert not isinstance(caught.value, PERMANENT)
    assert not is_ring(caught.value)
    assert service.posts == 1


def test_forbidden_notebook_leaves_a_doubt_that_is_never_sent_again() -> None:
    service = Service({POST: [lost()], LIST: [NOTHING], SHOW: [FORBIDDEN]})

    assert "because modelarts:notebook:get is missing" in str(service.fails(TransportError))
    assert service.posts == 1


@pytest.mark.parametrize("answer", [refused(403), refused(400), reply(HTML)], ids=["403", "400", "a page"])
def test_look_that_fails_once_is_repeated(answer: Response) -> None:
    service = Service({POST: [lost(), CREATED], LIST: [answer, NOTHING, NOTHING], SHOW: [RUNNING]})

    assert service.save() == (IMAGE_ID, False)
    assert service.kinds == [POST, LIST, LIST, LIST, SHOW, POST]


def test_last_look_that_fails_does_not_mean_that_nothing_is_there() -> None:
    service = Service({POST: [lost(), CREATED], LIST: [NOTHING, NOTHING, reply(HTML)], SHOW: [RUNNING]})

    service.fails(TransportError)

    assert service.posts == 1


@pytest.mark.parametrize(
    ("forbidden", "error"),
    [(FORBIDDEN, PermissionDeniedError), (refused(403), ApiError)],
    ids=["coded", "403"],
)
def test_later_try_that_cannot_check_sends_nothing(forbidden: Response, error: type[ModelArtsError]) -> None:
    """An earlier one may have saved; that there is a permission to grant is what it says."""
    service = Service({POST: [CREATED], LIST: [forbidden]})

    failure = service.fails(error, check_existing=True)

    assert "modelarts:image:list is missing" in str(failure)
    assert NOTEBOOK_ID in str(failure)
    assert service.posts == 0


def test_refused_credentials_are_no_missing_permission() -> None:
    """Some of their codes come with 403, too."""
    service = Service({POST: [CREATED], LIST: [refused(403, "ModelArts.0206")]})

    assert "is missing" not in str(service.fails(AuthenticationError, check_existing=True))
    assert service.posts == 0


@pytest.mark.parametrize("answer", [FORBIDDEN, refused(403), refused(404), reply(HTML), refused(400, "X.1")])
def test_remembered_image_that_cannot_be_looked_at_is_looked_for(answer: Response) -> None:
    service = Service({LOOK: [answer], LIST: [FOUND]})

    assert service.save(check_existing=True, image_id_hint=IMAGE_ID) == (IMAGE_ID, True)
    assert service.kinds == [LOOK, LIST]
