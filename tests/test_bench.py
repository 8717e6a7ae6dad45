"""The benchmarks measure what they claim to measure."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Simulator
from bench.__main__ import PAGE, RECORDED, SMALL
from bench.report.table import markdown
from bench.report.verdicts import Verdict, report
from bench.triggerer.measurement import requests_per_interval
from bench.triggerer.raw import RawPoll
from bench.triggerer.service import OLDER_IMAGES, Service, image_id
from bench.triggerer.stalls import LIMIT, StallWatch
from tests.reliability.document import recorded

BENCH = Path(__file__).parents[1] / "bench"


def test_bench_runs_and_describes_every_script() -> None:
    scripts = sorted(path.stem for path in BENCH.glob("[!_]*.py"))
    described = re.findall(r"^\| `(\w+)\.py` \|", (BENCH / "README.md").read_text(), re.MULTILINE)
    assert sorted(SMALL) == scripts
    assert sorted(described) == scripts


@pytest.mark.parametrize("section", ["machine", *RECORDED])
def test_performance_page_has_a_section_for_each_recorded_benchmark(section: str) -> None:
    assert recorded(section, PAGE)


def test_raw_poll_is_accepted_by_the_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """A floor that is not authenticated would be too low."""
    with Simulator() as simulator:
        connection = simulator.connection
        notebook_id = simulator.add_notebook()
        monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(connection))
        image = ModelArtsHook().create_image(notebook_id, name="n", namespace="team", tag="t")
        poll = RawPoll(
            connection["host"].removeprefix("http://"),
            connection["extra"]["project_id"],
            connection["login"],
            connection["password"],
        )

        async def run() -> str | None:
            async with aiohttp.ClientSession() as session:
                return await poll.status(session, image.id)

        assert asyncio.run(run()) in {"INIT", "CREATING", "ACTIVE"}


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([], 0.0),
        ([3.0], 10 / 60),
        ([2.0, 12.0, 22.0, 32.0, 42.0, 52.0], 1.0),
        # The window begins and ends with a poll of two pages, which would count as 2.3 requests per interval.
        ([0.0, 0.1, 9.0, 9.1, 18.0, 18.1, 27.0, 27.1, 36.0, 36.1, 45.0, 45.1, 54.0, 54.1], 2 * 10 / 9),
        ([number / 100 for number in range(6_000)], 1_000.0),
    ],
)
def test_requests_per_interval_counts_whole_polls(times: list[float], expected: float) -> None:
    assert requests_per_interval(times, seconds=60, interval=10) == pytest.approx(expected)


def listed(service: Service, query: str) -> dict[str, Any]:
    status, body = service.respond("GET", f"/v1/p/images?{query}", b"")
    assert status == 200
    return dict(json.loads(body))


@pytest.mark.parametrize(
    ("query", "page_cap", "first", "size"),
    [
        ("", 500, 2, 200),
        ("limit=2", 500, 2, 2),
        ("limit=2&offset=1", 500, 1, 2),
        ("limit=500", 100, 2, 100),
        ("limit=1000&offset=100", 500, 100, 403 + OLDER_IMAGES - 500),
    ],
)
def test_service_lists_the_newest_images_first(query: str, page_cap: int, first: int, size: int) -> None:
    page = listed(Service(3, rate=0, page_cap=page_cap), query)
    assert page["total"] == 3 + OLDER_IMAGES
    assert (page["data"][0]["id"], len(page["data"])) == (image_id(first), size)


def test_service_answers_all_apis_alike() -> None:
    service = Service(1, rate=0, page_cap=500)
    requests = [
        ("GET", f"/v1/p/images/{image_id(0)}", b""),
        ("GET", "/peers/http/0", b""),
        ("GET", "/api/2.2/jobs/runs/get", b'{"run_id": 1}'),
        ("GET", "/api/v2/accounts/1/runs/1/", b""),
    ]
    before = [service.respond(*request) for request in requests]
    service.respond("GET", "/control/activate?over=0", b"")
    after = [service.respond(*request) for request in requests]
    assert [status for status, _ in before] == [200, 404, 200, 200]
    assert [status for status, _ in after] == [200] * 4
    assert [b"ACTIVE" in after[0][1], b"TERMINATED" in after[2][1], b'"status": 10' in after[3][1]] == [
        True
    ] * 3
    assert service.counters.requests.total() == 8


def test_service_refuses_what_is_beyond_its_rate() -> None:
    service = Service(1, rate=10, page_cap=500)
    statuses = [service.respond("GET", f"/v1/p/images/{image_id(0)}", b"")[0] for _ in range(1_000)]
    assert statuses.count(429) == service.counters.refused > 0
    assert statuses[:10] == [200] * 10


def test_stall_watch_finds_what_holds_the_loop() -> None:
    watch = StallWatch()

    def hold_the_loop() -> None:
        end = time.thread_time() + 10 * LIMIT  # CPU time: what a busy machine takes away is no stall
        while time.thread_time() < end:
            pass

    async def run() -> None:
        loop = asyncio.get_running_loop()
        with watch.watching(loop):
            await asyncio.sleep(0)
            loop.call_soon(hold_the_loop)
            await asyncio.sleep(0.001)
            await asyncio.sleep(0.001)

    handler = signal.getsignal(signal.SIGALRM)
    asyncio.run(run())
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) == handler
    (stall,) = [stall for stall in watch.stalls if "hold_the_loop" in str(stall.samples)]
    assert stall.seconds > 5 * LIMIT
    assert stall.ours == 0


def test_stall_watch_blames_nobody_for_the_garbage_collector() -> None:
    watch = StallWatch()

    def collect_garbage() -> None:
        end = time.thread_time() + 10 * LIMIT
        while time.thread_time() < end:
            gc.collect()

    async def run() -> None:
        with watch.watching(asyncio.get_running_loop()):
            await asyncio.sleep(0)
            collect_garbage()
            await asyncio.sleep(0)

    callbacks = list(gc.callbacks)
    asyncio.run(run())
    assert gc.callbacks == callbacks
    stall = max(watch.stalls, key=lambda stall: stall.collecting)
    assert stall.collecting > 5 * LIMIT
    assert replace(stall, samples=[(True, "ours")]).ours <= stall.seconds - 5 * LIMIT


def test_report_fails_only_for_what_has_failed(capsys: pytest.CaptureFixture[str]) -> None:
    missed = Verdict("size", "at most 6 KiB", "7 KiB", is_met=False)
    assert report([missed]) == 0
    assert report([missed, Verdict("ratio", "1/25", "1/2", is_met=False, has_failed=True)]) == 1
    assert "| missed |" in capsys.readouterr().out


def test_markdown_aligns_the_columns() -> None:
    assert markdown(["a", "number"], [["wide one", "1"]]).splitlines() == [
        "| a        | number |",
        "| -------- | -----: |",
        "| wide one |      1 |",
    ]
