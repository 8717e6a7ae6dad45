"""The images that a watcher has seen ACTIVE, in Airflow's asset state store."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from airflow_provider_modelarts.client.marker import snapshots_of
from airflow_provider_modelarts.client.models import Image

STORE_DELAY = 10.0
"""
Seconds between an event and the storing of its image as seen. The triggerer writes events to the database
about once a second; if it died in between, an image that is already stored would never cause an event.
"""
MIN_ABSENCES = 3
"""
Polls in a row that must miss an image before it is forgotten: the service's lists may lag, and an image that
is listed again would cause a second event.
"""
LOAD_RETRY = 30.0
"""Seconds until a store that failed is read again."""

log = logging.getLogger(__name__)


class SeenImages:
    """
    The ids that a watcher has seen ACTIVE, until several polls in a row have not listed the image.

    :param store: the asset state store of the trigger; None if Airflow gave none.
    :param filters: namespace, name, notebook_id, workspace_id and connection id of the watcher. Other
        filters have another state, so that a changed watcher does not send all old images.
    :param source: what was listed, see :class:`ListedImages`; the same holds for a changed connection.
    """

    def __init__(self, store: Any, filters: Sequence[str | None], source: str) -> None:
        self._namespace, self._name, self._notebook_id, *_ = filters
        digest = hashlib.sha256(json.dumps([*filters, source]).encode()).hexdigest()
        self._key = f"modelarts_seen_images_{digest}"
        self._store = store
        self._ids: set[str] | None = None
        self._stored: set[str] | None = None
        self._absences: dict[str, int] = {}
        self._has_new = False
        self._has_failed = False

    async def load(self) -> None:
        """Read the ids that an earlier run stored; a store that fails is read until it answers."""
        if not hasattr(self._store, "aget"):
            self._keep_in_process("the asset state store of triggers needs Airflow 3.3.2 or later")
            return
        while not await self._try_load():  # noqa: ASYNC110 - nothing would set an event
            await asyncio.sleep(LOAD_RETRY)

    async def _try_load(self) -> bool:
        """Read the ids once; false if the store failed, and an empty state would lose images."""
        try:
            stored = await self._store.aget(self._key)
        except ValueError as error:  # several assets have this watcher
            self._keep_in_process(str(error))
        except Exception as error:  # noqa: BLE001 - whatever Airflow raises, it may answer later
            self._log_failure("read", error)
            return False
        else:
            if isinstance(stored, list):
                self._ids = self._stored = {str(image_id) for image_id in stored}
        return True

    def new_images(self, listed: Iterable[Image]) -> list[Image]:
        """
        Return the watcher's images that were not ACTIVE before, oldest first.

        Without a state this is the first poll, after which all that is ACTIVE counts as seen.
        """
        active = [image for image in listed if image.is_active and self._matches(image)]
        if self._ids is None:
            self._ids = {image.id for image in active}
        new = [image for image in active if image.id not in self._ids]
        return sorted(new, key=lambda image: (image.create_at or 0, image.id))

    def add(self, image: Image) -> None:
        """Count an image as seen, after its event."""
        self._ids = (self._ids or set()) | {image.id}
        self._has_new = True

    async def store(self, listed: Iterable[Image]) -> None:
        """Forget the images that are no longer listed, and store the ids if they changed."""
        self._ids = self._still_listed({image.id for image in listed})
        if self._store is None or self._ids == self._stored:
            return
        if self._has_new:
            await asyncio.sleep(STORE_DELAY)
        try:
            await self._store.aset(self._key, sorted(self._ids))
        except Exception as error:  # noqa: BLE001 - the next poll stores them again
            self._log_failure("written", error)
        else:
            self._stored = self._ids
            self._has_new = self._has_failed = False

    def _still_listed(self, listed: set[str]) -> set[str]:
        """Return the seen ids, without those that several polls in a row have not listed."""
        seen = self._ids or set()
        self._absences = {image_id: self._absences.get(image_id, 0) + 1 for image_id in seen - listed}
        return {image_id for image_id in seen if self._absences.get(image_id, 0) < MIN_ABSENCES}

    def _matches(self, image: Image) -> bool:
        return (
            fnmatchcase(image.namespace or "", self._namespace or "*")
            and fnmatchcase(image.name or "", self._name or "*")
            and (not self._notebook_id or bool(snapshots_of(self._notebook_id, [image])))
        )

    def _keep_in_process(self, reason: str) -> None:
        self._store = None
        log.warning(
            "The images that this watcher has seen are kept in this process only (%s): an image that becomes "
            "ACTIVE while no triggerer runs causes no event",
            reason.rstrip("."),
        )

    def _log_failure(self, verb: str, error: Exception) -> None:
        level = logging.DEBUG if self._has_failed else logging.WARNING
        self._has_failed = True
        log.log(level, "The images that this watcher has seen cannot be %s, will retry: %s", verb, error)
