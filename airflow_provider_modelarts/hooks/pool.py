"""Values that all users on one event loop share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LoopLocalPool(Generic[K, V]):
    """
    What all users on one event loop have in common, by key: opened by the first, closed by the last.

    :param opener: makes the context manager of a key's value.
    """

    def __init__(self, opener: Callable[[K], AbstractAsyncContextManager[V]]) -> None:
        self._opener = opener
        self._leases: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[K, _Lease[V]]] = WeakKeyDictionary()

    @asynccontextmanager
    async def use(self, key: K) -> AsyncIterator[V]:
        """Share the key's value for as long as the context is open."""
        leases = self._leases.setdefault(asyncio.get_running_loop(), {})
        if key not in leases:
            manager = self._opener(key)
            leases[key] = _Lease(manager, asyncio.ensure_future(manager.__aenter__()))
        lease = leases[key]
        lease.users += 1
        try:
            # A user that is cancelled must not take the others' value along.
            yield await asyncio.shield(lease.opening)
        finally:
            lease.users -= 1
            if lease.users == 0:
                del leases[key]
                # Who is cancelled a second time, while closing, must not leave it half closed.
                await asyncio.shield(asyncio.ensure_future(lease.close()))


@dataclass(slots=True)
class _Lease(Generic[V]):
    manager: AbstractAsyncContextManager[V]
    opening: asyncio.Future[V]
    users: int = 0

    async def close(self) -> None:
        await asyncio.wait([self.opening])
        if self.opening.exception() is None:
            await self.manager.__aexit__(None, None, None)
