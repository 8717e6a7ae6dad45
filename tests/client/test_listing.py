"""When a list counts as complete, page by page."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.listing import Listing, strictly
from airflow_provider_modelarts.client.models import Image, ImagePage
from airflow_provider_modelarts.client.operations import list_images
from airflow_provider_modelarts.exceptions import InvalidResponseError
from tests.client.fake_transport import FakeTransport, modelarts, reply, run


def listing(*pages: tuple[str, int | None], limit: int = 0, is_read_on: bool = False) -> Listing[Image]:
    """Return the listing of pages, each with the ids of its images and its total; ``?`` cannot be parsed."""
    found: Listing[Image] = Listing(limit, is_read_on=is_read_on)
    for ids, total in pages:
        data = [{"id": None if id_ == "?" else id_} for id_ in ids]
        found.add(ImagePage.model_validate({"data": data, "total": total}))
    return found


@pytest.mark.parametrize(
    ("found", "is_complete"),
    [
        pytest.param(listing(("ab", 2)), True, id="as many as the total"),
        pytest.param(listing(("ab", 3)), False, id="fewer than the total"),
        pytest.param(listing(("ab", 3), ("c", 2)), True, id="a total that shrinks"),
        pytest.param(listing(("ab", None)), False, id="no total"),
        pytest.param(listing(("ab", None), ("ab", None)), True, id="no total, and nothing new"),
        pytest.param(listing(("ab", None), ("ab", None), limit=2), False, id="an offset that is ignored"),
        pytest.param(listing(("a?", 2)), True, id="a record that cannot be parsed"),
        pytest.param(listing(("ab", 2), limit=2, is_read_on=True), False, id="a full page is read on"),
        pytest.param(listing(("a", 1), limit=2, is_read_on=True), True, id="a page that is not full"),
    ],
)
def test_listing_is_complete(found: Listing[Image], is_complete: bool) -> None:
    assert found.is_complete == is_complete


def test_listing_describes_how_many_records_it_has() -> None:
    assert [str(listing(("ab", 5))), str(listing(("ab", None)))] == ["2 of 5 records", "2 of more records"]


def test_listing_keeps_item_that_is_repeated_once() -> None:
    assert [*listing(("ab", 3), ("bc", 3)).items] == ["a", "b", "c"]


def test_strictly_fails_on_record_that_cannot_be_parsed() -> None:
    client = modelarts(FakeTransport(reply({"data": [{"id": "a"}, {"id": None}], "total": 2})))

    with pytest.raises(InvalidResponseError, match="1 of its records cannot be parsed"):
        run(client.list_all(strictly(list_images())))
