"""``ModelArtsClient.list_all`` of a service that returns no total."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.exceptions import InvalidResponseError
from tests.client.fake_transport import FakeTransport, modelarts, reply, run


def read(
    count: int,
    *,
    ignores_offset: bool = False,
    content_range: str = "",
    until: Any = None,
    offsets: list[int] | None = None,
) -> Any:
    """Return the tags of a repository that has some, read by hundreds; collect the offsets of the pages."""
    read_offsets: list[int] = [] if offsets is None else offsets

    def answer(request: Request) -> Response:
        given = parse_qs(urlsplit(request.url).query)
        read_offsets.append(int(given["offset"][0]))
        offset = 0 if ignores_offset else read_offsets[-1]
        last = min(count, offset + int(given["limit"][0]))
        return reply([{"Tag": f"v{n}"} for n in range(offset, last)], content_range=content_range)

    client = modelarts(FakeTransport(answer), swr_endpoint="https://swr-api.example.com")
    return run(client.list_all(operations.list_tags("team", "research"), until=until))


@pytest.mark.parametrize("count", [3, 100, 101, 250])
@pytest.mark.parametrize("content_range", ["", "0-100/*", "0-3/3"])
def test_list_all_reads_to_the_end_without_a_total(count: int, content_range: str) -> None:
    assert len(read(count, content_range=content_range)) == count


@pytest.mark.parametrize("count", [0, 3, 99])
def test_list_all_ends_after_a_page_that_is_not_full(count: int) -> None:
    assert len(read(count, ignores_offset=True)) == count


def test_list_all_refuses_a_full_page_again_and_again() -> None:
    """Tags that are not read would protect nothing."""
    with pytest.raises(InvalidResponseError, match="incomplete list three times: 100 of more records"):
        read(250, ignores_offset=True)


@pytest.mark.parametrize("content_range", ["", "0-100/250"])
@pytest.mark.parametrize(
    ("wanted", "pages"),
    [("v0", [0]), ("v99", [0]), ("v100", [0, 100]), ("v249", [0, 100, 200])],
)
def test_list_all_reads_no_page_after_items_that_suffice(
    wanted: str, pages: list[int], content_range: str
) -> None:
    offsets: list[int] = []

    found = read(
        250,
        content_range=content_range,
        until=lambda tags: wanted in {tag.tag for tag in tags},
        offsets=offsets,
    )

    assert wanted in {tag.tag for tag in found}
    assert offsets == pages


def test_list_all_reads_to_the_end_if_no_items_suffice() -> None:
    assert len(read(250, until=lambda _: False)) == 250


def test_list_all_reads_few_pages_of_a_service_that_ignores_the_offset() -> None:
    """Whatever is wanted: a page that repeats is no reason to read page after page."""
    offsets: list[int] = []
    with pytest.raises(InvalidResponseError, match="incomplete list three times"):
        read(250, ignores_offset=True, until=lambda _: False, offsets=offsets)

    assert offsets == [0, 100, 0, 100, 1]
