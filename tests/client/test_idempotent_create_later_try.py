"""``IdempotentCreate`` after its own lost response: an image may be that of this try or of an earlier one."""

from __future__ import annotations

import pytest

from tests.client.fake_transport import IMAGE_ID, START, reply
from tests.client.save_service import (
    LIST,
    NOTEBOOK_ID,
    NOTHING,
    POST,
    RUNNING,
    SHOW_IMAGE,
    SHOW_NOTEBOOK,
    Service,
    listed,
    lost,
    record,
    refused,
)


@pytest.mark.parametrize(
    ("age", "is_later_try", "is_adopted"),
    [
        pytest.param(61, True, True, id="begun more than a minute before this try"),
        pytest.param(59, True, False, id="begun just before, by a clock that is behind"),
        pytest.param(-5, True, False, id="begun by this try"),
        pytest.param(None, True, False, id="without a date"),
        pytest.param(61, False, False, id="of the first try, by a clock that is behind"),
    ],
)
def test_create_adopts_image_of_earlier_try_after_lost_response(
    age: int | None, is_later_try: bool, is_adopted: bool
) -> None:
    found = listed(record(create_at=None if age is None else int((START - age) * 1000)))
    script = [NOTHING, found] if is_later_try else [found]
    service = Service({POST: [lost()], LIST: script})
    assert service.save(check_existing=is_later_try) == (IMAGE_ID, is_adopted)
    assert service.posts == 1


def test_create_does_not_adopt_image_of_its_first_request_after_several_lookups() -> None:
    """The minute counts from the first create-image request of the try."""
    found = listed(record(create_at=int((START - 30) * 1000)))
    service = Service({POST: [lost()], LIST: [*[NOTHING] * 10, found], SHOW_NOTEBOOK: [RUNNING]})
    assert service.save(check_existing=True) == (IMAGE_ID, False)
    assert service.posts == 4
    assert service.now - START > 40


@pytest.mark.parametrize("status", ["RUNNING", "STOPPED"])
def test_create_returns_own_image_that_notebook_runs_after_lost_response(status: str) -> None:
    runs = reply({"id": NOTEBOOK_ID, "status": status, "image": {"id": IMAGE_ID}})
    service = Service({POST: [lost()], LIST: [NOTHING], SHOW_NOTEBOOK: [runs], SHOW_IMAGE: [reply(record())]})
    assert service.save() == (IMAGE_ID, False)
    assert service.posts == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(reply(record(description="saved in the console")), id="another image"),
        pytest.param(reply(record(status="ERROR")), id="a failed image"),
        pytest.param(refused(404, "ModelArts.6404"), id="no such image"),
        pytest.param(refused(403, "ModelArts.0112"), id="permission denied"),
    ],
)
def test_create_resends_if_image_that_notebook_runs_is_not_own(answer: object) -> None:
    runs = reply({"id": NOTEBOOK_ID, "status": "RUNNING", "image": {"id": IMAGE_ID}})
    service = Service(
        {
            POST: [lost(), reply(record(status="INIT"))],
            LIST: [NOTHING],
            SHOW_NOTEBOOK: [runs],
            SHOW_IMAGE: [answer],  # type: ignore[list-item]
        }
    )
    assert service.save() == (IMAGE_ID, False)
    assert service.posts == 2


def test_create_does_not_resend_if_image_that_notebook_runs_cannot_be_read() -> None:
    runs = reply({"id": NOTEBOOK_ID, "status": "RUNNING", "image": {"id": IMAGE_ID}})
    service = Service({POST: [lost()], LIST: [NOTHING], SHOW_NOTEBOOK: [runs], SHOW_IMAGE: [refused(500)]})
    with pytest.raises(type(lost()), match="Cannot check whether this task already saved"):
        service.save(deadline=START + 60)
    assert service.posts == 1
