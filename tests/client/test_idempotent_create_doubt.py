"""``IdempotentCreate`` after a response that leaves open whether the image exists."""

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
    NOTEBOOK_ID,
    NOTHING,
    POST,
    RUNNING,
    SHOW_IMAGE,
    SHOW_NOTEBOOK,
    TAKEN,
    Service,
    is_ring,
    lost,
    refused,
)

DOUBTS: dict[str, Callable[[], Response | Exception]] = {
    "read timeout": lost,
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
def test_create_recovers_lost_response_by_marker(doubt: Callable[[], Response | Exception]) -> None:
    """This call created the image, so it is not reported as adopted."""
    service = Service({POST: [doubt()], LIST: [FOUND], SHOW_NOTEBOOK: [RUNNING]})

    assert service.save() == (IMAGE_ID, False)
    assert service.kinds == [POST, LIST]


@doubts
def test_create_recovers_lost_response_by_marker_when_list_lags(
    doubt: Callable[[], Response | Exception],
) -> None:
    service = Service({POST: [doubt()], LIST: [NOTHING, NOTHING, FOUND]})

    assert service.save() == (IMAGE_ID, False)
    assert service.kinds == [POST, LIST, LIST, LIST]
    assert service.sleeps == [5, 5, 5]


@doubts
def test_create_resends_after_lost_response_when_notebook_is_running(
    doubt: Callable[[], Response | Exception],
) -> None:
    service = Service({POST: [doubt(), CREATED], LIST: [NOTHING], SHOW_NOTEBOOK: [RUNNING]})

    assert service.save() == (IMAGE_ID, False)
    assert service.kinds == [POST, LIST, LIST, LIST, SHOW_NOTEBOOK, POST]


@doubts
def test_create_raises_retryable_error_when_tag_is_taken_by_unlisted_image(
    doubt: Callable[[], Response | Exception],
) -> None:
    """It is most likely this save's own image, in a list that lags; the next try finds it."""
    service = Service({POST: [doubt(), TAKEN], LIST: [NOTHING], SHOW_NOTEBOOK: [RUNNING]})

    with pytest.raises(ModelArtsError, match="Tag 'nightly' is now in use, perhaps by this") as caught:
        service.save()

    assert not isinstance(caught.value, PERMANENT)
    assert not is_ring(caught.value)
    assert service.posts == 2


def test_create_raises_retryable_error_in_later_try_when_tag_is_taken_by_unlisted_image() -> None:
    """The earlier try may have created it, in a list that still lags."""
    service = Service({POST: [TAKEN], LIST: [NOTHING]})

    with pytest.raises(
        ApiError, match="Tag 'nightly' is now in use, perhaps by this task's own save"
    ) as caught:
        service.save(check_existing=True)

    assert not isinstance(caught.value, PERMANENT)
    assert caught.value.code == "ModelArts.6737"


@doubts
def test_create_raises_retryable_error_after_lost_response_when_notebook_is_busy(
    doubt: Callable[[], Response | Exception],
) -> None:
    service = Service({POST: [doubt()], LIST: [NOTHING], SHOW_NOTEBOOK: [BUSY]})

    error = service.fails(NotebookNotReadyError)

    assert "the notebook is SNAPSHOTTING. The next try checks again" in str(error)
    assert service.posts == 1


@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 407, 409, 422, 451])
def test_create_raises_retryable_error_on_refusal_without_code(status: int) -> None:
    """It may come from a gateway; the task's next try may succeed."""
    service = Service({POST: [refused(status)], LIST: [NOTHING], SHOW_NOTEBOOK: [RUNNING]})

    error = service.fails(ApiError)

    assert isinstance(error, ApiError)
    assert (error.status, error.request_id, service.posts) == (status, "r-1", 4)
    assert not isinstance(error, PERMANENT)


def test_create_does_not_check_after_401_without_code() -> None:
    service = Service({POST: [refused(401)]})

    service.fails(AuthenticationError)

    assert service.kinds == [POST]


@pytest.mark.parametrize("code", ["ModelArts.9999", "ModelArts.0001"])
@pytest.mark.parametrize("is_there", [False, True], ids=["nothing there", "image there"])
def test_create_checks_once_and_does_not_resend_on_unknown_code(code: str, is_there: bool) -> None:
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
def test_create_raises_known_refusal_unchanged(answer: Response, error: type[ModelArtsError]) -> None:
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
def test_create_checks_then_raises_when_notebook_is_not_ready(code: str, error: type[ModelArtsError]) -> None:
    """At once, or after two attempts where ModelArts names a minute."""
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
def test_create_adopts_own_image_when_notebook_is_not_ready(code: str) -> None:
    """An earlier try created it, unless this one has sent several requests."""
    service = Service({POST: [refused(400, code)], LIST: [FOUND]})

    assert service.save() == (IMAGE_ID, code not in BRIEF)


