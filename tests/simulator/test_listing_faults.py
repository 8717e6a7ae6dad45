"""Lists that differ from the documents: capped, unsorted, miscounted, lagging."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_modelarts.simulator import AtOnce, Fault, Simulator

if TYPE_CHECKING:
    from tests.simulator.conftest import Client, Start


def fill(simulator: Simulator, count: int) -> list[str]:
    """Add images, oldest first."""
    return [simulator.add_image(name=f"n{number}", create_at=number) for number in range(count)]


def page(client: Client, **query: object) -> list[str]:
    """Give the ids on a page."""
    return [image["id"] for image in client.images(**query).json["data"]]


def test_page_cap_limits_every_page(start: Start) -> None:
    """A smaller limit holds."""
    simulator, client = start(page_cap=3)
    fill(simulator, 8)
    answers = [client.images(limit=limit).json for limit in (2, 3, 200)]
    assert [len(answer["data"]) for answer in answers] == [2, 3, 3]
    assert [(answer["size"], answer["total"]) for answer in answers] == [(2, 8), (3, 8), (3, 8)]


def test_page_cap_limits_notebooks(start: Start) -> None:
    simulator, client = start(page_cap=3)
    for _ in range(5):
        simulator.add_notebook()
    assert len(client.notebooks(limit=50).json["data"]) == 3


def test_page_cap_applies_to_offset_in_pages(start: Start) -> None:
    simulator, client = start(page_cap=3, offset_unit="pages")
    ids = fill(simulator, 8)
    assert page(client, sort_dir="ASC", limit=200, offset=1) == ids[3:6]


def test_offset_may_be_ignored(start: Start) -> None:
    simulator, client = start(offset_unit="none")
    ids = fill(simulator, 5)
    assert page(client, sort_dir="ASC", limit=2, offset=2) == ids[:2]


def test_stored_order_ignores_sort_key(start: Start) -> None:
    """A wrong sort key is still refused."""
    simulator, client = start(list_order="stored")
    ids = fill(simulator, 3)
    assert page(client, sort_dir="DESC") == page(client, sort_dir="ASC") == ids
    assert client.images(sort_key="colour").error == (400, "ModelArts.6303")


def test_random_order_repeats_and_misses_records(start: Start) -> None:
    """Each page is cut from another order; the seed and a reset reproduce them."""
    simulator, client = start(list_order="random", seed=1)
    seen = []
    for _ in range(2):
        ids = fill(simulator, 20)
        listed = page(client, limit=10) + page(client, limit=10, offset=10)
        seen.append([ids.index(image_id) for image_id in listed])
        simulator.reset()
    assert seen[0] == seen[1]
    assert len(seen[0]) == 20
    assert len(set(seen[0])) < 20


@pytest.mark.parametrize(("count", "total"), [(None, 6), (3, 8), (-2, 3), (-9, 0)])
def test_miscount_changes_total_only(
    simulator: Simulator, client: Client, count: int | None, total: int
) -> None:
    """As when a record disappeared between two pages, or was added."""
    fill(simulator, 5)
    simulator.inject(Fault("miscount", "ListImages", count=count))
    wrong, right = client.images().json, client.images().json
    assert (wrong["total"], right["total"]) == (total, 5)
    assert wrong["data"] == right["data"]


def test_miscount_leaves_other_responses_unchanged(simulator: Simulator, client: Client) -> None:
    simulator.inject(Fault("miscount", times=None))
    assert client.save().json["status"] == "INIT"
    assert client.images(limit=0).error == (400, "ModelArts.0104")


def test_new_image_is_not_found_within_read_lag(start: Start) -> None:
    """Though lists have it; such a read does not count as a poll."""
    simulator, client = start(read_lag=30)
    image_id = client.save().json["id"]
    assert client.image(image_id).error == (400, "ModelArts.6404")
    assert page(client) == [image_id]
    simulator.advance(31)
    assert client.image(image_id).json["status"] == "ACTIVE"


def test_read_lag_excludes_old_and_built_in_images(start: Start) -> None:
    simulator, client = start(read_lag=30)
    built_in = client.call("GET", "/images").json["data"][0]["id"]
    (old,) = fill(simulator, 1)
    assert [client.image(image_id).status for image_id in (built_in, old)] == [200, 200]


def test_read_lag_excludes_image_from_future(start: Start) -> None:
    """A service's clock may be ahead of a record's."""
    simulator, client = start(save=AtOnce())
    image_id = simulator.add_image(create_at=int(simulator.now() * 1000) + 3_600_000)
    assert (page(client), client.image(image_id).status) == ([image_id], 200)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"page_cap": 0}, "page_cap must be at least 1"),
        ({"list_order": "odd"}, "unknown order of lists 'odd'"),
        ({"offset_unit": "bytes"}, "unknown offset unit 'bytes'"),
    ],
    ids=str,
)
def test_invalid_page_options_are_rejected(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Simulator(**options)
