"""Which image has a tag that the service refuses, and whether that image is reused."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.idempotent_create import LOOKUP_INTERVAL, MAX_ATTEMPTS
from airflow_provider_modelarts.exceptions import ApiError, TagConflictError
from tests.client.fake_transport import IMAGE_ID, reply
from tests.client.save_service import (
    CREATED,
    DELETE,
    LIST,
    NOTEBOOK_ID,
    OTHER_KEY,
    POST,
    TAKEN,
    Service,
    listed,
    record,
    refused,
)

THEIRS = "1c2d3e4f-0000-4000-8000-00000000000a"
FAILED = record(status="CREATE_FAILED")
LIVE = record(id=THEIRS, description="saved by hand after the failure", status="ACTIVE")


def test_create_removes_own_failed_image_beside_failed_image_of_others() -> None:
    service = Service(
        {
            POST: [TAKEN, CREATED],
            LIST: [listed({**LIVE, "status": "ERROR"}, FAILED)],
            DELETE: [reply(b"", 204)],
        }
    )
    assert service.save(check_existing=True) == (IMAGE_ID, False)
    assert [r.url.rpartition("/")[2] for r in service.requests if r.method == "DELETE"] == [
        f"{IMAGE_ID}?force=false"
    ]


@pytest.mark.parametrize(
    ("instance", "instances", "owner"),
    [
        pytest.param("r1", [None, "r1"], 1, id="the one in the requested registry"),
        pytest.param("r1", ["r2", "r1"], 1, id="none of another registry"),
        pytest.param("r1", ["r2", None], 1, id="one that names no registry"),
        pytest.param(None, ["r2", None], 1, id="the one of the shared registry"),
        pytest.param(None, ["r2", ""], 1, id="the one with an empty registry"),
        pytest.param(None, ["r2"], 0, id="the only one, if the request names no registry"),
    ],
)
def test_create_adopts_image_of_requested_registry(
    instance: str | None, instances: list[str | None], owner: int
) -> None:
    """Each registry has its own tags."""
    images = [{**LIVE, "id": f"image-{n}", "swr_instance_id": each} for n, each in enumerate(instances)]
    service = Service({POST: [TAKEN], LIST: [listed(*images)]})
    saved, _ = service.save(if_exists="adopt", swr_instance_id=instance)
    assert saved == f"image-{owner}"


def test_create_adopts_no_image_of_another_registry() -> None:
    service = Service({POST: [TAKEN], LIST: [listed({**LIVE, "swr_instance_id": "r2"})]})
    error = service.fails(TagConflictError, if_exists="adopt", swr_instance_id="r1")
    assert "the image that uses it is not listed" in str(error)


WHOLE = OTHER_KEY.append_to("of the course", NOTEBOOK_ID)


@pytest.mark.parametrize("length", [1, 5, 9, 20, 60])
@pytest.mark.parametrize("before", ["by hand ", f"{WHOLE} "], ids=["", "after a whole marker"])
def test_create_adopts_no_image_whose_marker_is_cut(before: str, length: int) -> None:
    """The marker may name another notebook."""
    cut = f"{before}{str(OTHER_KEY.marker(NOTEBOOK_ID))[:length]}"
    service = Service({POST: [TAKEN], LIST: [listed({**LIVE, "description": cut})]})
    assert "its marker was cut" in str(service.fails(TagConflictError, if_exists="adopt"))


@pytest.mark.parametrize("description", [WHOLE, f"{WHOLE} [see the wiki]", "[airflow 2] by hand", "a [b]"])
def test_create_adopts_image_with_brackets_in_description(description: str) -> None:
    service = Service({POST: [TAKEN], LIST: [listed({**LIVE, "description": description})]})
    assert service.save(if_exists="adopt") == (THEIRS, True)


def test_create_waits_until_tag_of_removed_image_is_free() -> None:
    """A service may see the removal a little later than its list or its check of tags."""
    gone = refused(400, "ModelArts.6404")
    service = Service(
        {POST: [TAKEN] * 3 + [CREATED], LIST: [listed(FAILED)], DELETE: [reply(b"", 204), gone]}
    )
    assert service.save(check_existing=True) == (IMAGE_ID, False)
    assert sum(service.sleeps) == 2 * LOOKUP_INTERVAL


def test_create_is_retryable_while_tag_of_removed_image_is_in_use() -> None:
    gone = refused(400, "ModelArts.6404")
    service = Service({POST: [TAKEN], LIST: [listed(FAILED)], DELETE: [reply(b"", 204), gone]})
    error = service.fails(ApiError, check_existing=True)
    assert "ModelArts.6737" in str(error)
    assert service.posts == MAX_ATTEMPTS


@pytest.mark.parametrize("is_later_try", [False, True])
def test_tag_conflict_says_what_to_do_if_image_is_never_listed(is_later_try: bool) -> None:
    with pytest.raises(ApiError, match="exist only in SWR: choose another tag"):
        Service({POST: [TAKEN], LIST: [listed()]}).save(check_existing=is_later_try)
