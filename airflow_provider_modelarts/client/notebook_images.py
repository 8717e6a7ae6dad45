"""The images among which the snapshots of notebooks are."""

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
    return images + await read_unlisted_images(client, [notebook], images, deadline=deadline)


async def read_unlisted_images(
    client: ModelArtsClient,
    notebooks: Iterable[Notebook],
    listed: Iterable[Image],
    *,
    deadline: float | None = None,
) -> list[Image]:
    """
    Return the images that notebooks run and no list has, each once; those that cannot be read are left out.

    Those of the vendor are left out too, as nobody has saved them.

    :param deadline: epoch seconds after which no request is retried.
    """
    known = {image.id.lower() for image in listed}
    images: list[Image] = []
    for notebook in notebooks:
        image_id = notebook.image_id
        is_built_in = notebook.image is not None and notebook.image.is_built_in
        if not image_id or image_id.lower() in known or is_built_in:
            continue
        known.add(image_id.lower())
        try:
            images.append(await client.call(operations.show_image(image_id), deadline=deadline))
        except NO_IMAGE as error:
            log.info(
                "Notebook %s runs image %s, which cannot be read and does not count as its snapshot: %s",
                *(notebook.id, image_id, error),
            )
    return images
