"""The triggers with which the package's is compared, besides those of other providers."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from bench.triggerer.raw import RawPoll, open_session

if TYPE_CHECKING:
    import aiohttp


class IdleTrigger(BaseTrigger):
    """Sleep for ever: what any trigger costs."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and no arguments."""
        return f"{__name__}.IdleTrigger", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield nothing."""
        await asyncio.Event().wait()
        yield TriggerEvent(None)


class RawTrigger(BaseTrigger):
    """
    Poll one image with a session that all these triggers share.

    :param poll: the arguments of :class:`RawPoll`.
    """

    _session: asyncio.Future[aiohttp.ClientSession] | None = None

    def __init__(self, *, image_id: str, interval: float, poll: dict[str, str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self.image_id = image_id
        self.interval = interval
        self.poll = poll

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        arguments = {"image_id": self.image_id, "interval": self.interval, "poll": self.poll}
        return f"{__name__}.RawTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event when the image is ACTIVE."""
        cls = type(self)
        if cls._session is None:
            cls._session = asyncio.ensure_future(self._open())
        await RawPoll(**self.poll).wait(await asyncio.shield(cls._session), self.image_id, self.interval)
        yield TriggerEvent(self.image_id)

    async def _open(self) -> aiohttp.ClientSession:
        await asyncio.to_thread(importlib.import_module, "aiohttp")
        return open_session()
