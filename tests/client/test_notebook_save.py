"""What ``NotebookSave`` asks of the service before create-image, and after a refusal of it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.http_types import Response
from airflow_provider_modelarts.client.idempotent_create import IdempotentCreate
from airflow_provider_modelarts.client.notebook_save import NotebookSave, Saved, SaveRules
from airflow_provider_modelarts.exceptions import (
    PERMANENT,
    ApiError,
    AuthenticationError,
    BadRequestError,
    ModelArtsError,
    NotebookNotReadyError,
    NotFoundError,
    RateLimitError,
    ServerError,
)
from tests.client.fake_transport import IMAGE_ID, modelarts, reply, run
from tests.client.save_service import (
    CREATED,
    FIELDS,
    FORBIDDEN,
    FOUND,
    HTML,
    LIST,
    NOTEBOOK_ID,
    NOTHING,
    OWN_KEY,
    POST,
    RUNNING,
    SHOW_IMAGE,
    SHOW_NOTEBOOK,
    Answers,
    Service,
    is_ring,
    listed,
    lost,
    record,
    refused,
)

SKIP = SaveRules(skips_stopped=True)
STOPPED = reply({"id": NOTEBOOK_ID, "status": "STOPPED"})
STOPPING = reply({"id": NOTEBOOK_ID, "status": "STOPPING"})
GONE = refused(400, "ModelArts.6404")
BUSY_CODE = refused(400, "ModelArts.6357")
STOPPED_CODE = refused(400, "ModelArts.6327")


def save(service: Service, rules: SaveRules = SaveRules(), *, check_existing: bool = False) -> Saved:  # noqa: B008
    client = modelarts(service)
    fields: dict[str, Any] = dict(FIELDS)
    creation = IdempotentCreate(client, CLOUDS["huaweicloud"], NOTEBOOK_ID, OWN_KEY, **fields)
    return run(NotebookSave(client, creation, NOTEBOOK_ID, rules).save(check_existing=check_existing))


def fails(answers: Answers, **how: Any) -> tuple[ModelArtsError, Service]:
    service = Service(answers)
    with pytest.raises(ModelArtsError) as caught:
        save(service, **how)
    assert not is_ring(caught.value)
    return caught.value, service


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(BUSY_CODE, id="busy"),
        pytest.param(STOPPED_CODE, id="not running"),
        pytest.param(refused(400, "ModelArts.6306"), id="starting"),
        pytest.param(refused(400, "ModelArts.9999"), id="unknown code"),
        pytest.param(refused(404), id="404 without a code"),
        pytest.param(refused(500, "ModelArts.0010"), id="500"),
    ],
)
@pytest.mark.parametrize("gone", [GONE, refused(400, "ModelArts.6309"), refused(404, "ModelArts.6404")])
@pytest.mark.parametrize("check_existing", [False, True], ids=["first try", "later try"])
def test_save_of_missing_notebook_is_permanent_whatever_code_refuses_it(
    refusal: Response, gone: Response, check_existing: bool
) -> None:
    error, service = fails(
        {POST: [refusal], LIST: [NOTHING], SHOW_NOTEBOOK: [gone]}, check_existing=check_existing
    )

    assert type(error) is NotFoundError
    assert NOTEBOOK_ID.lower() in str(error)
    assert service.posts == 1


@pytest.mark.parametrize("refusal", [FORBIDDEN, refused(500)], ids=["forbidden", "failing"])
def test_save_of_missing_notebook_is_permanent_although_images_are_not_listed(refusal: Response) -> None:
    error, _ = fails({POST: [BUSY_CODE], LIST: [refusal], SHOW_NOTEBOOK: [GONE]})
    assert type(error) is NotFoundError


def test_save_of_notebook_that_may_not_even_be_read_is_permanent() -> None:
    """A read needs no status: other clients of the API take its 6357 for a missing notebook."""
    error, _ = fails({POST: [BUSY_CODE], LIST: [NOTHING], SHOW_NOTEBOOK: [BUSY_CODE]})
    assert type(error) is NotFoundError
    assert "there is no such notebook" in str(error)
    assert "ModelArts.6357" in str(error)


@pytest.mark.parametrize("brief", [refused(400, "ModelArts.6333"), refused(400, "ModelArts.6355")])
@pytest.mark.parametrize("check_existing", [False, True], ids=["first try", "later try"])
@pytest.mark.parametrize("refusal", [BUSY_CODE, None], ids=["busy", "as the read"])
def test_save_of_notebook_that_is_restored_or_initialised_is_retried(
    refusal: Response | None, brief: Response, check_existing: bool
) -> None:
    """These codes pass within minutes, so they do not mean that there is no such notebook."""
    answers: Answers = {POST: [refusal or brief], LIST: [NOTHING], SHOW_NOTEBOOK: [brief]}
    error, _ = fails(answers, check_existing=check_existing)
    assert type(error) is NotebookNotReadyError


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (BUSY_CODE, NotebookNotReadyError),
        (STOPPED_CODE, NotebookNotReadyError),
        (refused(400, "ModelArts.9999"), ApiError),
        (refused(404), ApiError),
        (refused(500), ServerError),
    ],
)
@pytest.mark.parametrize(
    "answer",
    [RUNNING, FORBIDDEN, refused(403), refused(404), refused(500), reply(HTML), lost()],
    ids=["RUNNING", "forbidden", "403", "404 without a code", "500", "a page", "no response"],
)
def test_save_keeps_refusal_of_notebook_that_may_exist(
    refusal: Response, error: type[ModelArtsError], answer: Response | Exception
) -> None:
    found, _ = fails({POST: [refusal], LIST: [NOTHING], SHOW_NOTEBOOK: [answer]})
    assert type(found) in {error, NotebookNotReadyError}
    assert not isinstance(found, PERMANENT)


def test_save_keeps_unknown_refusal_of_notebook_that_is_busy_for_a_read() -> None:
    found, _ = fails({POST: [refused(400, "ModelArts.9999")], LIST: [NOTHING], SHOW_NOTEBOOK: [BUSY_CODE]})
    assert type(found) is ApiError


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (GONE, NotFoundError),
        (refused(400, "ModelArts.6400"), BadRequestError),
        (refused(401), AuthenticationError),
        (refused(429), RateLimitError),
    ],
)
def test_save_does_not_read_notebook_after_refusal_that_says_enough(
    refusal: Response, error: type[ModelArtsError]
) -> None:
    found, service = fails({POST: [refusal]})
    assert type(found) is error
    assert set(service.kinds) == {POST}


@pytest.mark.parametrize("rules", [SaveRules(), SKIP], ids=["no rule", "skip"])
def test_save_reads_notebook_first_only_if_a_rule_needs_it(rules: SaveRules) -> None:
    service = Service({POST: [CREATED], SHOW_NOTEBOOK: [RUNNING]})

    saved = save(service, rules)

    assert saved.image is not None
    assert (saved.image.id, saved.is_adopted, saved.skipped) == (IMAGE_ID, False, None)
    assert service.kinds == ([SHOW_NOTEBOOK, POST] if rules is SKIP else [POST])
    assert (saved.notebook is None) is (rules is not SKIP)


@pytest.mark.parametrize(
    ("answers", "kinds", "is_adopted"),
    [
        pytest.param(
            {SHOW_NOTEBOOK: [STOPPED], LIST: [FOUND]}, [SHOW_NOTEBOOK, LIST], True, id="own image first"
        ),
        pytest.param(
            {SHOW_NOTEBOOK: [STOPPING], LIST: [listed(record(status="ERROR"))]},
            [SHOW_NOTEBOOK, LIST, LIST],
            False,
            id="own failed image does not count",
        ),
        pytest.param(
            {SHOW_NOTEBOOK: [STOPPED], LIST: [NOTHING]}, [SHOW_NOTEBOOK, LIST, LIST], False, id="none"
        ),
        pytest.param(
            {SHOW_NOTEBOOK: [RUNNING, STOPPED], POST: [STOPPED_CODE], LIST: [NOTHING]},
            [SHOW_NOTEBOOK, POST, LIST, SHOW_NOTEBOOK, LIST, LIST],
            False,
            id="stopped since it was read",
        ),
        pytest.param(
            {SHOW_NOTEBOOK: [FORBIDDEN], POST: [CREATED]}, [SHOW_NOTEBOOK, POST], None, id="may not be read"
        ),
    ],
)
def test_save_skips_stopped_notebook_without_own_image(
    answers: Answers, kinds: list[str], is_adopted: bool | None
) -> None:
    """None: it is saved."""
    service = Service(answers)

    saved = save(service, SKIP)

    assert service.kinds == kinds
    assert (saved.skipped is not None) is (is_adopted is False)
    assert (saved.image is None) is (is_adopted is False)
    assert saved.is_adopted is bool(is_adopted)


@pytest.mark.parametrize("status", ["SNAPSHOTTING", "STARTING", "FROZEN", "ERROR", "DELETED", "NEW", None])
def test_save_skips_no_other_status(status: str | None) -> None:
    notebook = reply({"id": NOTEBOOK_ID, "status": status})
    error, service = fails({SHOW_NOTEBOOK: [notebook], POST: [STOPPED_CODE], LIST: [NOTHING]}, rules=SKIP)
    assert type(error) is NotebookNotReadyError
    assert service.posts == 1


def test_save_skips_nothing_while_own_request_is_in_doubt() -> None:
    """The image may exist without being listed yet: the next try searches again."""
    error, _ = fails({SHOW_NOTEBOOK: [RUNNING, STOPPED], POST: [lost()], LIST: [NOTHING]}, rules=SKIP)
    assert type(error) is NotebookNotReadyError
    assert "The next try checks again" in str(error)


@pytest.mark.parametrize("answer", [FORBIDDEN, refused(500), lost()], ids=["forbidden", "500", "lost"])
def test_save_skips_nothing_if_own_image_cannot_be_searched(answer: Response | Exception) -> None:
    _, service = fails({SHOW_NOTEBOOK: [STOPPED], LIST: [answer]}, rules=SKIP)
    assert service.posts == 0


def test_save_skips_with_doubt_if_only_snapshots_cannot_be_listed() -> None:
    saved = save(Service({SHOW_NOTEBOOK: [STOPPED], LIST: [NOTHING, FORBIDDEN]}), SKIP)
    assert saved.skipped is not None
    assert not saved.skipped.is_safe
    assert "may have been stopped unsaved" in saved.skipped.reason


@pytest.mark.parametrize(
    "answer", [GONE, refused(401), refused(400, "ModelArts.6326")], ids=["gone", "wrong key", "arrears"]
)
def test_save_sends_nothing_if_read_before_it_proves_it_useless(answer: Response) -> None:
    error, service = fails({SHOW_NOTEBOOK: [answer]}, rules=SKIP)
    assert isinstance(error, PERMANENT)
    assert service.posts == 0


def test_save_of_later_try_reuses_image_that_notebook_runs_before_lists_have_it() -> None:
    """Else the renewal would make the notebook seem started after its save."""
    runs = reply({"id": NOTEBOOK_ID, "status": "RUNNING", "image": {"id": IMAGE_ID}})
    own = reply(record(status="ACTIVE"))
    service = Service({LIST: [NOTHING], SHOW_NOTEBOOK: [runs], SHOW_IMAGE: [own]})

    saved = save(service, SKIP, check_existing=True)

    assert saved.image is not None
    assert (saved.image.id, saved.is_adopted, saved.previous_image_id) == (IMAGE_ID, True, None)
    assert service.posts == 0


@pytest.mark.parametrize(
    ("runs", "previous"), [("built-in", "built-in"), (IMAGE_ID, None), (IMAGE_ID.upper(), None), (None, None)]
)
def test_saved_names_previous_image_but_never_the_new_one(runs: str | None, previous: str | None) -> None:
    notebook = reply({"id": NOTEBOOK_ID, "status": "RUNNING", "image": {"id": runs}})
    assert save(Service({SHOW_NOTEBOOK: [notebook], POST: [CREATED]}), SKIP).previous_image_id == previous
