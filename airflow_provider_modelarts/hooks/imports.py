"""Imports in a thread, because on an event loop a slow import would block every other trigger."""

from __future__ import annotations

import asyncio
import importlib
import threading
from weakref import WeakKeyDictionary

_imports: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, ...], asyncio.Future[None]]] = (
    WeakKeyDictionary()
)


async def import_in_thread(*modules: str) -> None:
    """Import modules, once for all that need them at the same time on an event loop."""
    loop = asyncio.get_running_loop()
    imports = _imports.setdefault(loop, {})
    importing = imports.get(modules)
    if importing is None or (importing.done() and (importing.cancelled() or importing.exception())):
        # The new thread's first import would hold the interpreter while the event loop waits for its start.
        has_started = threading.Event()
        importing = imports[modules] = loop.run_in_executor(None, _import, modules, has_started)
        has_started.set()
    if not importing.done():
        # Shielded, because the cancellation of one trigger must not cancel the import for the others.
        await asyncio.shield(importing)
    importing.result()


def _import(modules: tuple[str, ...], has_started: threading.Event) -> None:
    has_started.wait()
    for module in modules:
        importlib.import_module(module)
