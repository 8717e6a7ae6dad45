"""``IdempotentCreate`` when an image exists already: whose it is, and whether it is reused."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from airflow_provider_modelarts.client.http_types import Response
from airflow_provider_modelarts.exceptions import (
    PERMANENT,
    InvalidResponseError,
    ModelArtsError,
    NotebookNotReadyError,
    TagConflictError,
)
from tests.client.fake_transport import IMAGE_ID, reply
from tests.client.save_service import (
    BUSY,
    CREATED,
    DELETE,
    FORBIDDEN,
    FOUND,
    HTML,
    LIST,
    NOTEBOOK_ID,
    NOTHING,
    OTHER_KEY,
    OWN_KEY,
    POST,
    RUNNING,
    SHOW_NOTEBOOK,
    TAKEN,
    Service,
    listed,
    lost,
    record,
    refused,
)


def test_create_adopts_image_with_own_tag_found_at_first_request() -> None:
    service = Service({POST: [TAKEN], LIST: [FOUND]})

    assert service.save() == (IMAGE_ID, True)


def test_create_does_not_report_own_image_as_adopted_after_lost_response() -> None:
    service = Service({POST: [lost(), TAKEN], LIST: [NOTHING] * 3 + [FOUND], SHOW_NOTEBOOK: [RUNNING]})

    assert service.save() == (IMAGE_ID, False)


def test_create_adopts_foreign_image_with_tag_after_lost_response() -> None:
    theirs = listed(record(description="theirs"))
    service = Service({POST: [lost(), TAKEN], LIST: [NOTHING] * 3 + [theirs], SHOW_NOTEBOOK: [RUNNING]})

    assert service.save(if_exists="adopt") == (IMAGE_ID, True)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (NOTHING, "the image that uses it is not listed"),
        (listed(record(description="theirs")), f"belongs to image {IMAGE_ID}, which this task did not save"),
        (FORBIDDEN, "modelarts:image:list is missing"),
        (refused(403), "modelarts:image:list is missing"),
    ],
    ids=["hidden", "theirs", "forbidden", "403"],
)
def test_tag_conflict_includes_status_code_and_request_id(answer: Response, words: str) -> None:
    error = Service({POST: [TAKEN], LIST: [answer]}).fails(TagConflictError)

    assert isinstance(error, TagConflictError)
    assert (error.status, error.code, error.request_id) == (400, "ModelArts.6737", "r-1")
    assert words in str(error)
    assert str(error).endswith("(HTTP 400, ModelArts.6737, request id r-1)")


@pytest.mark.parametrize("answer", [refused(500), refused(400), reply(HTML)], ids=["500", "400", "a page"])
def test_tag_conflict_is_retryable_while_check_fails(answer: Response) -> None:
    """The tag may be this task's own."""
    with pytest.raises(ModelArtsError) as caught:
        Service({POST: [TAKEN], LIST: [answer]}).save()

    assert not isinstance(caught.value, PERMANENT)


@pytest.mark.parametrize("status", ["CREATE_FAILED", "ERROR", "DELETED", "PUSHING", None])
def test_create_adopts_foreign_image_only_when_active_or_pending(status: str | None) -> None:
    service = Service({POST: [TAKEN], LIST: [listed(record(description="theirs", status=status))]})

    assert "so it is not reused: choose another tag" in str(
        service.fails(TagConflictError, if_exists="adopt")
    )


