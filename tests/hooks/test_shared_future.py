"""Tests of the future that many tasks wait for."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_modelarts.hooks.shared_future import WAKE_BATCH, SharedFuture


def test_result_reaches_all_tasks_a_few_at_a_time() -> None:
    async def run() -> list[int]:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        shared = SharedFuture(future)
        tasks = [asyncio.ensure_future(shared.result()) for _ in range(3 * WAKE_BATCH)]
        await asyncio.sleep(0)
        future.set_result("opened")
        ended: list[int] = []
        while sum(ended) < len(tasks):
            await asyncio.sleep(0)
            ended.append(sum(task.done() for task in tasks) - sum(ended))
        assert {task.result() for task in tasks} == {"opened"}
        assert await shared.result() == "opened"
        return ended

    assert max(asyncio.run(run())) == WAKE_BATCH


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        pytest.param(OSError("refused"), OSError, id="exception"),
        pytest.param(None, asyncio.CancelledError, id="cancellation"),
    ],
)
def test_result_raises_what_ended_future(error: Exception | None, raised: type[BaseException]) -> None:
    async def run() -> None:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        shared = SharedFuture(future)
        tasks = [asyncio.ensure_future(shared.result()) for _ in range(2)]
        await asyncio.sleep(0)
        if error is None:
            future.cancel()
        else:
            future.set_exception(error)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [raised, raised]
        assert shared.has_failed()

    asyncio.run(run())


def test_wait_ends_at_timeout_of_its_task_only() -> None:
    async def run() -> None:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        shared = SharedFuture(future)
        patient = asyncio.ensure_future(shared.wait())
        assert await shared.wait(timeout=0) is False
        assert not shared.has_failed()
        future.set_result("opened")
        assert await patient is True

    asyncio.run(run())


def test_cancellation_of_a_waiting_task_reaches_no_other() -> None:
    async def run() -> None:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        shared = SharedFuture(future)
        cancelled, other = (asyncio.ensure_future(shared.result()) for _ in range(2))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        assert cancelled.cancelled()
        future.set_result("opened")
        assert await other == "opened"

    asyncio.run(run())
