"""``ModelArtsHook.list_snapshots``."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest

from airflow_provider_modelarts.client.marker import IdempotencyKey
from airflow_provider_modelarts.exceptions import RequestValidationError
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Simulator

OTHER_ID = "16fd2706-8baf-433b-82eb-8c7fada847da"


@pytest.mark.usefixtures("connection")
def test_list_snapshots_returns_images_of_notebook_newest_first(simulator: Simulator) -> None:
    """From all pages, under any name."""
    own = []
    for number in range(450):
        notebook_id = OTHER_ID if number % 3 else simulator.notebook_id
        key = IdempotencyKey("dag", f"task{number % 7}", f"run{number}", -1)
        image_id = simulator.add_image(
            name=f"n{number % 5}",
            namespace="team",
            tag=f"t{number}",
            description=key.append_to("x", notebook_id),
        )
        own += [image_id] * (notebook_id != OTHER_ID)
        simulator.advance(1)
    simulator.add_image(name="by", namespace="hand", tag="1")

    found = ModelArtsHook().list_snapshots(simulator.notebook_id.upper())

    assert [image.id for image in found] == own[::-1]


@pytest.mark.parametrize(
    ("of_the_connection", "argument", "asked_for"),
    [("7", None, "7"), ("7", "8", "8"), (None, None, None), (None, "8", "8")],
)
def test_list_snapshots_uses_workspace_of_connection_by_default(
    of_the_connection: str | None,
    argument: str | None,
    asked_for: str | None,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extra = {**simulator.connection["extra"], "workspace_id": of_the_connection}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps({**simulator.connection, "extra": extra}))

    assert ModelArtsHook().list_snapshots(simulator.notebook_id, workspace_id=argument) == []

    (entry,) = simulator.journal
    query = dict(parse_qsl(entry.query))
    assert (query["type"], query.get("workspace_id")) == ("DEDICATED", asked_for)
    assert "name" not in query


@pytest.mark.parametrize("notebook_id", [None, "", "  ", 7, "a/b"])
@pytest.mark.usefixtures("connection")
def test_list_snapshots_rejects_invalid_notebook_id(notebook_id: Any, simulator: Simulator) -> None:
    with pytest.raises(RequestValidationError, match="notebook_id"):
        ModelArtsHook().list_snapshots(notebook_id)

    assert simulator.journal == ()
