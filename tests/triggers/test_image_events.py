"""The watcher's trigger, alone and with Airflow's own shared streams."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any

import pytest
from airflow import __version__
from airflow.providers.common.compat.sdk import Asset
from airflow.sdk import AssetWatcher
from airflow.triggers.base import BaseTrigger, TriggerEvent
from airflow.triggers.shared_stream import SharedStreamManager

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.triggers import seen_images
from airflow_provider_modelarts.triggers.image_events import NotebookImageEventTrigger
from airflow_provider_modelarts.triggers.image_list import ListedImages

NOTEBOOK = "6b1c2d3e-4f50-4a61-8b72-9c83ad94be05"
MARKER = f"[airflow:0123456789abcdef notebook:{NOTEBOOK}]"


@pytest.fixture(autouse=True)
def _no_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_images, "STORE_DELAY", 0.0)
    monkeypatch.setattr(seen_images, "LOAD_RETRY", 0.0)


class Store:
    """The asset state store, with what it holds and, first, the errors that it raises."""

    def __init__(self, *failures: Exception, **kept: Any) -> None:
        self.kept = kept
        self.failures = list(failures)
        self.writes: list[Any] = []

    async def aget(self, key: str, default: Any = None) -> Any:
        if self.failures:
            raise self.failures.pop(0)
        return self.kept.get(key, default)

    async def aset(self, key: str, value: Any) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.kept[key] = json.loads(json.dumps(value))
        self.writes.append(value)


def image(number: int, status: str = "ACTIVE", **fields: Any) -> Image:
    given = {"namespace": "team", "name": "research", "tag": str(number), "create_at": number}
    return Image(
        id=f"image-{number}", status=status, swr_path=f"swr.x/team/research:{number}", **{**given, **fields}
    )


async def polls(*lists: list[Image]) -> AsyncIterator[ListedImages]:
    for images in lists:
        yield ListedImages("a project", images)


def events(*lists: list[Image], store: Store | None = None, **filters: Any) -> list[str]:
    """Return the image ids of the events that a watcher yields after these polls."""

    async def collect() -> list[TriggerEvent]:
        trigger = NotebookImageEventTrigger(**filters)
        trigger.asset_state_store = store  # type: ignore[assignment]
        return [event async for event in trigger.filter_shared_stream(polls(*lists))]

    return [event.payload["image_id"] for event in asyncio.run(collect())]


def test_watcher_yields_event_once_an_image_becomes_active() -> None:
    creating, active = image(2, "CREATING"), image(2)

    assert events([image(1), creating], [image(1), creating], [image(1), active], [image(1), active]) == [
        "image-2"
    ]


def test_watcher_yields_no_event_for_images_of_first_poll() -> None:
    assert events([image(1), image(2)]) == []


def test_watcher_yields_events_oldest_first_and_never_for_failed_images() -> None:
    assert events([], [image(3), image(2), image(4, "ERROR"), image(5, create_at=None)]) == [
        "image-5",
        "image-2",
        "image-3",
    ]


@pytest.mark.parametrize(
    ("filters", "fires"),
    [
        ({}, True),
        ({"namespace": "te*"}, True),
        ({"namespace": "other"}, False),
        ({"name": "*search", "namespace": "team"}, True),
        ({"name": "Research"}, False),
        ({"notebook_id": NOTEBOOK}, True),
        ({"notebook_id": NOTEBOOK.upper()}, True),
        ({"notebook_id": "another"}, False),
    ],
    ids=str,
)
def test_watcher_filters_images(filters: dict[str, Any], *, fires: bool) -> None:
    assert (events([], [image(1, description=MARKER)], **filters) != []) is fires


def test_watcher_yields_same_extra_as_outlets() -> None:
    async def first() -> Any:
        stream = NotebookImageEventTrigger().filter_shared_stream(polls([], [image(1, description=MARKER)]))
        return (await anext(stream)).payload

    assert asyncio.run(first()) == {
        "image_id": "image-1",
        "swr_path": "swr.x/team/research:1",
        "tag": "1",
        "notebook_id": NOTEBOOK,
    }


def test_watcher_resumes_from_stored_images() -> None:
    """An image that became ACTIVE while no triggerer ran is not missed."""
    store = Store()
    assert events([image(1)], store=store) == []

    assert events([image(1), image(2)], store=store) == ["image-2"]
    assert events([image(1), image(2)], store=store) == []
    assert list(store.kept.values()) == [["image-1", "image-2"]]


def test_watcher_of_empty_project_resumes_too() -> None:
    store = Store()
    events([], store=store)

    assert events([image(1)], store=store) == ["image-1"]


def test_watcher_stores_image_after_its_event() -> None:
    """A triggerer that dies in between sends the event again."""
    store = Store()

    async def until_event() -> list[Any]:
        trigger = NotebookImageEventTrigger()
        trigger.asset_state_store = store  # type: ignore[assignment]
        stream = trigger.filter_shared_stream(polls([], [image(1)]))
        await anext(stream)
        return list(store.writes)

    assert asyncio.run(until_event()) == [[]]
    assert events([image(1)], store=store) == ["image-1"]


def test_watcher_forgets_images_that_are_no_longer_listed() -> None:
    store = Store()

    later = [image(2, "DELETED"), image(3)]
    events([image(1), image(2)], [image(2), image(3)], *seen_images.MIN_ABSENCES * [later], store=store)

    assert store.writes == [
        ["image-1", "image-2"],
        ["image-1", "image-2", "image-3"],
        ["image-2", "image-3"],
    ]


def test_watcher_with_other_filters_starts_anew() -> None:
    store = Store()
    events([image(1)], store=store, name="r*")

    assert events([image(1)], store=store, name="re*") == []
    assert len(store.kept) == 2


@pytest.mark.parametrize("stored", ["text", {"a": 1}, 5])
def test_watcher_ignores_state_that_is_no_list(stored: Any) -> None:
    store = Store()
    events([image(1)], store=store)
    store.kept = dict.fromkeys(store.kept, stored)

    assert events([image(1)], [image(1), image(2)], store=store) == ["image-2"]


def test_watcher_waits_for_store_that_fails() -> None:
    """An empty state would miss the images of the meantime."""
    store = Store()
    events([image(1)], store=store)
    store.failures = [RuntimeError("API server is away")] * 3

    assert events([image(1), image(2)], store=store) == ["image-2"]


def test_watcher_writes_again_after_store_failed(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    events([], store=store)

    async def run() -> None:
        trigger = NotebookImageEventTrigger()
        trigger.asset_state_store = store  # type: ignore[assignment]
        stream = trigger.filter_shared_stream(polls([image(1)], [image(1)], [image(1)]))
        await anext(stream)
        store.failures = [RuntimeError("API server is away")] * 2
        assert [event async for event in stream] == []

    asyncio.run(run())

    assert store.writes[-1] == ["image-1"]
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert ["cannot be written, will retry: API server" in record.getMessage() for record in warnings] == [
        True
    ]


@pytest.mark.parametrize(
    ("store", "reason"),
    [
        pytest.param(None, "needs Airflow 3.3.2", id="no store"),
        pytest.param(object(), "needs Airflow 3.3.2", id="a store that only blocks"),
        pytest.param(Store(ValueError("Task has 2 concrete inlets")), "2 concrete inlets", id="two assets"),
    ],
)
def test_watcher_without_store_says_so_once(
    store: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert events([image(1)], [image(1), image(2)], [image(2), image(3)], store=store) == [
        "image-2",
        "image-3",
    ]

    (line,) = [record.getMessage() for record in caplog.records if "this process only" in record.getMessage()]
    assert reason in line


def test_watcher_is_accepted_by_asset_and_serialized_the_same_each_time() -> None:
    trigger = NotebookImageEventTrigger(namespace="team", name="res*", poll_interval=120)
    path, kwargs = trigger.serialize()
    module, _, name = path.rpartition(".")

    again = getattr(import_module(module), name)(**json.loads(json.dumps(kwargs)))

    assert again.serialize() == trigger.serialize()
    asset = Asset("research", watchers=[AssetWatcher(name="new image", trigger=trigger)])
    assert asset.watchers[0].trigger is trigger


@pytest.mark.parametrize("value", [0, -1, float("nan"), "60"])
def test_watcher_refuses_poll_interval_when_dag_is_parsed(value: Any) -> None:
    with pytest.raises(ValueError, match="poll_interval"):
        NotebookImageEventTrigger(poll_interval=value)


def test_watcher_queue_needs_an_airflow_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(BaseTrigger, "queue", raising=False)
    with pytest.raises(ValueError, match=r"queue needs Airflow 3\.4"):
        NotebookImageEventTrigger(queue="eu")

    monkeypatch.setattr(BaseTrigger, "queue", None, raising=False)
    trigger = NotebookImageEventTrigger(queue="eu")
    assert trigger.queue == "eu"
    assert "queue" not in trigger.serialize()[1]


def test_watcher_names_version_on_older_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("airflow.triggers.base.BaseEventTrigger")
    monkeypatch.delitem(sys.modules, "airflow_provider_modelarts.triggers.image_events")

    with pytest.raises(ImportError, match=r"needs Airflow 3\.0 or later") as caught:
        import_module("airflow_provider_modelarts.triggers.image_events")

    assert f"this is Airflow {__version__}" in str(caught.value)


def test_watchers_of_one_project_share_their_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the triggerer's own manager of shared streams."""
    opened: list[dict[str, Any]] = []
    second_poll = asyncio.Event()

    async def stream(_: type, kwargs: dict[str, Any]) -> AsyncIterator[ListedImages]:
        opened.append(kwargs)
        yield ListedImages("a project", [])
        await second_poll.wait()
        yield ListedImages("a project", [image(1), image(2, name="other")])
        await asyncio.Event().wait()

    monkeypatch.setattr(NotebookImageEventTrigger, "open_shared_stream", classmethod(stream))

    async def run() -> list[str]:
        manager = SharedStreamManager()
        watchers = [NotebookImageEventTrigger(name=name) for name in ("research", "other")]
        streams = []
        for number, watcher in enumerate(watchers):
            key = watcher.shared_stream_key()
            assert key is not None
            shared = manager.subscribe(trigger_id=number, trigger=watcher, key=key)
            streams.append(watcher.filter_shared_stream(shared))
        firsts = asyncio.gather(*(anext(events) for events in streams))
        await asyncio.sleep(0)
        second_poll.set()
        found = await firsts
        await manager.stop_all()
        return [event.payload["image_id"] for event in found]

    assert asyncio.run(run()) == ["image-1", "image-2"]
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("other", "is_shared"),
    [
        ({"name": "x", "namespace": "y", "notebook_id": "z"}, True),
        ({"workspace_id": "1"}, False),
        ({"modelarts_conn_id": "other"}, False),
        ({"poll_interval": 30}, False),
    ],
    ids=str,
)
def test_watcher_shares_polls_of_same_project_and_interval(other: dict[str, Any], *, is_shared: bool) -> None:
    one, two = NotebookImageEventTrigger(), NotebookImageEventTrigger(**other)

    assert (one.shared_stream_key() == two.shared_stream_key()) is is_shared
