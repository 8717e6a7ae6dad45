"""The verifications of a triggerer, spread so that a thousand saves that end together do not overload SWR."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from airflow_provider_modelarts.client.image_verification import wait_for_verification
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.hooks.loop_local_pool import LoopLocalValues
from airflow_provider_modelarts.hooks.pool import run_until

MAX_AT_A_TIME = 8
"""Verifications of a connection that run at a time: so many requests hang if SWR does."""
MIN_INTERVAL = 0.2
"""Seconds between the begins of two verifications of a connection; each takes two requests or some more."""


class VerificationLimiter:
    """Limits how many verifications of one connection run at a time, and how many begin in a second."""

    def __init__(self) -> None:
        self._running = asyncio.Semaphore(MAX_AT_A_TIME)
        self._next_at = -math.inf

    @asynccontextmanager
    async def admit(self) -> AsyncIterator[None]:
        """Enter when another verification may begin, and stay until it has ended."""
        async with self._running:
            now = asyncio.get_running_loop().time()
            begin_at = max(now, self._next_at)
            self._next_at = begin_at + MIN_INTERVAL
            await asyncio.sleep(begin_at - now)
            yield


_limiters: LoopLocalValues[str, VerificationLimiter] = LoopLocalValues(VerificationLimiter)


async def await_verification(
    conn_id: str, image: Image, *, workspace_id: str | None, poll_interval: float, deadline: float
) -> dict[str, Any]:
    """
    Verify an image; see :func:`wait_for_verification`.

    :raises WaitTimeoutError: the deadline passed first; raised some seconds later, whatever hangs.
    """
    return await run_until(
        conn_id,
        lambda modelarts: wait_for_verification(
            modelarts,
            image,
            workspace_id=workspace_id,
            poll_interval=poll_interval,
            deadline=deadline,
            admit=_limiters.get(conn_id).admit,
        ),
        deadline,
        subject=f"the tag of image {image.id} in SWR",
    )
