"""``IdempotentCreate`` after a refusal that took effect all the same: a tag that is in use may be its own."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.http_types import Response
from airflow_provider_modelarts.exceptions import PERMANENT, ApiError, TagConflictError
from tests.client.fake_transport import IMAGE_ID, START
from tests.client.save_service import (
    CREATED,
    FORBIDDEN,
    FOUND,
    LIST,
    NOTHING,
    POST,
    TAKEN,
    Service,
    listed,
    record,
    refused,
)

THROTTLED = refused(429)
UNPROCESSED = {
    "429": THROTTLED,
    "429 with a code": refused(429, "ModelArts.0201"),
    "being initialised": refused(400, "ModelArts.6355"),
    "cluster is full": refused(400, "ModelArts.6360"),
}
unprocessed = pytest.mark.parametrize("answer", UNPROCESSED.values(), ids=list(UNPROCESSED))
FAILED_OF_OTHER = listed(record(id="0" * 8 + IMAGE_ID[8:], description="by hand", status="CREATE_FAILED"))


@unprocessed
def test_create_raises_retryable_error_after_resend_when_tag_is_taken_by_unlisted_image(
    answer: Response,
) -> None:
    service = Service({POST: [answer, TAKEN], LIST: [NOTHING]})

    error = service.fails(ApiError)

    assert not isinstance(error, PERMANENT)
    assert "now in use, perhaps by this task's own save" in str(error)
    assert service.kinds == [POST, POST, LIST, LIST, LIST]


@unprocessed
def test_create_finds_own_image_after_resend_when_list_lags(answer: Response) -> None:
    """This try caused the image, so it is not adopted."""
    service = Service({POST: [answer, TAKEN], LIST: [NOTHING, NOTHING, FOUND]})

    assert service.save() == (IMAGE_ID, False)
    assert service.posts == 2


@pytest.mark.parametrize(("age", "is_adopted"), [(600, True), (1, False)])
def test_create_adopts_image_of_earlier_try_after_resend(age: int, is_adopted: bool) -> None:
    found = listed(record(create_at=int((START - age) * 1000)))
    service = Service({POST: [THROTTLED, TAKEN], LIST: [NOTHING, NOTHING, found]})

    assert service.save(check_existing=True) == (IMAGE_ID, is_adopted)


@pytest.mark.parametrize("forbidden", [FORBIDDEN, refused(403)], ids=["403 with a code", "403"])
@pytest.mark.parametrize("is_resent", [True, False])
def test_create_raises_retryable_error_when_list_is_forbidden_only_after_resend(
    forbidden: Response, is_resent: bool
) -> None:
    service = Service({POST: [THROTTLED, TAKEN] if is_resent else [TAKEN], LIST: [forbidden]})

    error = service.fails(ApiError if is_resent else TagConflictError)

    assert "modelarts:image:list is missing" in str(error)


@pytest.mark.parametrize(
    ("posts", "is_later_try", "is_permanent"),
    [([TAKEN], False, True), ([THROTTLED, TAKEN], False, False), ([TAKEN], True, False)],
    ids=["only request", "sent again", "later try"],
)
def test_create_is_refused_permanently_for_failed_image_of_another_only_if_it_cannot_have_saved(
    posts: list[Response], is_later_try: bool, is_permanent: bool
) -> None:
    """A failed record need not be the one that uses the tag."""
    service = Service({POST: posts, LIST: [FAILED_OF_OTHER]})

    error = service.fails(TagConflictError if is_permanent else ApiError, check_existing=is_later_try)

    assert "which this task did not save" in str(error)


def test_create_is_refused_permanently_after_resend_for_live_image_of_another() -> None:
    """Two live images cannot have one tag."""
    service = Service({POST: [THROTTLED, TAKEN], LIST: [listed(record(description="by hand"))]})

    service.fails(TagConflictError)


def test_create_is_refused_permanently_when_only_request_finds_tag_taken() -> None:
    service = Service({POST: [TAKEN, CREATED], LIST: [NOTHING]})

    service.fails(TagConflictError)

    assert service.posts == 1
