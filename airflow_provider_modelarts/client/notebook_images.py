"""The images among which the snapshots of one notebook are."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.exceptions import (
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    RequestValidationError,
)

NO_IMAGE = (NotFoundError, PermissionDeniedError, BadRequestError, RequestValidationError)
"""Errors of ShowImage for the image that a notebook runs, without which the listed images decide."""

log = logging.getLogger(__name__)


async def read_images(
    client: ModelArtsClient,
    notebook: Notebook,
    workspace_ids: Iterable[str],
    *,
    deadline: float | None = None,
) -> list[Image]:
    """
    Return the images of some workspaces, and the one that the notebook runs.

    That one may not be listed: a list may lag behind, and a save may name another workspace.

    :param deadline: epoch seconds after which no request is retried.
    """
    images: list[Image] = []
    for workspace_id in dict.fromkeys(workspace_ids):
        listed = operations.list_images(workspace_id=workspace_id)
        images += await client.list_all(listed, deadline=deadline)
    image_id = notebook.image_id
    if image_id and image_id.lower() not in {image.id.lower() for image in images}:
        try:
            images.append(await client.call(operations.show_image(image_id), deadline=deadline))
        except NO_IMAGE as error:
            log.info("Notebook %s runs image %s, which cannot be read: %s", notebook.id, image_id, error)
    return images
