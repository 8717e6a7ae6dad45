"""A wait that goes on with a new key keeps its deadline and its heartbeat."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any

import pytest

from airflow_provider_modelarts.exceptions import WaitTimeoutError
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests import virtual_loop


def wait_with_new_key(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, *, timeout: float, others: int
) -> tuple[float, list[Any]]:
    """Wait for images that stay CREATING, with a key that is rotated; return when the waits have ended."""
    ids = [
        simulator.add_image(name=f"n{n}", namespace="team", tag="nightly", status="CREATING")
        for n in range(1 + others)
    ]

    def connect() -> None:
        monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))

    async def scenario() -> tuple[float, list[Any]]:
        began = time.time()
        waits = [
            asyncio.ensure_future(ModelArtsHook().await_image(image_id, poll_interval=10, timeout=timeout))
            for image_id in ids
        ]
        await asyncio.sleep(35)
        simulator.inject(Fault("error", "ShowImage", status=500))
        while others == 0 and simulator.journal[-1].status != 500:
            await asyncio.sleep(1)
        simulator.rotate_keys("ANOTHERACCESSKEY", "new-secret-key")
        connect()
        ended, _ = await asyncio.wait(waits, timeout=5 * timeout)
        return time.time() - began, [end.exception() for end in ended]

    connect()
    return virtual_loop.run(scenario())


@pytest.mark.parametrize("others", [0, 2], ids=["alone", "with others"])
@pytest.mark.parametrize("timeout", [120.0, 1_000.0], ids=["before a heartbeat", "after some heartbeats"])
def test_wait_ends_at_its_deadline_after_new_key(
    timeout: float, others: int, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited, errors = wait_with_new_key(simulator, monkeypatch, timeout=timeout, others=others)

    assert [type(error) for error in errors] == [WaitTimeoutError] * (1 + others)
    assert timeout <= waited < timeout + 30


def test_wait_logs_heartbeats_after_new_key(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    wait_with_new_key(simulator, monkeypatch, timeout=1_000, others=0)

    heartbeats = [line for line in caplog.messages if line.startswith("Still waiting; last poll: Image")]
    assert len(heartbeats) == 3
    assert not [line for line in heartbeats if "failed" in line]  # as it did only with the old key
