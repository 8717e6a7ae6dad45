"""``ModelArtsClient.list_all`` while records disappear between two pages: none that stays is left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.http_types import Operation, Request, Response
from airflow_provider_modelarts.exceptions import InvalidResponseError
from tests.client.fake_transport import FakeTransport, modelarts, reply, run

Reply = Callable[[list[str], int], Response]


def images(ids: list[str], total: int) -> Response:
    return reply({"data": [{"id": id_} for id_ in ids], "total": total})


def notebooks(ids: list[str], total: int) -> Response:
    data = [{"id": id_, "name": id_, "status": "STOPPED"} for id_ in ids]
    return reply({"data": data, "total": total})


def tags(ids: list[str], total: int) -> Response:
    return reply([{"Tag": id_} for id_ in ids], content_range=f"0-{len(ids)}/{total}")


def changing(
    ids: list[str], removals: list[str], respond: Reply, *, page_size: int = 50
) -> Callable[[Request], Response]:
    """Return a service from which one record disappears after each page."""
    present, rest = list(ids), list(removals)

    def answer(request: Request) -> Response:
        offset = int(parse_qs(urlsplit(request.url).query)["offset"][0])
        response = respond(present[offset : offset + page_size], len(present))
        if rest:
            present.remove(rest.pop(0))
        return response

    return answer


@pytest.mark.parametrize("removals", [["r3"], ["r3", "r60"], ["r49"]], ids=",".join)
@pytest.mark.parametrize(
    ("operation", "respond", "key"),
    [
        pytest.param(operations.list_images(), images, "id", id="images"),
        pytest.param(operations.list_notebooks(all_users=True), notebooks, "id", id="notebooks"),
        pytest.param(operations.list_tags("team", "research"), tags, "tag", id="tags"),
    ],
)
def test_list_all_leaves_no_record_out_when_one_disappears(
    operation: Operation[Any], respond: Reply, key: str, removals: list[str]
) -> None:
    """The later ones move to the front, so that the next page begins one record too late."""
    ids = [f"r{n}" for n in range(120)]
    transport = FakeTransport(changing(ids, removals, respond))
    client = modelarts(transport, swr_endpoint="https://swr-api.example.com")

    found = {getattr(item, key) for item in run(client.list_all(operation))}

    assert found >= set(ids) - set(removals)


def test_list_all_refuses_list_from_which_a_record_disappears_at_each_page() -> None:
    ids = [f"r{n}" for n in range(120)]
    transport = FakeTransport(changing(ids, ids[:20], images))

    with pytest.raises(InvalidResponseError, match="incomplete list three times"):
        run(modelarts(transport).list_all(operations.list_images()))


def test_list_all_trusts_no_total_that_more_records_disprove() -> None:
    """The service counts less than it returns; the list ends with the page that holds nothing new."""
    pages = [(["a", "b"], 3), (["c", "d"], 1), (["e"], 1), ([], 1)]
    transport = FakeTransport(*[images(page, total) for page, total in pages])

    found = run(modelarts(transport).list_all(operations.list_images()))

    assert [image.id for image in found] == ["a", "b", "c", "d", "e"]
