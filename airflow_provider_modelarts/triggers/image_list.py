"""Polls of the list of images, for all watchers of a project."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.operations import list_images
from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.hooks.pool import connection_cache, run_shared

MIN_POLL_INTERVAL = 10.0
"""Seconds between two polls at least; each one reads all pages of the list."""
SLOW_RETRY = 600.0
"""Seconds before the next poll after an error that somebody has to fix."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ListedImages:
    """
    The images of one poll.

    :param source: endpoint, project and workspace that were listed. A connection that is changed may lead to
        another project, whose images are not new.
    """

    source: str
    images: list[Image]


async def poll_images(
    conn_id: str, workspace_id: str | None, poll_interval: float
) -> AsyncIterator[ListedImages]:
    """
    Yield all images of a project after each poll, and never end.

    No error ends it, because Airflow would start an ended watcher again within seconds. After a transient
    error the next poll follows at the usual interval, after any other ten minutes later.

    :param workspace_id: the ModelArts workspace; by default the connection's.
    :param poll_interval: seconds between polls.
    """
    interval = max(MIN_POLL_INTERVAL, poll_interval)
    is_failing = False
    async with connection_cache.use(conn_id):  # open between polls too, so that they share its lookups
        while True:
            pause = interval
            try:
                listed = await _list_images(conn_id, workspace_id)
            except ModelArtsError as error:
                pause = max(interval if error.is_transient else SLOW_RETRY, error.poll_pause)
                level = logging.DEBUG if is_failing and error.is_transient else logging.WARNING
                log.log(level, "Poll of the images failed, the next follows in %.0f s: %s", pause, error)
                is_failing = True
            except Exception:
                pause = SLOW_RETRY
                log.exception("Poll of the images failed, the next follows in %.0f s", pause)
                is_failing = True
            else:
                if is_failing:
                    log.info("Polls of the images succeed again")
                is_failing = False
                yield listed
            await asyncio.sleep(pause)


async def _list_images(conn_id: str, workspace_id: str | None) -> ListedImages:
    async with connection_cache.use(conn_id) as cache:
        settings = await cache.settings()
    workspace, who = workspace_id or settings.workspace_id, settings.identity
    operation = list_images(workspace_id=workspace)
    images = await run_shared(conn_id, lambda modelarts: modelarts.list_all(operation))
    return ListedImages(f"{settings.endpoint} {who.project_id or who.project_name} {workspace}", images)
