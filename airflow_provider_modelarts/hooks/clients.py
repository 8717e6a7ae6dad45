"""Clients for the connections of Airflow, and the credentials that they share in a process."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import lru_cache
from random import Random
from typing import Any

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.credentials import (
    AccessKeyCredentials,
    AgencyCredentials,
    Credentials,
    EcsAgencyCredentials,
    PasswordCredentials,
)
from airflow_provider_modelarts.client.http_types import Clock, Transport
from airflow_provider_modelarts.client.session import Project
from airflow_provider_modelarts.exceptions import ConnectionLookupError, ModelArtsError, sanitize
from airflow_provider_modelarts.hooks.connection import Identity, Settings
from airflow_provider_modelarts.hooks.masking import mask, redacted

log = logging.getLogger(__name__)

_CREDENTIALS = re.compile(r"//[^/@\s]*@")


def create_client(
    settings: Settings,
    transport: Transport,
    *,
    credentials: Credentials | None = None,
    clock: Clock = time,
    lock: AbstractAsyncContextManager[Any] | None = None,
) -> ModelArtsClient:
    """
    Return the client that these settings describe.

    :param transport: sends the requests; its route is that of the settings.
    :param credentials: in place of those that this process shares.
    :param clock: the module :mod:`time` or a substitute.
    :param lock: lets logins happen one at a time where calls are concurrent.
    """
    who = settings.identity
    if credentials is None:
        with _SHARING.lock:
            credentials = shared_credentials(who)
    for endpoint in settings.plaintext_endpoints:
        log.warning(
            "%s uses plain HTTP, so others can read requests and responses; use https if the endpoint has it",
            endpoint,
        )
    if settings.transport_config.verify is False:
        log.warning(
            "The certificate of %s is not checked, as extra verify is false; set it to true or a CA file",
            settings.endpoint,
        )
    return ModelArtsClient(
        endpoint=settings.endpoint,
        swr_endpoint=settings.require_swr_endpoint,
        project=Project(who.project_id, who.project_name, who.iam_endpoint),
        credentials=credentials,
        transport=transport,
        clock=clock,
        random=Random(),  # noqa: S311 - for jitter
        lock=lock,
    )


def build_credentials(who: Identity) -> Credentials:
    """Return the credentials of an identity, which have not logged in yet."""
    region = who.region if who.signature == "credential" else None
    credentials: Credentials
    if who.auth == "host_agency":
        credentials = EcsAgencyCredentials(region=region, register_secret=mask)
    elif who.auth == "password":
        credentials = PasswordCredentials(
            endpoint=who.iam_endpoint,
            user_name=who.login,
            password=who.secret,
            domain_name=who.domain_name or "",
            project={"id": who.project_id} if who.project_id else {"name": who.project_name},
            register_secret=mask,
        )
    else:
        credentials = AccessKeyCredentials(
            who.login, who.secret, security_token=who.security_token, region=region
        )
    if who.agency_name:
        credentials = AgencyCredentials(
            credentials,
            endpoint=who.iam_endpoint,
            agency_name=who.agency_name,
            agency_domain_name=who.agency_domain_name or "",
            region=region,
            register_secret=mask,
        )
    return credentials


shared_credentials = lru_cache(maxsize=64)(build_credentials)
"""
The credentials that a process shares: one login and one lookup of the project per identity, however many
hooks and waits use it.
"""


class ThreadLock(AbstractAsyncContextManager[None]):
    """
    A lock between threads for a client that blocks.

    The thread that has it may take it again, as the handler of a signal does that calls ModelArts.
    """

    def __init__(self) -> None:
        self._locks: dict[int, threading.RLock] = {}

    @property
    def lock(self) -> threading.RLock:
        """The lock of this process: after a fork, the thread that had it does not exist and releases none."""
        return self._locks.get(os.getpid()) or self._locks.setdefault(os.getpid(), threading.RLock())

    async def __aenter__(self) -> None:
        """Block the thread until no other one has the lock."""
        self.lock.acquire()

    async def __aexit__(self, *error: object) -> None:
        """Release the lock."""
        self.lock.release()


def thread_lock(identity: Identity) -> ThreadLock:
    """Return the lock that lets the logins of a process's threads happen one at a time."""
    with _SHARING.lock:
        return _thread_locks(identity)


@lru_cache(maxsize=64)
def _thread_locks(_: Identity) -> ThreadLock:
    return ThreadLock()


_SHARING = ThreadLock()
"""Held while threads find what they share: two that miss a cache together would each make their own."""


@contextmanager
def lookup_errors(conn_id: str) -> Iterator[None]:
    """
    Turn the errors of Airflow's lookup of a connection into :class:`ConnectionLookupError`.

    :raises ConnectionLookupError: Airflow did not return the connection.
    """
    try:
        yield
    except ModelArtsError:
        raise  # the connection was read, and its fields are wrong
    except Exception as error:  # noqa: BLE001 - Airflow, its database and any secrets backend
        raise ConnectionLookupError(
            f"Airflow did not return the connection {conn_id!r}: {lookup_cause(error)}. {LOOKUP_REMEDY}"
        ) from None


LOOKUP_REMEDY = "Check that it exists and that Airflow's API server and secrets backends are reachable."


def lookup_cause(error: Exception) -> str:
    """Return the class of an error and, unless that may contain a connection's fields, its first line."""
    kind = type(error).__name__
    if isinstance(error, (ValueError, LookupError)):  # raised by a parser, which quotes its input
        return kind
    line = redacted(_CREDENTIALS.sub("//***@", next(iter(str(error).strip().splitlines()), "")))
    return f"{kind}: {sanitize(line, 200).rstrip('.')}" if line else kind
