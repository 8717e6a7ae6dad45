"""How pages and shows share the requests that a project may send."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.models import Image, Page
from airflow_provider_modelarts.client.poll_plan import PollPlan, RequestPace
from airflow_provider_modelarts.client.polled_resources import IMAGES

MILLISECONDS = 10_000


def sent_in_ten_seconds(latency: float, pages: bool, shows: bool) -> tuple[list[float], list[float]]:
    """Return when pages, each after the response to the last, and as many shows as possible were sent."""
    pace = RequestPace()
    sent: tuple[list[float], list[float]] = ([], [])
    next_page = next_show = 0.0
    for now in (number / 1000 for number in range(MILLISECONDS)):
        if shows and now >= next_show and not (delay := pace.delay(now, is_show=True)):
            pace.take(now, is_show=True)
            sent[1].append(now)
        elif shows and now >= next_show:
            next_show = now + delay
        if pages and now >= next_page:
            delay = pace.delay(now, is_show=False)
            if not delay:
                pace.take(now, is_show=False)
                sent[0].append(now)
            next_page = now + (delay or latency)
    return sent


@pytest.mark.parametrize(
    ("latency", "pages", "shows", "fewest_pages", "fewest_shows"),
    [
        pytest.param(0.001, True, False, 98, 0, id="pages"),
        pytest.param(0.001, False, True, 0, 98, id="shows"),
        pytest.param(0.001, True, True, 78, 18, id="fast pages first"),
        pytest.param(0.15, True, True, 53, 18, id="pages of usual speed first"),
        pytest.param(2.0, True, True, 4, 75, id="slow pages leave their time to shows"),
    ],
)
def test_request_pace_lets_pages_precede_shows(
    latency: float, pages: bool, shows: bool, fewest_pages: int, fewest_shows: int
) -> None:
    pages_at, shows_at = sent_in_ten_seconds(latency, pages, shows)

    assert len(pages_at) >= fewest_pages
    assert len(shows_at) >= fewest_shows
    together = sorted([*pages_at, *shows_at])
    assert all(sum(at <= other < at + 1 for other in together) <= 11 for at in together)


def test_request_pace_sends_a_single_show_at_once_while_pages_are_read() -> None:
    pace = RequestPace()
    pace.take(0.0, is_show=False)
    assert pace.delay(0.01, is_show=False) == pytest.approx(0.09)

    assert pace.delay(0.02, is_show=True) == 0
    pace.take(0.02, is_show=True)
    assert pace.delay(0.03, is_show=True) >= 0.4
    assert pace.delay(0.1, is_show=False) == pytest.approx(0.1), "the show has had a page's turn"


def page(*images: str, total: int) -> Page[Image]:
    data = [{"id": image_id, "status": "CREATING"} for image_id in images]
    return Page[Image].model_validate({"data": data, "total": total})


def plan(*images: str) -> PollPlan[Image]:
    made = PollPlan(IMAGES)
    for image_id in images:
        made.add(image_id)
    return made


def test_plan_reads_on_for_waits_that_join_during_a_pass() -> None:
    """Their images are in the list too: the bound that counts pages by waits must count them."""
    made = plan("i0", "i1")
    listed = [*(f"new{number}" for number in range(28)), "i0", "i1"]
    made.begin_pass(0)
    while query := made.next_page():
        records = listed[query.offset : query.offset + 4]
        made.read_page(page(*records, total=len(listed)))
        made.add(records[0])
        made.add(records[1])
    made.finish_pass(10.0)

    assert made.pages == 8
    assert made.next_show() is None


def test_plan_shows_after_a_pass_in_the_order_of_the_last_shows() -> None:
    """Those that are shown during the pass count, or they would be shown again before the others."""
    made = plan("i0", "i1", "i2")
    made.begin_pass(0)
    made.read_page(page(total=0))
    made.finish_pass(10.0)
    made.begin_show("i0")
    made.begin_pass(10.0)
    made.read_page(page(total=0))
    made.begin_show("i1")
    made.finish_pass(10.0)

    order = []
    while image_id := made.next_show():
        made.begin_show(image_id)
        order.append(image_id)
    assert order == ["i2", "i0", "i1"]
