"""
What a task remembers from one try to the next, where Airflow keeps it: the task state store of 3.3 and later.

Until 3.4 it outlives a clear, so what is remembered is a hint and no proof; and a task must not fail for want
of it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

KEY = "image_id"

log = logging.getLogger(__name__)


def recall(context: Context) -> str | None:
    """Return the id of the image that an earlier try left, if one is remembered."""
    store = context.get("task_state_store")
    if store is None:
        return None
    try:
        known = store.get(KEY)
    except Exception as error:  # noqa: BLE001 - whatever Airflow raises, the image can still be looked for
        log.warning("The task state store cannot be read, so the image is looked for: %s", error)
        return None
    return known if isinstance(known, str) else None


def remember(context: Context, image_id: str) -> None:
    """Keep the id of the image that this try left."""
    store = context.get("task_state_store")
    if store is None:
        return
    try:
        store.set(KEY, image_id)
    except Exception as error:  # noqa: BLE001 - whatever Airflow raises, the image has its marker
        log.warning("Image %s is not remembered in the task state store: %s", image_id, error)
