"""Waits whose arguments a later version of this provider stored, before a rollback."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from airflow_provider_modelarts.simulator import Simulator
from airflow_provider_modelarts.triggers.image import NotebookImageTrigger
from airflow_provider_modelarts.triggers.notebook import NotebookStatusTrigger

WAIT: dict[str, Any] = {"modelarts_conn_id": "modelarts_default", "poll_interval": 1.0, "deadline": 0.0}


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("kind", ["image", "notebook"])
def test_trigger_ignores_arguments_of_later_version_with_warning(
    kind: str, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    stored = {**WAIT, "of_a_later_version": {"a": 1}}
    trigger: NotebookImageTrigger | NotebookStatusTrigger
    if kind == "image":
        trigger = NotebookImageTrigger(
            image_id=simulator.add_image(name="n", status="ACTIVE", namespace="team", tag="1"), **stored
        )
    else:
        trigger = NotebookStatusTrigger(notebook_id=simulator.notebook_id, statuses=["RUNNING"], **stored)

    async def events() -> list[Any]:
        return [event.payload["status"] async for event in trigger.run()]

    assert asyncio.run(events()) == ["success"]
    assert caplog.text.count("Ignoring of_a_later_version") == 1
    assert trigger.serialize()[1].keys().isdisjoint({"of_a_later_version"})
