"""
The image id that a save stores for its later tries, in the task state store of Airflow 3.3 and later.

Before 3.4 the store survives a clear, so a stored id is only a hint; and no task may fail because the store
does.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

IMAGE_ID_KEY = "image_id"

log = logging.getLogger(__name__)


def load_image_id(context: Context) -> str | None:
    """Return the image id that an earlier try stored in the task state store, or None."""
    store = context.get("task_state_store")
    if store is None:
        return None
    try:
        image_id = store.get(IMAGE_ID_KEY)
    except Exception as error:  # noqa: BLE001 - whatever Airflow raises, the image is found by its marker
        log.warning(
            "Cannot read the image id of an earlier try from the task state store (%s); searching the "
            "images for the marker of this task instead",
            error,
        )
        return None
    return image_id if isinstance(image_id, str) else None


def store_image_id(context: Context, image_id: str) -> None:
    """Store the image id for a later try of this task."""
    store = context.get("task_state_store")
    if store is None:
        return
    try:
        store.set(IMAGE_ID_KEY, image_id)
    except Exception as error:  # noqa: BLE001 - whatever Airflow raises, the image has its marker
        log.warning(
            "Cannot write the id of image %s to the task state store: %s. A retry will find it by its marker",
            image_id,
            error,
        )
