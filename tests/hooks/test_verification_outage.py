"""Verifications that wait through a long outage of SWR."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest

from airflow_provider_modelarts.client import image_verification
from airflow_provider_modelarts.exceptions import MAX_RETRY_AFTER
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests import virtual_loop


def verify(simulator: Simulator, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> float:
    """Verify an image while SWR fails, and return how many seconds it took."""
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))
    image_id = simulator.add_image(name="n", namespace="team", tag="v1")

    async def scenario() -> float:
        hook = ModelArtsHook()
        image: Any = await hook.await_image(image_id, timeout=0)
        simulator.inject(fault)
        began = time.monotonic()
        found = await hook.await_verification(image, poll_interval=10, deadline=time.time() + 7 * 86_400)
        assert "digest" in found
        return time.monotonic() - began

    return virtual_loop.run(scenario())


def test_await_verification_logs_no_warning_per_try_while_registry_fails(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, image_verification.__name__)

    waited = verify(simulator, monkeypatch, Fault("error", "ListRepositoryTags", status=503, times=90))

    warnings = [record for record in caplog.records if record.name == image_verification.__name__]
    assert waited >= 900
    assert 1 < len(warnings) <= 1 + waited // 300  # the first, and one at most every five minutes


def test_await_verification_tries_again_within_ten_minutes_of_long_retry_after(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = Fault("error", "ListRepositoryTags", status=503, retry_after=10**7)

    assert verify(simulator, monkeypatch, fault) < MAX_RETRY_AFTER + 60
