"""The polls of a project's images against the simulator; nothing ends them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qsl

import pytest

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.simulator import AtOnce, Fault, Simulator
from airflow_provider_modelarts.triggers import image_list
from airflow_provider_modelarts.triggers.image_events import NotebookImageEventTrigger

pytestmark = pytest.mark.parametrize("simulator", [AtOnce()], indirect=True, ids=["saves at once"])


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_list, "MIN_POLL_INTERVAL", 0.01)
    monkeypatch.setattr(image_list, "SLOW_RETRY", 0.01)


def poll(count: int, between: Callable[[], object] = lambda: None, **arguments: Any) -> list[list[Image]]:
    """Return the lists of some polls."""

    async def collect() -> list[list[Image]]:
        watcher = NotebookImageEventTrigger(poll_interval=0.01, **arguments)
        lists: list[list[Image]] = []
        async with aclosing(watcher.open_shared_stream(watcher.serialize()[1])) as stream:  # type: ignore[type-var]
            async for listed in stream:
                lists.append(listed.images)
                between()
                if len(lists) == count:
                    return lists
        raise AssertionError("the polls ended")

    return asyncio.run(collect())


@pytest.mark.usefixtures("connection")
def test_polls_list_saved_images_of_any_page(simulator: Simulator) -> None:
    first, second = poll(2, lambda: simulator.add_image(name="research", namespace="team", tag="1"))

    assert (len(first), [image.tag for image in second]) == (0, ["1"])


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("error", "ListImages", status=400, code="ModelArts.9999"), id="an unknown code"),
        pytest.param(
            Fault("error", "ListImages", status=403, code="ModelArts.0108"), id="a missing permission"
        ),
    ],
)
@pytest.mark.usefixtures("connection")
def test_polls_go_on_after_errors(
    fault: Fault, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.inject(fault)

    assert poll(1) == [[]]

    messages = [record.getMessage() for record in caplog.records if record.name == image_list.__name__]
    assert ["failed, the next follows" in messages[0], messages[-1]] == [
        True,
        "Polls of the images succeed again",
    ]


def test_polls_go_on_after_connection_is_added(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection that is wrong or missing must not end a watcher either."""
    caplog.set_level(logging.WARNING, image_list.__name__)
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps({"conn_type": "modelarts"}))

    async def add_connection_later() -> list[Image]:
        stream = image_list.poll_images("modelarts_default", None, 0.01)
        first = asyncio.ensure_future(anext(stream))
        while "failed" not in caplog.text:
            await asyncio.sleep(0.01)
        monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))
        return (await first).images

    assert asyncio.run(add_connection_later()) == []


@pytest.mark.parametrize(
    ("given", "of_connection", "sent"), [(None, "7", "7"), ("8", "7", "8"), (None, None, None)], ids=str
)
def test_polls_use_workspace_of_watcher_or_connection(
    given: str | None,
    of_connection: str | None,
    sent: str | None,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extra = {**simulator.connection["extra"], "workspace_id": of_connection}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps({**simulator.connection, "extra": extra}))

    poll(1, workspace_id=given)

    (request,) = [entry for entry in simulator.journal if entry.operation == "ListImages"]
    assert dict(parse_qsl(request.query)).get("workspace_id") == sent
