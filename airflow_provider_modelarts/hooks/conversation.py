"""
Opens the conversation that a connection describes.

A worker opens one for itself. In a triggerer it belongs to the process: all waits through one
connection share one look-up of it, one session and one back-off, however many there are.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from airflow.providers.common.compat.connection import get_async_connection

from airflow_provider_modelarts.client.auth import AccessKey
from airflow_provider_modelarts.client.modelarts import ModelArts
from airflow_provider_modelarts.client.wire import Transport
from airflow_provider_modelarts.hooks.connection import (
    Settings,
    is_exposed,
    settings_of,
)
from airflow_provider_modelarts.transport import (
    BlockingTransport,
    Shared,
    shared,
)

log = logging.getLogger(__name__)

FRESH = 300.0
"""Seconds for which a look-up serves later waits too, so that an edited connection takes effect."""


def converse(settings: Settings, transport: Transport) -> ModelArts:
    """Return the conversation that these settings describe, over this transport."""
    if is_exposed(settings.endpoint):
        log.warning("%s is plain HTTP: everyone on the way can read along", settings.endpoint)
    return ModelArts(
        endpoint=settings.endpoint,
        project_id=settings.project_id,
        credentials=AccessKey(settings.access_key, settings.secret_key),
        transport=transport,
        clock=time.time,
        random=Random(),  # noqa: S311 - for jitter
    )


def converse_blocking(settings: Settings) -> ModelArts:
    """Return a conversation for a worker."""
    return converse(settings, BlockingTransport(settings.limits))


class LookUp:
    """What a connection said when it was last looked up; looked up once for all who ask."""

    def __init__(self, conn_id: str) -> None:
        self._conn_id = conn_id
        self._one_at_a_time = asyncio.Lock()
        self._settings: Settings | None = None
        self._at = 0.0

    async def settings(self, *, other_than: Settings | None = None) -> Settings:
        """
        Return the connection's settings.

        :param other_than: settings that were refused; a look-up made before does not count.
        """
        async with self._one_at_a_time:
            is_fresh = time.monotonic() - self._at < FRESH
            if self._settings is None or not is_fresh or self._settings is other_than:
                self._settings = settings_of(await get_async_connection(self._conn_id))
                self._at = time.monotonic()
            return self._settings


@asynccontextmanager
async def _look_up(conn_id: str) -> AsyncIterator[LookUp]:
    yield LookUp(conn_id)


@asynccontextmanager
async def _converse_shared(settings: Settings) -> AsyncIterator[ModelArts]:
    async with shared.use(settings.limits) as transport:
        yield converse(settings, transport)


look_ups: Shared[str, LookUp] = Shared(_look_up)
conversations: Shared[Settings, ModelArts] = Shared(_converse_shared)
