"""``ModelArtsClient.list_all``: page by page, each item once, and an error instead of a partial list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_modelarts.client.client import MAX_PAGES
from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.client.operations import list_images
from airflow_provider_modelarts.exceptions import InvalidResponseError, ResponseTooLargeError, ServerError
from tests.client.fake_transport import FakeTransport, modelarts, reply, run

# Lists


def listing(
    ids: list[str],
    *,
    unit: str = "records",
    page_size: int = 2,
    **envelope: object,
) -> Callable[[Request], Response]:
    """Return a service that returns a list page by page, with the given total."""

    def answer(request: Request) -> Response:
        offset = int(parse_qs(urlsplit(request.url).query)["offset"][0])
        first = offset * page_size if unit == "pages" else offset
        data = [{"id": id_} for id_ in ids[first : first + page_size]]
        return reply({"data": data, **envelope})

    return answer


def collected(service: Callable[[Request], Response]) -> tuple[list[str], list[str]]:
    """Return the ids of the items, and the requested offsets."""
    transport = FakeTransport(service)
    items = run(modelarts(transport).list_all(list_images()))
    offsets = [parse_qs(urlsplit(request.url).query)["offset"][0] for request in transport.requests]
    return [item.id for item in items], offsets


FIVE = ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("service", "ids", "offsets"),
    [
        pytest.param(listing(FIVE, total=5), FIVE, ["0", "2", "4"], id="as documented"),
        pytest.param(listing([], total=0), [], ["0"], id="empty"),
        pytest.param(listing(["a", "b"], total=2), ["a", "b"], ["0"], id="one page"),
        pytest.param(
            listing(FIVE, total=5, current=4, pages=54, size=2),
            FIVE,
            ["0", "2", "4"],
            id="current and pages contradict it",
        ),
        pytest.param(
            listing(FIVE, total=5, current=0, pages=0, size=0), FIVE, ["0", "2", "4"], id="or are all 0"
        ),
        pytest.param(listing(FIVE), FIVE, ["0", "2", "4", "5"], id="total is missing"),
        pytest.param(listing([]), [], ["0"], id="total is missing and nothing is there"),
        pytest.param(listing(FIVE, total=None), FIVE, ["0", "2", "4", "5"], id="total is null"),
        pytest.param(listing(FIVE, total=-1), FIVE, ["0", "2", "4", "5"], id="total is not known to it"),
        pytest.param(listing(FIVE, total=0), FIVE, ["0", "2", "4", "5"], id="total is 0 and it is not empty"),
        pytest.param(
            listing(FIVE, total=1), FIVE, ["0", "2", "4", "5"], id="total is less than what a page holds"
        ),
        pytest.param(
            listing(FIVE, unit="pages", total=5),
            ["a", "b", "e", "c", "d"],
            ["0", "2", "3"] * 2 + ["1"],
            id="offset counts pages",
        ),
        pytest.param(
            listing([str(n) for n in range(20)], unit="pages", total=20, page_size=4),
            [*"0123", "16", "17", "18", "19", *"456789", "10", "11", "12", "13", "14", "15"],
            ["0", "4", "8"] * 2 + ["1", "2", "3"],
            id="offset counts many pages",
        ),
        pytest.param(
            listing(["a", "b", "b", "c", "c"], total=3),
            ["a", "b", "c"],
            ["0", "2"],
            id="seen twice, kept once",
        ),
        pytest.param(listing(["a", "a", "b"], total=2), ["a", "b"], ["0", "2"], id="twice on a page"),
    ],
)
def test_list_all_returns_each_item_once(
    service: Callable[[Request], Response], ids: list[str], offsets: list[str]
) -> None:
    assert collected(service) == (ids, offsets)


def test_list_all_continues_after_short_page() -> None:
    pages = [["a", "b"], ["c"], ["d", "e"]]
    transport = FakeTransport(*[reply({"data": [{"id": id_} for id_ in page], "total": 5}) for page in pages])
    assert [item.id for item in run(modelarts(transport).list_all(list_images()))] == FIVE
    offsets = [parse_qs(urlsplit(request.url).query)["offset"][0] for request in transport.requests]
    assert offsets == ["0", "2", "3"]


def test_list_all_sends_filters_with_every_page() -> None:
    transport = FakeTransport(listing(FIVE, total=5))
    run(modelarts(transport).list_all(list_images(namespace="n", limit=2)))
    queries = [parse_qs(urlsplit(request.url).query) for request in transport.requests]
    assert len(queries) == 3
    for query in queries:
        del query["offset"]
        assert query == {
            "limit": ["2"],
            "name_fuzzy_match": ["false"],
            "namespace": ["n"],
            "type": ["DEDICATED"],
        }


@pytest.mark.parametrize(
    ("service", "words", "requests"),
    [
        pytest.param(listing(FIVE, total=9), "5 of 9", 9, id="total is larger than the list"),
        pytest.param(listing([], total=9), "0 of 9", 3, id="total of an empty list"),
        # A service that ignores the offset always returns its first page.
        pytest.param(lambda _: reply({"data": [{"id": "a"}], "total": 9}), "1 of 9", 5, id="one page"),
    ],
)
def test_list_all_raises_when_pages_do_not_reach_total(
    service: Callable[[Request], Response], words: str, requests: int
) -> None:
    """A partial list would make a lookup miss an image, and a save create it twice."""
    transport = FakeTransport(service)
    with pytest.raises(
        InvalidResponseError, match=f"returned an incomplete list three times: {words} records"
    ):
        run(modelarts(transport).list_all(list_images()))
    assert len(transport.requests) == requests


def test_list_all_rereads_when_record_moved_between_pages() -> None:
    """After a deletion, the second page begins one record later."""
    pages = [["a", "b"], ["d"], [], ["b", "c"], ["d"]]
    totals = [4, 3, 4, 3, 3]
    transport = FakeTransport(
        *[
            reply({"data": [{"id": id_} for id_ in page], "total": total})
            for page, total in zip(pages, totals, strict=True)
        ]
    )
    found = run(modelarts(transport).list_all(list_images()))
    assert [item.id for item in found] in (["a", "b", "d"], ["b", "c", "d"])


def too_large_from(limit: int, service: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Return a service whose pages of this many records and more are larger than what is read."""

    def answer(request: Request) -> Response:
        if int(parse_qs(urlsplit(request.url).query)["limit"][0]) >= limit:
            raise ResponseTooLargeError("The reply is larger than 1048576 bytes")
        return service(request)

    return answer


