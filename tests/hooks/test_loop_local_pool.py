"""The pool that gives all users of one event loop the same value for the same key."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from airflow_provider_modelarts.hooks.loop_local_pool import LoopLocalPool
from airflow_provider_modelarts.transport import TransportConfig
from airflow_provider_modelarts.transport.async_transport import AsyncTransport
from tests.transport.scenarios import SHORT

transport_pool: LoopLocalPool[TransportConfig, AsyncTransport] = LoopLocalPool(AsyncTransport.open)


class Kept:
    """A value that counts how often it was opened and closed."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0
        self.may_open = asyncio.Event()
        self.failures = 0

    @asynccontextmanager
    async def open(self, key: str) -> AsyncIterator[str]:
        """Open once it may."""
        self.opened += 1
        await self.may_open.wait()
        if self.failures:
            self.failures -= 1
            raise OSError(f"{key} cannot be opened")
        yield f"{key} {self.opened}"
        self.closed += 1


def unfinished() -> set[asyncio.Task[Any]]:
    """Return the tasks that are left on the loop, except the current one."""
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


async def turns(count: int = 5) -> None:
    """Let everything that can go on go on."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_pool_opens_once_for_concurrent_users_and_closes_after_last() -> None:
    async def main() -> None:
        kept = Kept()
        common: LoopLocalPool[str, str] = LoopLocalPool(kept.open)
        leave = asyncio.Event()

        async def user() -> str:
            async with common.use("it") as value:
                await leave.wait()
                return value

        users = [asyncio.ensure_future(user()) for _ in range(50)]
        await turns()
        kept.may_open.set()
        await turns()
        assert (kept.opened, kept.closed) == (1, 0)
        leave.set()
        assert await asyncio.gather(*users) == ["it 1"] * 50
        assert (kept.opened, kept.closed) == (1, 1)
        assert await user() == "it 2"
        assert (kept.opened, kept.closed) == (2, 2)
        assert unfinished() == set()

    asyncio.run(main())


def test_pool_keeps_value_open_until_last_user_leaves() -> None:
    async def main() -> None:
        kept = Kept()
        kept.may_open.set()
        common: LoopLocalPool[str, str] = LoopLocalPool(kept.open)
        async with common.use("it") as second:
            pass
        assert kept.closed == 1
        async with common.use("it"):
            async with common.use("it") as second:
                assert second == "it 2"
            assert kept.closed == 1
        assert kept.closed == 2

    asyncio.run(main())


def test_pool_opens_one_value_per_key() -> None:
    async def main() -> None:
        kept = Kept()
        kept.may_open.set()
        common: LoopLocalPool[str, str] = LoopLocalPool(kept.open)
        async with common.use("a") as a, common.use("b") as b:
            assert (a, b) == ("a 1", "b 2")
        assert kept.closed == 2

    asyncio.run(main())


def test_pool_continues_opening_when_first_user_is_cancelled() -> None:
    async def main() -> None:
        kept = Kept()
        common: LoopLocalPool[str, str] = LoopLocalPool(kept.open)

        async def user() -> str:
            async with common.use("it") as value:
                return value

        first, second = asyncio.ensure_future(user()), asyncio.ensure_future(user())
        await turns()
        first.cancel()
        await turns()
        kept.may_open.set()
        assert await second == "it 1"
        assert first.cancelled()
        assert (kept.opened, kept.closed) == (1, 1)
        assert unfinished() == set()

    asyncio.run(main())


def test_pool_closes_value_when_only_user_is_cancelled() -> None:
    """Opening is completed first, then the value is closed."""

    async def main() -> None:
        kept = Kept()
        common: LoopLocalPool[str, str] = LoopLocalPool(kept.open)

        async def user() -> None:
            async with common.use("it"):
                raise AssertionError("it never opened for this user")

        only = asyncio.ensure_future(user())
        await turns()
        only.cancel()
        await turns()
        kept.may_open.set()
        with pytest.raises(asyncio.CancelledError):
            await only
        assert (kept.opened, kept.closed) == (1, 1)
        assert unfinished() == set()

    asyncio.run(main())


def test_pool_closes_value_when_user_is_cancelled_twice() -> None:
    """The second cancellation arrives while the first waits for the opening."""

    async def main() -> None:
        kept = Kept()
        common: LoopLocalPool[str, str] = LoopLocalPool(kept.open)

        async def user() -> None:
            async with common.use("it"):
                raise AssertionError("it never opened for this user")

        only = asyncio.ensure_future(user())
        await turns()
        only.cancel()
        await turns()
        only.cancel()
        await turns()
        kept.may_open.set()
        with pytest.raises(asyncio.CancelledError):
            await only
        await turns()
        assert (kept.opened, kept.closed) == (1, 1)

    asyncio.run(main())


def test_pool_raises_failed_opening_to_all_users_and_retries_later() -> None:
    async def main() -> None:
        kept = Kept()
        kept.failures = 1
        common: LoopLocalPool[str, str] = LoopLocalPool(kept.open)

        async def user() -> str:
            async with common.use("it") as value:
                return value

        users = [asyncio.ensure_future(user()) for _ in range(3)]
        await turns()
        kept.may_open.set()
        outcomes = await asyncio.gather(*users, return_exceptions=True)
        assert [str(outcome) for outcome in outcomes] == ["it cannot be opened"] * 3
        assert await user() == "it 2"
        assert (kept.opened, kept.closed) == (2, 1)
        assert unfinished() == set()

    asyncio.run(main())


def test_pool_closes_value_and_raises_error_of_user() -> None:
    async def main() -> None:
        kept = Kept()
        kept.may_open.set()
        common: LoopLocalPool[str, str] = LoopLocalPool(kept.open)
        with pytest.raises(KeyError):
            async with common.use("it"):
                raise KeyError("user")
        assert kept.closed == 1

    asyncio.run(main())


def test_pool_does_not_share_between_event_loops() -> None:
    """Also with two loops at the same time."""
    together = threading.Barrier(2, timeout=10)
    seen: list[object] = []

    async def main() -> None:
        async with transport_pool.use(TransportConfig()) as transport:
            seen.append(transport)
            await asyncio.to_thread(together.wait)

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(transport) for transport in seen}) == 2


def test_transport_pool_shares_transport_of_equal_configs() -> None:
    async def main() -> None:
        async with (
            transport_pool.use(TransportConfig()) as one,
            transport_pool.use(TransportConfig()) as two,
            transport_pool.use(SHORT) as other,
        ):
            assert one is two
            assert one is not other
        assert unfinished() == set()

    asyncio.run(main())
