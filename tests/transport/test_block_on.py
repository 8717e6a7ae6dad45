"""``block_on`` runs a coroutine that never suspends, without an event loop."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_modelarts.transport import block_on


def test_a_coroutine_that_never_suspends_is_run_to_its_end() -> None:
    """And gives what it returns."""

    async def seven() -> int:
        return 7

    assert block_on(seven()) == 7


def test_an_error_comes_out_as_it_is() -> None:
    """Not wrapped."""

    async def fail() -> None:
        raise KeyError("it")

    with pytest.raises(KeyError, match="it"):
        block_on(fail())


def test_a_coroutine_that_suspends_is_closed_and_is_an_error() -> None:
    """It raises where it would hang, and its own clean-up still runs."""
    steps = []

    async def wait() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            steps.append("cleaned up")

    with pytest.raises(RuntimeError, match="never suspend"):
        block_on(wait())
    assert steps == ["cleaned up"]