@pytest.mark.parametrize(
    ("description", "owner"),
    [
        (
            OTHER_KEY.append_to("x", NOTEBOOK_ID),
            f"saved by another Airflow task, {OTHER_KEY.marker(NOTEBOOK_ID)}",
        ),
        ("by hand", "not saved by an Airflow task"),
        (None, "not saved by an Airflow task"),
    ],
)
def test_create_logs_owner_of_adopted_image(
    description: str | None, owner: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    theirs = record(description=description, status="active", create_at=1671786468811)
    service = Service({POST: [TAKEN], LIST: [listed(theirs)]})

    assert service.save(if_exists="adopt") == (IMAGE_ID, True)
    created = "created 2022-12-23T09:07:48.811+00:00. Image"
    line = f"reusing research:nightly, {owner}, {created} {IMAGE_ID} is ACTIVE"
    assert line in caplog.text


def test_create_deletes_record_of_own_failed_image() -> None:
    failed = listed(record(status="create_failed"))
    service = Service({POST: [TAKEN, CREATED], LIST: [failed], DELETE: [reply(b"", 204)]})

    assert service.save() == (IMAGE_ID, False)
    assert [r.url.rpartition("?")[2] for r in service.requests if r.method == "DELETE"] == ["force=false"]


def test_create_ignores_not_found_when_deleting_own_failed_image() -> None:
    failed = listed(record(status="ERROR"))
    gone = refused(400, "ModelArts.6404")
    service = Service({POST: [TAKEN, CREATED], LIST: [failed], DELETE: [gone]})

    assert service.save() == (IMAGE_ID, False)


def test_create_logs_own_failed_image_that_cannot_be_deleted() -> None:
    service = Service({POST: [TAKEN], LIST: [listed(record(status="ERROR"))], DELETE: [FORBIDDEN]})

    error = service.fails(TagConflictError)

    assert "modelarts:image:delete is missing" in str(error)
    assert IMAGE_ID in str(error)


# Records that cannot be read


@pytest.mark.parametrize(
    "stranger", [None, {}, {"id": None, "description": OTHER_KEY.append_to("x", NOTEBOOK_ID)}, {"id": ["x"]}]
)
def test_create_finds_own_image_among_unreadable_records(stranger: Any) -> None:
    service = Service({LIST: [listed(stranger, record())]})

    assert service.save(check_existing=True) == (IMAGE_ID, True)


@pytest.mark.parametrize(
    "stranger", [None, {}, {"id": None, "description": OTHER_KEY.append_to("x", NOTEBOOK_ID)}, {"id": ["x"]}]
)
def test_create_ignores_unreadable_record_of_another_task(stranger: Any) -> None:
    others = record(id="another", description=OTHER_KEY.append_to("x", NOTEBOOK_ID), tag="another")
    service = Service({POST: [CREATED], LIST: [listed(stranger, others)]})

    assert service.save(check_existing=True) == (IMAGE_ID, False)


@pytest.mark.parametrize("id_", [None, "", {"uuid": IMAGE_ID}], ids=str)
@pytest.mark.parametrize("status", ["CREATING", "ERROR"])
def test_create_does_not_resend_when_unreadable_record_has_own_marker(id_: Any, status: str) -> None:
    """Not even if another image with the marker is readable, but failed."""
    failed = record(id="another", status=status, tag="another")
    service = Service({POST: [CREATED], LIST: [listed(failed, record(id=id_))]})

    service.fails(InvalidResponseError, check_existing=True)

    assert service.posts == 0


@pytest.mark.parametrize(
    "odd",
    [
        {"description": [OWN_KEY.append_to("x", NOTEBOOK_ID)]},
        {"description": {"text": OWN_KEY.append_to("x", NOTEBOOK_ID)}},
        {"tag": ["nightly"]},
        {"status": {"is": "ACTIVE"}},
        {"name": ["research"], "namespace": 7},
        {"size": "12 KB", "create_at": "2022-12-23T09:07:48Z", "dev_services": [None]},
    ],
    ids=repr,
)
@pytest.mark.parametrize("answer", [lost(), TAKEN], ids=["lost", "taken"])
def test_create_finds_own_image_with_odd_fields(odd: dict[str, Any], answer: Response | Exception) -> None:
    service = Service({POST: [answer], LIST: [listed(record(**odd))]})

    assert service.save()[0] == IMAGE_ID
    assert service.posts == 1


# Ids


def test_create_sends_notebook_id_in_lower_case() -> None:
    service = Service({POST: [lost()], LIST: [NOTHING], SHOW_NOTEBOOK: [BUSY]})

    service.fails(NotebookNotReadyError)

    sent = [request.url for request in service.requests if "/notebooks/" in request.url]
    assert len(sent) == 2
    assert all(NOTEBOOK_ID.lower() in url for url in sent)
