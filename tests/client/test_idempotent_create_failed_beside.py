"""A tag in use by several records: one that failed does not hold it beside one that did not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_modelarts.exceptions import TagConflictError
from tests.client.fake_transport import IMAGE_ID, reply
from tests.client.save_service import (
    CREATED,
    DELETE,
    LIST,
    NOTEBOOK_ID,
    OTHER_KEY,
    OWN_KEY,
    POST,
    TAKEN,
    Service,
    listed,
    record,
)

FAILED_ID = "0b1c2d3e-4f50-4a61-8b72-9c83ad94be05"
FAILED = record(id=FAILED_ID, status="CREATE_FAILED")
THEIRS = OTHER_KEY.append_to("x", NOTEBOOK_ID)
GONE = reply(b"", 204)


def service(*records: Any) -> Service:
    return Service({POST: [TAKEN, CREATED], LIST: [listed(*records)], DELETE: [GONE]})


@pytest.mark.parametrize("status", ["INIT", "CREATING", "ACTIVE", "PUSHING", None])
@pytest.mark.parametrize("description", [THEIRS, "by hand", None])
@pytest.mark.parametrize("first", ["failed", "live"])
def test_create_does_not_remove_own_failed_image_whose_tag_is_anothers(
    status: str | None, description: str | None, first: str
) -> None:
    """It would not free the tag, which is the other image's."""
    live = record(status=status, description=description)
    found = service(*([FAILED, live] if first == "failed" else [live, FAILED]))

    assert IMAGE_ID in str(found.fails(TagConflictError))

    assert (found.posts, found.kinds.count(DELETE)) == (1, 0)


def test_create_adopts_image_of_another_beside_own_failed_one() -> None:
    found = service(FAILED, record(status="ACTIVE", description=THEIRS))

    assert found.save(if_exists="adopt") == (IMAGE_ID, True)
    assert DELETE not in found.kinds


@pytest.mark.parametrize("first", ["failed", "live"])
def test_create_after_a_clear_does_not_remove_failed_image_of_the_same_tag(first: str) -> None:
    """Before the clear a save failed, and a retry succeeded with the same tag."""
    before, now = (replace(OWN_KEY, max_tries=tries) for tries in (1, 3))
    description = before.append_to("after the course", NOTEBOOK_ID)
    earlier = [FAILED | {"description": description}, record(status="ACTIVE", description=description)]
    found = service(*(earlier if first == "failed" else earlier[::-1]))
    found.scripts[POST] = [TAKEN, reply(record(tag="nightly-3", status="INIT"))]

    assert found.save(key=now) == (IMAGE_ID, False)

    assert DELETE not in found.kinds
    assert found.posts == 2


@pytest.mark.parametrize(
    "other",
    [{"tag": "v1"}, {"name": "vision"}, {"namespace": "others"}, {"status": "CREATE_FAILED"}],
    ids=str,
)
def test_create_removes_own_failed_image_beside_others(other: dict[str, Any]) -> None:
    """A service may ignore the filter by name."""
    found = service(FAILED, record(**{"status": "ACTIVE", "description": THEIRS, **other}))

    found.save()

    assert found.kinds.count(DELETE) == 1
    assert FAILED_ID in next(request.url for request in found.requests if request.method == "DELETE")
