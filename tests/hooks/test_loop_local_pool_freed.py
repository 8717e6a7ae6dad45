"""A process that runs many event loops, one after the other, keeps none of them."""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import sys
import weakref
from pathlib import Path

import pytest

from airflow_provider_modelarts.client.operations import show_image
from airflow_provider_modelarts.hooks.imports import import_in_thread
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Simulator

MODULE = "module_of_test_loop_local_pool_freed"


@pytest.mark.parametrize("is_cancelled", [False, True], ids=["ended", "cancelled"])
def test_hook_keeps_no_event_loop_after_its_end(
    is_cancelled: bool, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))
    image_id = simulator.add_image(name="n", namespace="team", tag="1", status="ACTIVE")

    async def scenario() -> weakref.ref[asyncio.AbstractEventLoop]:
        hook = ModelArtsHook()
        wait = asyncio.ensure_future(hook.await_image(image_id, timeout=0))
        await asyncio.sleep(0)
        if not is_cancelled:
            await hook.acall(show_image(image_id))
            await wait
        return weakref.ref(asyncio.get_running_loop())

    first, _ = (asyncio.run(scenario()) for _ in range(2))  # a library of Airflow keeps the last one

    gc.collect()
    assert first() is None


def test_import_in_thread_is_repeated_after_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)

    async def scenario() -> list[BaseException | None]:
        failed = await asyncio.gather(*(import_in_thread(MODULE) for _ in range(2)), return_exceptions=True)
        (tmp_path / f"{MODULE}.py").touch()
        importlib.invalidate_caches()
        await asyncio.gather(*(import_in_thread(MODULE) for _ in range(2)))
        return failed

    assert [type(error) for error in asyncio.run(scenario())] == 2 * [ModuleNotFoundError]
    assert sys.modules.pop(MODULE)
