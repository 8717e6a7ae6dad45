"""What the hook imports, when, and in which thread."""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
from importlib.machinery import ModuleSpec

import pytest

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.hooks import imports
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Simulator

POOL = "airflow_provider_modelarts.hooks.poller_pool"


class Importers:
    """Records which thread imports the module of the pools."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        """Record an import and leave it to the other finders."""
        if name == POOL:
            self.threads.append(threading.current_thread())
        return None


@pytest.fixture
def importers(monkeypatch: pytest.MonkeyPatch) -> Importers:
    """As in a process that has imported the hook only."""
    importlib.import_module(POOL)  # so that the module of now is back afterwards
    importers = Importers()
    monkeypatch.setattr(sys, "meta_path", [importers, *sys.meta_path])
    monkeypatch.delitem(sys.modules, POOL)
    monkeypatch.setattr(imports, "_imported", set())
    return importers


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("how", ["acall", "await_image"])
def test_hook_imports_in_thread_before_first_wait(
    how: str, simulator: Simulator, importers: Importers
) -> None:
    image_id = simulator.add_image(name="research", namespace="team", tag="nightly")

    async def twice() -> list[bool]:
        hook = ModelArtsHook()
        if how == "acall":
            return [(await hook.acall(operations.show_image(image_id))).is_active for _ in range(2)]
        return [(await hook.await_image(image_id, poll_interval=0.05)).is_active for _ in range(2)]

    assert asyncio.run(twice()) == [True, True]
    assert len(importers.threads) == 1
    assert importers.threads[0] is not threading.main_thread()
