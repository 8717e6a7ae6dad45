"""The import of the hook in a triggerer, once per event loop and not on it."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

_imports: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Future[None]] = WeakKeyDictionary()


async def import_hook() -> None:
    """Import what a wait needs, in a thread, because on the event loop it would block every other trigger."""
    loop = asyncio.get_running_loop()
    importing = _imports.get(loop)
    if importing is None or (importing.done() and (importing.cancelled() or importing.exception())):
        importing = _imports[loop] = loop.run_in_executor(None, _import_modules)
    if not importing.done():
        # Shielded, because the triggers that start together share one import.
        await asyncio.shield(importing)
    importing.result()


def _import_modules() -> None:
    import airflow_provider_modelarts.hooks.modelarts
    import airflow_provider_modelarts.hooks.poller_pool
    import airflow_provider_modelarts.triggers.events  # noqa: F401