def limits(transport: FakeTransport) -> list[int]:
    """Return the requested page sizes."""
    return [int(parse_qs(urlsplit(request.url).query)["limit"][0]) for request in transport.requests]


def test_list_all_keeps_smaller_page_size_after_too_large_page() -> None:
    transport = FakeTransport(too_large_from(50, listing(FIVE, total=5)))
    client = modelarts(transport)
    call = replace(list_images(limit=200), page_sizes=(200, 100, 50, 20))
    assert [item.id for item in run(client.list_all(call))] == FIVE
    assert limits(transport) == [200, 100, 50, 20, 20, 20]
    transport.requests.clear()
    assert [item.id for item in run(client.list_all(call))] == FIVE
    assert limits(transport) == [20, 20, 20]


def test_list_all_raises_when_smallest_page_is_too_large() -> None:
    transport = FakeTransport(too_large_from(1, listing(FIVE, total=5)))
    call = replace(list_images(limit=200), page_sizes=(200, 100, 50, 20))
    with pytest.raises(ResponseTooLargeError):
        run(modelarts(transport).list_all(call))
    assert limits(transport) == [200, 100, 50, 20]


def test_list_all_stops_after_a_thousand_pages() -> None:
    def endless(numbers: Iterator[int]) -> Callable[[Request], Response]:
        return lambda _: reply({"data": [{"id": next(numbers)}]})

    transport = FakeTransport(endless(iter(range(2 * MAX_PAGES))))
    with pytest.raises(
        InvalidResponseError, match="ListImages did not end after 1000 pages: narrow its filters"
    ):
        run(modelarts(transport).list_all(list_images()))
    assert len(transport.requests) == MAX_PAGES


def test_list_all_raises_error_of_later_page() -> None:
    transport = FakeTransport(reply({"data": [{"id": "a"}], "total": 2}), reply({}, 503))
    with pytest.raises(ServerError):
        run(modelarts(transport).list_all(list_images()))


def records(*pages: list[object], total: int | None = None) -> FakeTransport:
    """Return a service with these records."""
    bodies = [{"data": page, **({} if total is None else {"total": total})} for page in pages]
    return FakeTransport(*map(reply, bodies))


@pytest.mark.parametrize(
    ("transport", "ids"),
    [
        pytest.param(records([{"id": "a"}, {"name": "?"}], total=2), ["a"], id="beside a good one"),
        pytest.param(records([{"id": "a"}], [None], total=2), ["a"], id="alone on the last page"),
        pytest.param(records([{"id": "a"}], [7], [], total=None), ["a"], id="alone, and no total"),
        pytest.param(records([{"id": ""}], total=1), [], id="the only one"),
    ],
)
def test_list_all_skips_and_counts_unreadable_record(
    transport: FakeTransport, ids: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert [item.id for item in run(modelarts(transport).list_all(list_images()))] == ids
    assert "1 records that cannot be parsed; they are left out" in caplog.text


def test_list_all_raises_when_every_record_is_unreadable() -> None:
    """Then the API has changed, and its list is not empty."""
    with pytest.raises(
        InvalidResponseError, match="None of the 2 records that ListImages returned can be parsed"
    ):
        run(modelarts(records([{"uuid": "a"}, {"uuid": "b"}], total=2)).list_all(list_images()))
