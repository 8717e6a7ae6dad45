"""Imports in a thread, because on an event loop a slow import would block every other trigger."""

from __future__ import annotations

import asyncio
import importlib
import threading
from weakref import WeakKeyDictionary

from airflow_provider_modelarts.hooks.shared_future import SharedFuture

_imported: set[tuple[str, ...]] = set()
_imports: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, ...], SharedFuture[None]]] = (
    WeakKeyDictionary()
)
"""Those that are running; a future refers to its event loop, which would never be freed."""


async def import_in_thread(*modules: str) -> None:
    """Import modules, once for all that need them at the same time on an event loop."""
    if modules in _imported:
        return
    loop = asyncio.get_running_loop()
    imports = _imports.setdefault(loop, {})
    if modules not in imports:
        # The new thread's first import would hold the interpreter while the event loop waits for its start.
        has_started = threading.Event()
        future = loop.run_in_executor(None, _import, modules, has_started)
        future.add_done_callback(lambda _: imports.pop(modules))
        imports[modules] = SharedFuture(future)
        has_started.set()
    await imports[modules].result()


def _import(modules: tuple[str, ...], has_started: threading.Event) -> None:
    has_started.wait()
    for module in modules:
        importlib.import_module(module)
    _imported.add(modules)
