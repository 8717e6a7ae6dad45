"""
One poll for all waits of a project on an event loop.

The waits of a triggerer that have the same connection settings and workspace share one poller. A wait is a
future and a timer: it costs nothing between two changes of its own resource.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

from airflow_provider_modelarts.client.models import DEFAULT_WORKSPACE
from airflow_provider_modelarts.client.poll_plan import ItemT, PolledResource, RequestPace
from airflow_provider_modelarts.hooks import pool
from airflow_provider_modelarts.hooks.connection import Settings
from airflow_provider_modelarts.hooks.loop_local_pool import LoopLocalPool, LoopLocalValues
from airflow_provider_modelarts.hooks.poll_wait import Wait
from airflow_provider_modelarts.hooks.poller import Poller


class PollerKey(NamedTuple):
    """What waits must have in common to share a poller."""

    settings: Settings
    workspace_id: str
    resource: PolledResource[Any]


_paces: LoopLocalValues[tuple[str, str], RequestPace] = LoopLocalValues(RequestPace)


def _pace_of(settings: Settings) -> RequestPace:
    """Return the pace of a project, which all connections to it share."""
    who = settings.identity
    return _paces.get((settings.endpoint, who.project_id or who.project_name))


@asynccontextmanager
async def _open_poller(key: PollerKey) -> AsyncIterator[Poller[Any]]:
    poller = Poller(key.settings, key.workspace_id, key.resource, _pace_of(key.settings))
    try:
        yield poller
    finally:
        await poller.close()


poller_pool: LoopLocalPool[PollerKey, Poller[Any]] = LoopLocalPool(_open_poller)


def _use_poller(
    resource: PolledResource[ItemT], workspace_id: str, settings: Settings
) -> AbstractAsyncContextManager[Poller[ItemT]]:
    return poller_pool.use(
        PollerKey(settings, workspace_id or settings.workspace_id or DEFAULT_WORKSPACE, resource)
    )


async def await_resource(
    conn_id: str,
    resource: PolledResource[ItemT],
    resource_id: str,
    *,
    is_done: Callable[[ItemT], bool],
    workspace_id: str | None,
    poll_interval: float,
    deadline: float,
    not_before: float | None = None,
) -> ItemT:
    """
    Return a resource when it ends the wait, with the poller that all waits of its project share.

    :param is_done: whether the resource ends the wait.
    :param workspace_id: of the resource; by default the connection's. It only decides which list contains the
        resource.
    :param poll_interval: seconds between polls, at most; other waits may poll more often.
    :param deadline: epoch seconds of the last poll.
    :param not_before: epoch seconds before which there is no poll, from an earlier ``Retry-After``.
    :raises WaitTimeoutError: the deadline passed first; raised some seconds later, whatever hangs.
    :raises ModelArtsError: the lookup of the connection failed, or an error that no later poll can cure.
    """
    wait: Wait[ItemT] = Wait(
        resource_id,
        resource.show(resource_id).subject,
        is_done=is_done,
        poll_interval=poll_interval,
        deadline=deadline,
        not_before=not_before,
    )
    use = partial(_use_poller, resource, str(workspace_id or "").strip())
    return await pool.run_with_settings(conn_id, use, wait.result, deadline)
