"""Imports what triggers need, in a thread, because on the event loop they would block every other trigger."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

_imports: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Future[None]] = WeakKeyDictionary()


async def import_in_thread() -> None:
    """Import what a wait needs, once for all triggers that start together."""
    loop = asyncio.get_running_loop()
    importing = _imports.get(loop)
    if importing is None or (importing.done() and (importing.cancelled() or importing.exception())):
        importing = _imports[loop] = loop.run_in_executor(None, _import_modules)
    if not importing.done():
        # Shielded, because the cancellation of one trigger must not cancel the import for the others.
        await asyncio.shield(importing)
    importing.result()


def _import_modules() -> None:
    import airflow_provider_modelarts.triggers.events  # noqa: F401
    from airflow_provider_modelarts.hooks.modelarts import load

    load()
