"""Imports in a thread do not hold the event loop that starts the thread."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_modelarts.hooks.imports import import_in_thread

MODULE = "module_of_test_imports_start"


class SlowStartLoop(asyncio.SelectorEventLoop):
    """A loop that takes long to start a thread, and notes whether the thread imported something meanwhile."""

    imported_early = False

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        time.sleep(0.02)
        self.imported_early = MODULE in sys.modules
        return future


def test_import_in_thread_begins_after_the_loop_has_started_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that imports at once holds the interpreter, which the loop needs to go on."""
    (tmp_path / f"{MODULE}.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    loop = SlowStartLoop()
    try:
        loop.run_until_complete(import_in_thread(MODULE))
        assert MODULE in sys.modules
        assert not loop.imported_early
    finally:
        sys.modules.pop(MODULE, None)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
