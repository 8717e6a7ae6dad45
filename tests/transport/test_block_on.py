"""``block_on`` runs a coroutine that never suspends, without an event loop."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_modelarts.transport import block_on


def test_block_on_returns_result_of_coroutine() -> None:
    async def seven() -> int:
        return 7

    assert block_on(seven()) == 7


def test_block_on_raises_exception_of_coroutine() -> None:
    async def fail() -> None:
        raise KeyError("it")

    with pytest.raises(KeyError, match="it"):
        block_on(fail())


def test_block_on_closes_coroutine_that_suspends_and_raises() -> None:
    steps = []

    async def wait() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            steps.append("cleaned up")

    with pytest.raises(RuntimeError, match="a coroutine suspended"):
        block_on(wait())
    assert steps == ["cleaned up"]
