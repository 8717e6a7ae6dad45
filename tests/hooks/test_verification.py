"""How the verifications of a triggerer are spread, on a clock of their own."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from airflow_provider_modelarts.exceptions import WaitTimeoutError
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.hooks.verification import MAX_AT_A_TIME, MIN_INTERVAL, VerificationLimiter
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests import virtual_loop


@pytest.mark.parametrize(
    ("number", "seconds", "at_a_time"),
    [
        pytest.param(20, 0.1, 1, id="quick ones follow each other"),
        pytest.param(50, 60.0, MAX_AT_A_TIME, id="slow ones are limited"),
    ],
)
def test_verification_limiter_spreads_and_limits(number: int, seconds: float, at_a_time: int) -> None:
    begun: list[float] = []
    running = most = 0

    async def take(limiter: VerificationLimiter) -> None:
        nonlocal running, most
        async with limiter.admit():
            running += 1
            most = max(most, running)
            begun.append(asyncio.get_running_loop().time())
            await asyncio.sleep(seconds)
            running -= 1

    async def all_together() -> float:
        limiter = VerificationLimiter()
        start = asyncio.get_running_loop().time()
        await asyncio.gather(*(take(limiter) for _ in range(number)))
        return start

    start = virtual_loop.run(all_together())

    assert len(begun) == number
    assert most == at_a_time
    # From the start, not from each other: if the machine pauses, one begins late and the next one in time.
    assert all(at >= start + place * MIN_INTERVAL - 0.001 for place, at in enumerate(begun))


def test_verification_limiter_admits_after_an_error_or_a_cancelled_wait() -> None:
    async def fail(limiter: VerificationLimiter) -> None:
        async with limiter.admit():
            raise ValueError

    async def scenario() -> int:
        limiter = VerificationLimiter()
        outcomes: list[Any] = await asyncio.gather(
            *(fail(limiter) for _ in range(3 * MAX_AT_A_TIME)), return_exceptions=True
        )
        waiting = asyncio.ensure_future(fail(limiter))
        await asyncio.sleep(0)
        waiting.cancel()
        async with limiter.admit():
            return len([outcome for outcome in outcomes if isinstance(outcome, ValueError)])

    assert virtual_loop.run(scenario()) == 3 * MAX_AT_A_TIME


@pytest.mark.usefixtures("connection")
def test_await_verification_of_many_images_never_overloads_registry(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_modelarts.hooks.verification.MIN_INTERVAL", 0.0)
    hook = ModelArtsHook()
    image_ids = [simulator.add_image(name="n", namespace="team", tag=f"v{number}") for number in range(16)]
    images = [hook.get_image(image_id) for image_id in image_ids]

    async def together() -> list[dict[str, Any]]:
        deadline = simulator.now() + 600
        return await asyncio.gather(*(hook.await_verification(image, deadline=deadline) for image in images))

    found = asyncio.run(together())

    assert len({result["digest"] for result in found}) == 16
    assert simulator.max_in_flight <= MAX_AT_A_TIME


def test_await_verification_ends_at_deadline(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))
    simulator.inject(Fault("html", "ListRepositoryTags", times=None))
    hook = ModelArtsHook()
    image = hook.get_image(simulator.add_image(name="n", namespace="team", tag="v1"))

    with pytest.raises(WaitTimeoutError, match=r"the tag of image .* in SWR.*HTTP 502"):
        asyncio.run(hook.await_verification(image, poll_interval=0.01, deadline=simulator.now() + 0.1))
