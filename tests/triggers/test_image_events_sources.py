"""A watcher whose connection is changed: the images of another project are not new because of that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.simulator import Simulator
from airflow_provider_modelarts.triggers import image_list, seen_images
from airflow_provider_modelarts.triggers.image_events import NotebookImageEventTrigger
from airflow_provider_modelarts.triggers.image_list import ListedImages


@pytest.fixture(autouse=True)
def _no_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_images, "STORE_DELAY", 0.0)
    monkeypatch.setattr(image_list, "MIN_POLL_INTERVAL", 0.01)


class Store:
    """The asset state store, which outlives a triggerer."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    async def aget(self, key: str, default: Any = None) -> Any:
        return self.kept.get(key, default)

    async def aset(self, key: str, value: Any) -> None:
        self.kept[key] = value


def listed(source: str, *ids: str) -> ListedImages:
    images = [Image(id=id_, status="ACTIVE", swr_path=f"swr.x/team/a:{id_}", create_at=1) for id_ in ids]
    return ListedImages(source, images)


def events(*polls: ListedImages, store: Store | None = None) -> list[str]:
    """Return the image ids of the events that a watcher yields after these polls."""

    async def stream() -> AsyncIterator[ListedImages]:
        for poll in polls:
            yield poll

    async def collect() -> list[str]:
        trigger = NotebookImageEventTrigger()
        trigger.asset_state_store = store  # type: ignore[assignment]
        return [event.payload["image_id"] async for event in trigger.filter_shared_stream(stream())]

    return asyncio.run(collect())


@pytest.mark.parametrize("is_kept", [True, False], ids=["store", "no store"])
def test_watcher_yields_no_events_for_old_images_of_another_project(*, is_kept: bool) -> None:
    store = Store() if is_kept else None
    polls = [listed("one", "a"), listed("two", "b", "c"), listed("two", "b", "c", "d")]

    assert events(*polls, store=store) == ["d"]


def test_watcher_continues_where_it_was_in_the_first_project() -> None:
    store = Store()
    events(listed("one", "a"), listed("two", "b"), store=store)

    assert events(listed("one", "a", "e"), store=store) == ["e"]


def test_polls_name_source_by_endpoint_project_and_workspace(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = simulator.add_project("cn-north-4_research")

    async def sources() -> list[str]:
        found = []
        for extra in ({}, {"project_id": other}, {"workspace_id": "7"}, {}):
            given = {**simulator.connection, "extra": {**simulator.connection["extra"], **extra}}
            monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(given))
            async with aclosing(image_list.poll_images("modelarts_default", None, 0.01)) as stream:  # type: ignore[type-var]
                found.append((await anext(stream)).source)
        return found

    first, of_project, of_workspace, again = asyncio.run(sources())

    assert first == again
    assert len({first, of_project, of_workspace}) == 3