def test_create_returns_own_image_when_resend_is_not_ready() -> None:
    service = Service(
        {
            POST: [lost(), refused(400, "ModelArts.6357")],
            LIST: [NOTHING] * 3 + [FOUND],
            SHOW_NOTEBOOK: [RUNNING],
        }
    )

    assert service.save() == (IMAGE_ID, False)


@pytest.mark.parametrize("code", BRIEF)
def test_create_resends_after_temporary_refusal(code: str) -> None:
    service = Service({POST: [refused(400, code), refused(400, code), CREATED]})

    assert service.save() == (IMAGE_ID, False)
    assert service.kinds == [POST, POST, POST]


# Checks that are forbidden


@pytest.mark.parametrize(("code", "error"), NOT_READY.items())
@pytest.mark.parametrize("forbidden", [FORBIDDEN, refused(403)], ids=["403 with a code", "403"])
def test_create_raises_refusal_when_list_is_forbidden(
    code: str, error: type[ModelArtsError], forbidden: Response, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service({POST: [refused(400, code)], LIST: [forbidden]})

    failure = service.fails(error)

    assert isinstance(failure, ApiError)
    assert (failure.code, failure.request_id) == (code, "r-1")
    assert "modelarts:image:list is missing" in str(failure)
    warnings = [line for line in caplog.messages if "modelarts:image:list" in line]
    assert len(warnings) == 1


@pytest.mark.parametrize("check", [refused(500), lost(), refused(400), reply(HTML), refused(401)])
def test_create_raises_refusal_when_list_fails(check: Response | Exception) -> None:
    service = Service({POST: [refused(400, "ModelArts.6327")], LIST: [check]})

    assert "because the check failed" in str(service.fails(NotebookNotReadyError))


@doubts
@pytest.mark.parametrize("forbidden", [FORBIDDEN, refused(403)], ids=["403 with a code", "403"])
def test_create_does_not_resend_after_lost_response_when_list_is_forbidden(
    forbidden: Response, doubt: Callable[[], Response | Exception]
) -> None:
    service = Service({POST: [doubt()], LIST: [forbidden], SHOW_NOTEBOOK: [RUNNING]})

    with pytest.raises((TransportError, InvalidResponseError, ServerError, ApiError)) as caught:
        service.save()

    assert f"already saved notebook {NOTEBOOK_ID}, because modelarts:image:list is missing" in str(
        caught.value
    )
    assert not isinstance(caught.value, PERMANENT)
    assert not is_ring(caught.value)
    assert service.posts == 1


def test_create_does_not_resend_after_lost_response_when_notebook_is_forbidden() -> None:
    service = Service({POST: [lost()], LIST: [NOTHING], SHOW_NOTEBOOK: [FORBIDDEN]})

    assert "because modelarts:notebook:get is missing" in str(service.fails(TransportError))
    assert service.posts == 1


@pytest.mark.parametrize("answer", [refused(403), refused(400), reply(HTML)], ids=["403", "400", "a page"])
def test_create_retries_failed_lookup(answer: Response) -> None:
    service = Service({POST: [lost(), CREATED], LIST: [answer, NOTHING, NOTHING], SHOW_NOTEBOOK: [RUNNING]})

    assert service.save() == (IMAGE_ID, False)
    assert service.kinds == [POST, LIST, LIST, LIST, SHOW_NOTEBOOK, POST]


def test_create_raises_when_last_lookup_fails() -> None:
    """A failed lookup does not show that there is no image."""
    service = Service(
        {POST: [lost(), CREATED], LIST: [NOTHING, NOTHING, reply(HTML)], SHOW_NOTEBOOK: [RUNNING]}
    )

    service.fails(TransportError)

    assert service.posts == 1


@pytest.mark.parametrize(
    ("forbidden", "error"),
    [(FORBIDDEN, PermissionDeniedError), (refused(403), ApiError)],
    ids=["coded", "403"],
)
def test_create_sends_nothing_when_later_try_cannot_check(
    forbidden: Response, error: type[ModelArtsError]
) -> None:
    """An earlier try may have created the image; the error names the missing permission."""
    service = Service({POST: [CREATED], LIST: [forbidden]})

    failure = service.fails(error, check_existing=True)

    assert "modelarts:image:list is missing" in str(failure)
    assert NOTEBOOK_ID in str(failure)
    assert service.posts == 0


def test_create_does_not_report_refused_credentials_as_missing_permission() -> None:
    """Some of their codes come with 403, too."""
    service = Service({POST: [CREATED], LIST: [refused(403, "ModelArts.0206")]})

    assert "is missing" not in str(service.fails(AuthenticationError, check_existing=True))
    assert service.posts == 0


@pytest.mark.parametrize("answer", [FORBIDDEN, refused(403), refused(404), reply(HTML), refused(400, "X.1")])
def test_create_lists_images_when_hinted_image_cannot_be_read(answer: Response) -> None:
    service = Service({SHOW_IMAGE: [answer], LIST: [FOUND]})

    assert service.save(check_existing=True, image_id_hint=IMAGE_ID) == (IMAGE_ID, True)
    assert service.kinds == [SHOW_IMAGE, LIST]
