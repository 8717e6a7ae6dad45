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
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import lru_cache
from random import Random
from typing import Any

from airflow.providers.common.compat.connection import get_async_connection

from airflow_provider_modelarts.client.auth import AccessKey, Agency, Credentials, HostAgency, Password
from airflow_provider_modelarts.client.modelarts import ModelArts, Project
from airflow_provider_modelarts.client.wire import Clock, Transport
from airflow_provider_modelarts.hooks.connection import Identity, Settings, settings_of
from airflow_provider_modelarts.hooks.masking import mask
from airflow_provider_modelarts.transport import (
    Shared,
    shared,
)

log = logging.getLogger(__name__)

FRESH = 300.0
"""Seconds for which a look-up serves later waits too, so that an edited connection takes effect."""


def converse(
    settings: Settings,
    transport: Transport,
    *,
    credentials: Credentials | None = None,
    clock: Clock = time,
    one_at_a_time: AbstractAsyncContextManager[Any] | None = None,
) -> ModelArts:
    """
    Return the conversation that these settings describe, over this transport.

    :param credentials: in place of those that this process shares.
    """
    who = settings.identity
    for endpoint in settings.exposed_endpoints:
        log.warning("%s is plain HTTP: everyone on the way can read along", endpoint)
    if settings.route.verify is False:
        log.warning("The certificate of %s is not checked, because extra verify is false", settings.endpoint)
    return ModelArts(
        endpoint=settings.endpoint,
        project=Project(who.project_id, who.project_name, who.iam_endpoint),
        credentials=credentials or shared_credentials(who),
        transport=transport,
        clock=clock,
        random=Random(),  # noqa: S311 - for jitter
        one_at_a_time=one_at_a_time,
    )


def credentials_of(who: Identity) -> Credentials:
    """Return what proves who we are."""
    region = who.region if who.signature == "credential" else None
    credentials: Credentials
    if who.auth == "host_agency":
        credentials = HostAgency(region=region, on_secret=mask)
    elif who.auth == "password":
        credentials = Password(
            endpoint=who.iam_endpoint,
            user_name=who.login,
            password=who.secret,
            domain_name=who.domain_name or "",
            project={"id": who.project_id} if who.project_id else {"name": who.project_name},
            on_secret=mask,
        )
    else:
        credentials = AccessKey(who.login, who.secret, security_token=who.security_token, region=region)
    if who.agency_name:
        credentials = Agency(
            credentials,
            endpoint=who.iam_endpoint,
            agency_name=who.agency_name,
            agency_domain_name=who.agency_domain_name or "",
            region=region,
            on_secret=mask,
        )
    return credentials


shared_credentials = lru_cache(maxsize=64)(credentials_of)
"""
The same for all of a process: it logs in once and looks its project up once, however many hooks and
waits it has.
"""


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
    async with shared.use(settings.route) as transport:
        yield converse(settings, transport, one_at_a_time=asyncio.Lock())


look_ups: Shared[str, LookUp] = Shared(_look_up)
conversations: Shared[Settings, ModelArts] = Shared(_converse_shared)
