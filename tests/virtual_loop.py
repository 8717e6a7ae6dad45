"""An event loop that does not wait: while nothing but timers is left to do, it moves the clocks on."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar
from unittest.mock import patch

from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.transport.async_transport import AsyncTransport

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """
    A loop whose idle time is skipped. Requests, threads and computation take as long as they take.

    :param on_skip: called with the seconds that are skipped.
    :param at_least: seconds that are skipped at once; all timers within them run together.
    """

    def __init__(self, on_skip: Callable[[float], object] | None = None, at_least: float = 0.0) -> None:
        self.skipped = 0.0
        self._at_least = at_least
        self.busy = 0
        """Requests in flight and threads, for which the loop really waits."""
        self._on_skip = on_skip or (lambda _: None)
        super().__init__(_Selector(self))

    def skip(self, seconds: float) -> None:
        """Move the clocks on."""
        seconds = max(seconds, self._at_least)
        self.skipped += seconds
        self._on_skip(seconds)

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self.busy += 1
        future.add_done_callback(self._end_thread)
        return future

    def _end_thread(self, _: asyncio.Future[Any]) -> None:
        self.busy -= 1

    def patched(self, ahead: float) -> Any:
        """Return the patches with which everybody in this process reads this loop's time."""
        real_time, real_monotonic, send = time.time, time.monotonic, AsyncTransport.send
        loop = self

        async def counted(
            self: AsyncTransport, request: Request, *, timeout: float | None = None
        ) -> Response:
            loop.busy += 1
            try:
                return await send(self, request, timeout=timeout)
            finally:
                loop.busy -= 1

        return (
            patch.object(time, "time", lambda: real_time() + loop.skipped + ahead),
            patch.object(time, "monotonic", lambda: real_monotonic() + loop.skipped),
            patch.object(AsyncTransport, "send", counted),
        )


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._virtual_loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self._virtual_loop
        if loop.busy or (timeout is not None and timeout <= 0):
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("nothing is left that could wake the event loop")
            loop.skip(timeout)
        return ready


def run(
    main: Coroutine[Any, Any, T],
    on_skip: Callable[[float], object] | None = None,
    at_least: float = 0.0,
    ahead: float = 0.0,
) -> T:
    """
    Run a coroutine on a virtual loop, as ``asyncio.run`` does.

    :param ahead: seconds by which its wall clock is ahead of this machine's.
    """
    loop = VirtualLoop(on_skip, at_least)
    times, monotonic, send = loop.patched(ahead)
    with times, monotonic, send:
        try:
            asyncio.set_event_loop(loop)
            return loop.run_until_complete(main)
        finally:
            loop.busy += 1
            try:
                tasks = asyncio.all_tasks(loop)
                for task in tasks:
                    task.cancel()
                loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.run_until_complete(loop.shutdown_default_executor())
            finally:
                asyncio.set_event_loop(None)
                loop.close()
