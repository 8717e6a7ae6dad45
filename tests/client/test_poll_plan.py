"""What a shared poll requests, and what it considers news."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from airflow_provider_modelarts.client.models import Image, Page
from airflow_provider_modelarts.client.poll_plan import (
    FAILURES_BEFORE_PROBE,
    LIST_REFUSAL_TTL,
    PageQuery,
    PolledResource,
    PollPlan,
)
from airflow_provider_modelarts.client.polled_resources import IMAGES

INTERVAL = 10.0


def ids(number: int, start: int = 0) -> list[str]:
    return [f"i{n}" for n in range(start, start + number)]


def plan(number: int) -> PollPlan[Image]:
    made = PollPlan(IMAGES)
    for image_id in ids(number):
        made.add(image_id)
    return made


def page(*images: tuple[str, str], total: int | None = None, **fields: Any) -> Page[Image]:
    data = [{"id": image_id, "status": status, **fields} for image_id, status in images]
    return Page[Image].model_validate({"data": data, "total": total})


@dataclass
class Service:
    """
    A list of images, all of which are CREATING.

    :param listed: in the order of the list.
    :param cap: records of a page, whatever the limit is.
    :param unit: what the offset counts: ``records``, ``pages`` or ``none``.
    :param has_total: whether a page contains ``total``.
    """

    listed: Sequence[str]
    cap: int = 10_000
    unit: str = "records"
    has_total: bool = True

    def page(self, query: PageQuery) -> Page[Image]:
        size = min(self.cap, query.limit)
        first = {"records": query.offset, "pages": query.offset * size, "none": 0}[self.unit]
        records = [(image_id, "CREATING") for image_id in self.listed[first : first + size]]
        return page(*records, total=len(self.listed) if self.has_total else None)


def make_pass(plan: PollPlan[Image], service: Service, now: float = 0.0) -> tuple[list[PageQuery], list[str]]:
    """Return the pages that a pass reads, and the ids that are shown after it."""
    plan.begin_pass(now)
    queries = []
    while query := plan.next_page():
        queries.append(query)
        plan.read_page(service.page(query))
    plan.finish_pass(INTERVAL)
    return queries, shows(plan)


def shows(plan: PollPlan[Image]) -> list[str]:
    shown = []
    while image_id := plan.next_show():
        plan.begin_show(image_id)
        shown.append(image_id)
    return shown


@pytest.mark.parametrize(
    ("waits", "service", "offsets", "limit", "shown"),
    [
        pytest.param(1, Service(ids(5)), [], None, ["i0"], id="one is shown"),
        pytest.param(2, Service(ids(2)), [0], 20, [], id="two"),
        pytest.param(10, Service(ids(10)), [0], 20, [], id="ten"),
        pytest.param(11, Service(ids(11)), [0], 50, [], id="eleven"),
        pytest.param(300, Service(ids(300)), [0], 500, [], id="300"),
        pytest.param(1000, Service(ids(1000)), [0, 500], 500, [], id="1,000"),
        pytest.param(2, Service(ids(30, 100) + ids(2)), [0, 20], 20, [], id="on the second page"),
        pytest.param(2, Service(ids(40, 100) + ids(2)), [0, 20], 20, ids(2), id="on the third page"),
        pytest.param(2, Service(ids(1)), [0], 20, ["i1"], id="on no page"),
        pytest.param(2, Service([]), [0], 20, ids(2), id="empty list"),
        pytest.param(25, Service(ids(25), cap=10), [0, 10, 20], 50, [], id="capped"),
        pytest.param(25, Service(ids(90, 100) + ids(25), cap=10), range(0, 50, 10), 50, ids(25), id="bound"),
        pytest.param(4, Service(ids(9, 100), cap=1), [0, 1, 2, 3], 20, ids(4), id="pages of one record"),
        pytest.param(2, Service(ids(1), has_total=False), [0, 1], 20, ["i1"], id="no total"),
        pytest.param(
            25, Service(ids(25), cap=10, has_total=False), [0, 10, 20], 50, [], id="capped, no total"
        ),
        pytest.param(25, Service(ids(25), cap=10, unit="none"), [0, 10], 50, ids(15, 10), id="no offset"),
        pytest.param(25, Service(ids(25), cap=10, unit="pages"), [0, 10, 1, 2], 50, [], id="offset in pages"),
    ],
)
def test_plan_reads_pages_up_to_its_bound_and_shows_the_rest(
    waits: int, service: Service, offsets: Sequence[int], limit: int | None, shown: list[str]
) -> None:
    queries, left = make_pass(plan(waits), service)

    assert [query.offset for query in queries] == list(offsets)
    assert {query.limit for query in queries} <= {limit}
    assert sorted(left) == sorted(shown)


def test_plan_keeps_the_unit_of_the_offset() -> None:
    service = Service(ids(25), cap=10, unit="pages")
    made = plan(25)
    make_pass(made, service)

    assert [query.offset for query in make_pass(made, service)[0]] == [0, 1, 2]


def test_plan_does_not_mistake_a_shrunken_list_for_another_unit() -> None:
    """A total that is too high makes the plan ask once more, not for good."""
    made = plan(25)
    made.begin_pass(0)
    made.next_page()
    made.read_page(page(*((i, "CREATING") for i in ids(10)), total=30))
    made.read_page(page(total=30))
    assert made.next_page() == PageQuery(1, 50, newest_first=True)
    made.read_page(page(*((i, "CREATING") for i in ids(9, 1)), total=30))
    assert made.next_page() is None
    made.finish_pass(INTERVAL)

    assert [query.offset for query in make_pass(made, Service(ids(25), cap=10))[0]] == [0, 10, 20]


SEQUENCES = [
    pytest.param(["INIT", "CREATING", "ACTIVE"], ["INIT", "CREATING", "ACTIVE"], id="as documented"),
    pytest.param(["CREATING", "CREATING", "CREATING"], ["CREATING"], id="no change"),
    pytest.param(["CREATING", "INIT", "CREATING", "ACTIVE"], ["CREATING", "ACTIVE"], id="goes back"),
    pytest.param(["ACTIVE", "CREATING", "INIT"], ["ACTIVE"], id="after its end"),
    pytest.param(["CREATING", "PUSHING", "CREATING"], ["CREATING", "PUSHING", "CREATING"], id="unknown"),
    pytest.param(["CREATING", None, "ACTIVE"], ["CREATING", "ACTIVE"], id="missing for one poll"),
]


@pytest.mark.parametrize(("statuses", "news"), SEQUENCES)
def test_plan_takes_only_progress_for_news(statuses: list[str | None], news: list[str]) -> None:
    made = plan(2)
    found = []
    for status in statuses:
        made.begin_pass(0)
        records = [("i0", status)] if status else []
        found += made.read_page(page(*records, total=len(records)))
        made.finish_pass(INTERVAL)

    assert [image.status for image in found] == news


@pytest.mark.parametrize(("statuses", "news"), SEQUENCES)
def test_plan_takes_only_progress_of_a_show_for_news(statuses: list[str | None], news: list[str]) -> None:
    made = plan(1)
    found = [made.read_show(Image(id="i0", status=status)) for status in statuses if status]

    assert [image.status for image in found if image] == news


def test_plan_ignores_images_that_nobody_waits_for() -> None:
    made = plan(2)
    made.begin_pass(0)

    assert made.read_page(page(("x", "ACTIVE"), ("I1", "ACTIVE"), total=2))[0].id == "I1"
    assert made.read_show(Image(id="x", status="ACTIVE")) is None


def test_plan_repeats_the_news_for_a_wait_that_joins() -> None:
    made = plan(2)
    made.begin_pass(0)
    made.read_page(page(("i0", "CREATING"), total=1))
    made.add("i0")
    made.begin_pass(0)

    assert made.read_page(page(("i0", "INIT"), total=1)) == []
    assert len(made.read_page(page(("i0", "CREATING"), total=1))) == 1


@pytest.mark.parametrize(
    ("shown", "status", "reason"),
    [
        pytest.param(
            Image(id="i0", status="ERROR", status_message="disk full"), "ERROR", "disk full", id="it"
        ),
        pytest.param(Image(id="i0", status="CREATING"), "CREATE_FAILED", None, id="lags"),
        pytest.param(None, "CREATE_FAILED", None, id="fails"),
    ],
)
def test_plan_shows_a_failed_record_without_a_reason(
    shown: Image | None, status: str, reason: str | None
) -> None:
    made = plan(2)
    made.begin_pass(0)
    assert made.read_page(page(("i0", "CREATE_FAILED"), ("i1", "CREATING"), total=2))[0].id == "i1"
    made.finish_pass(INTERVAL)
    assert not made.has_seen("i0")
    assert shows(made) == ["i0"]

    news = made.read_show(shown) if shown else made.read_failed_show("i0")

    assert news is not None
    assert (news.status, news.status_message) == (status, reason)
    assert made.read_failed_show("i0") is None


def test_plan_takes_a_failed_record_with_a_reason_for_news() -> None:
    made = plan(2)
    made.begin_pass(0)

    (news,) = made.read_page(page(("i0", "CREATE_FAILED"), total=1, status_message="disk full"))

    assert news.status_message == "disk full"


@pytest.mark.parametrize(
    ("unseen", "spacing", "cycle"), [(1, 10.0, 10.0), (4, 2.5, 10.0), (100, 0.1, 10.0), (1000, 0.1, 100.0)]
)
def test_plan_spreads_shows_over_the_interval(unseen: int, spacing: float, cycle: float) -> None:
    made = plan(unseen + 1)
    made.begin_pass(0)
    made.read_page(page((f"i{unseen}", "CREATING"), total=1))

    assert made.finish_pass(INTERVAL) == pytest.approx(cycle)
    assert made.show_spacing == pytest.approx(spacing)


def test_plan_shows_those_first_that_wait_longest() -> None:
    made = plan(5)
    empty = page(total=0)
    order = []
    for _ in range(5):
        made.begin_pass(0)
        made.read_page(empty)
        made.finish_pass(INTERVAL)
        for _ in range(2):
            image_id = made.next_show()
            assert image_id
            made.begin_show(image_id)
            order.append(image_id)

    assert order == ids(5) + ids(5)


def test_plan_shows_nothing_after_a_failed_page() -> None:
    made = plan(3)
    made.begin_pass(0)
    made.read_page(page(total=0))
    made.finish_pass(INTERVAL)
    made.show_soon("i2")
    made.begin_pass(1)
    made.abort_pass(1)

    assert shows(made) == []


def test_plan_shows_all_while_the_list_is_refused() -> None:
    made, service = plan(3), Service(ids(3))
    made.begin_pass(0)
    made.refuse_list(0)
    made.finish_pass(INTERVAL)

    assert shows(made) == ids(3)
    assert make_pass(made, service, LIST_REFUSAL_TTL - 1) == ([], ids(3))
    assert make_pass(made, service, LIST_REFUSAL_TTL) == ([PageQuery(0, 20, newest_first=True)], [])


@pytest.mark.parametrize("works", [True, False], ids=["shows work", "nothing works"])
def test_plan_probes_by_a_show_when_the_list_keeps_failing(works: bool) -> None:
    made = plan(3)
    for _ in range(FAILURES_BEFORE_PROBE):
        made.begin_pass(0)
        assert made.next_page()
        made.abort_pass(0)
    assert make_pass(made, Service(ids(3))) == ([], ["i0"])
    if works:
        made.read_show(Image(id="i0", status="CREATING"))
    made.begin_pass(0)
    assert made.next_page()
    made.abort_pass(0)

    assert (len(make_pass(made, Service(ids(3)))[0]) == 0) is works


def test_plan_simplifies_a_list_step_by_step() -> None:
    made = plan(1000)
    made.begin_pass(0)
    queries = [made.next_page()]
    while made.simplify_list():
        queries.append(made.next_page())

    assert queries[:3] == [PageQuery(0, 500, True), PageQuery(0, 500, False), PageQuery(0, 400, False)]
    assert queries[-1] == PageQuery(0, 20, False)


def test_plan_forgets_what_nobody_waits_for() -> None:
    made = plan(3)
    made.begin_pass(0)
    made.read_page(page(("i0", "CREATE_FAILED"), total=1))
    made.finish_pass(INTERVAL)
    made.show_soon("i1")
    for image_id in ids(3):
        made.remove(image_id.upper())

    assert len(made) == 0
    assert not made.has_shows
    assert made.next_show() is None
    made.show_soon("i1")
    assert not made.has_shows


@pytest.mark.parametrize(
    ("waits", "resources", "is_cheaper"), [(1, 1, False), (2, 1, False), (2, 2, True), (1000, 3, True)]
)
def test_plan_prefers_a_pass_for_several_last_polls(waits: int, resources: int, is_cheaper: bool) -> None:
    made = plan(waits)
    make_pass(made, Service(ids(waits)))

    assert made.is_pass_cheaper(resources, 0.0) is is_cheaper
    made.refuse_list(0)
    assert not made.is_pass_cheaper(resources, 1.0)


def test_plan_prefers_shows_as_last_polls_while_the_list_fails() -> None:
    made = plan(9)
    for _ in range(FAILURES_BEFORE_PROBE):
        assert made.is_pass_cheaper(9, 0.0)
        made.begin_pass(0)
        made.abort_pass(0)

    assert not made.is_pass_cheaper(9, 0.0)


def test_plan_serves_other_kinds_of_resources() -> None:
    """Such as notebooks, whose pages have 10, 20 or 50 records and whose statuses go back and forth."""
    notebooks: PolledResource[Image] = PolledResource(
        name="notebook",
        show=IMAGES.show,
        list_page=IMAGES.list_page,
        page_sizes=(10, 20, 50),
        rank=lambda _: 0,
        state=lambda notebook: notebook.status,
        lacks_status=lambda _: False,
        lacks_details=lambda _: False,
    )
    made = PollPlan(notebooks)
    limits, news = [], []
    for number in (2, 9, 30):
        for notebook_id in ids(number):
            made.add(notebook_id)
        made.begin_pass(0)
        query = made.next_page()
        assert query
        limits.append(query.limit)
    for status in ("RUNNING", "SNAPSHOTTING", "RUNNING"):
        news += made.read_page(page(("i0", status), total=1))

    assert limits == [10, 20, 50]
    assert [notebook.status for notebook in news] == ["RUNNING", "SNAPSHOTTING", "RUNNING"]


def test_images_page_asks_for_the_newest_saved_images_of_a_workspace() -> None:
    operation = IMAGES.list_page(workspace_id="w", offset=500, limit=500, newest_first=True)

    assert (operation.name, operation.path) == ("ListImages", "/images")
    assert dict(operation.query) == {
        "limit": "500",
        "name_fuzzy_match": "false",
        "offset": "500",
        "sort_dir": "DESC",
        "sort_key": "create_at",
        "type": "DEDICATED",
        "workspace_id": "w",
    }
    unordered = IMAGES.list_page(workspace_id="w", offset=0, limit=20, newest_first=False)
    assert not {"sort_dir", "sort_key"} & unordered.query.keys()
    assert json.dumps(dict(unordered.query))
