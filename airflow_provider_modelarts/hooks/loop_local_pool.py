"""Pools whose values live on an event loop as long as anybody there uses them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from airflow_provider_modelarts.hooks.shared_future import SharedFuture

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LoopLocalValues(Generic[K, V]):
    """
    Values by key that need neither opening nor closing, each shared as long as somebody holds it.

    :param make: returns a new value.
    """

    def __init__(self, make: Callable[[], V]) -> None:
        self._make = make
        self._values: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[K, V]] = (
            WeakKeyDictionary()
        )

    def get(self, key: K) -> V:
        """Return the key's value on the running event loop."""
        values = self._values.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
        return values.setdefault(key, self._make())

    def __len__(self) -> int:
        """Return how many values are held on the running event loop."""
        return len(self._values.get(asyncio.get_running_loop(), ()))


class LoopLocalPool(Generic[K, V]):
    """
    Values by key, each opened by its first user on an event loop and closed by its last.

    :param opener: returns the context manager that opens and closes a key's value.
    """

    def __init__(self, opener: Callable[[K], AbstractAsyncContextManager[V]]) -> None:
        self._opener = opener
        self._leases: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[K, _Lease[V]]] = WeakKeyDictionary()

    def use(self, key: K) -> AbstractAsyncContextManager[V]:
        """Return a context manager for the key's value, which stays open as long as its context."""
        return _Use(self, key)

    def lease(self, key: K) -> _Lease[V]:
        """Count one more user of the key's value, and open it for the first."""
        leases = self._leases.setdefault(asyncio.get_running_loop(), {})
        if key not in leases:
            manager = self._opener(key)
            leases[key] = _Lease(manager, SharedFuture(asyncio.ensure_future(manager.__aenter__())))
        leases[key].users += 1
        return leases[key]

    async def release(self, key: K, lease: _Lease[V]) -> None:
        """Count one user less, and close the value of the last one."""
        lease.users -= 1
        if lease.users == 0:
            del self._leases[asyncio.get_running_loop()][key]
            # Shielded, because a second cancellation must not leave the value half closed.
            await asyncio.shield(asyncio.ensure_future(lease.close()))


class _Use(AbstractAsyncContextManager[V], Generic[K, V]):
    """The context of one user; a triggerer may have thousands, so it is no generator."""

    __slots__ = ("_key", "_lease", "_pool")

    def __init__(self, pool: LoopLocalPool[K, V], key: K) -> None:
        self._pool = pool
        self._key = key

    async def __aenter__(self) -> V:
        self._lease = self._pool.lease(self._key)
        try:
            return await self._lease.opening.result()
        except BaseException:
            await self._pool.release(self._key, self._lease)
            raise

    async def __aexit__(self, *_: object) -> None:
        await self._pool.release(self._key, self._lease)


@dataclass(slots=True)
class _Lease(Generic[V]):
    manager: AbstractAsyncContextManager[V]
    opening: SharedFuture[V]
    users: int = 0

    async def close(self) -> None:
        await self.opening.wait()
        if not self.opening.has_failed():
            await self.manager.__aexit__(None, None, None)
