"""A ``Retry-After`` of days does not stop the polls of a watcher for days."""

from __future__ import annotations

import json
import time
from contextlib import aclosing

import pytest

from airflow_provider_modelarts.exceptions import MAX_RETRY_AFTER
from airflow_provider_modelarts.simulator import Fault, Simulator
from airflow_provider_modelarts.triggers.image_list import poll_images
from tests import virtual_loop


@pytest.mark.parametrize("retry_after", [10**7, int("9" * 400)], ids=["months", "400 digits"])
def test_polls_go_on_within_ten_minutes_of_long_retry_after(
    retry_after: int, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))
    simulator.inject(Fault("throttle", "ListImages", retry_after=retry_after))

    async def scenario() -> float:
        began = time.monotonic()
        async with aclosing(poll_images("modelarts_default", None, 60)) as stream:  # type: ignore[type-var]
            async for listed in stream:
                assert listed.images == []
                return time.monotonic() - began
        raise AssertionError("the polls ended")

    assert virtual_loop.run(scenario()) < MAX_RETRY_AFTER + 60
