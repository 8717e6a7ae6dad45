"""
Deletes images, after a check of what uses them.

A notebook whose image is gone does not start again. So everything that can use an image is read before a
deletion, and the record goes before the tag: a service that refuses to delete an image in use refuses the
record, and the tag must not be gone by then.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.image_address import ImageAddress
from airflow_provider_modelarts.client.image_uses import ImageUses
from airflow_provider_modelarts.client.listing import strictly
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.client.repository_tags import find_content, ignore_absent
from airflow_provider_modelarts.exceptions import (
    RETRYABLE_ERRORS,
    AccountSuspendedError,
    AuthenticationError,
    ImageInUseError,
    InvalidConnectionError,
    InvalidResponseError,
    ModelArtsError,
    NotFoundError,
    PermissionDeniedError,
    TagConflictError,
)

OF_ALL_IMAGES = (
    AuthenticationError,
    AccountSuspendedError,
    PermissionDeniedError,
    InvalidConnectionError,
)
"""Errors that are about the caller, so that another image's deletion would get them too."""

USES_TTL = 30.0
"""Seconds after which the notebooks are read again before the next deletion."""

log = logging.getLogger(__name__)


async def read_uses(client: ModelArtsClient, *, own_notebooks_only: bool = False) -> ImageUses:
    """
    Return what the notebooks of the project use: of all users, workspaces and features.

    The connection's workspace is no filter here. A record that cannot be read fails the list, because its
    notebook may use an image too.

    :param own_notebooks_only: read only the notebooks of the connection's user.
    :raises ModelArtsError: the list was refused, failed or ended early; the message names the permission.
    """
    began = client.time()
    try:
        found: dict[str, Notebook] = {}
        for listed in operations.list_notebooks_of_all_features(all_users=not own_notebooks_only):
            for notebook in await client.list_all(strictly(listed), is_read_on=True):
                found[notebook.id.lower()] = notebook
        for notebook_id in ImageUses.of(found.values()).unclear:
            shown = await _shown_notebook(client, notebook_id)
            if shown is None:
                found.pop(notebook_id.lower())
            else:
                found[notebook_id.lower()] = shown
    except ModelArtsError as error:
        raise error.with_message(f"{_unread(own_notebooks_only)}. {error.message}") from error
    uses = ImageUses.of(found.values(), read_at=began)
    if uses.unclear:
        raise InvalidResponseError(
            f"{_UNKNOWN_USES}, and notebook {uses.unclear[0]} does not show its image. A retry reads it again"
        )
    return uses


_UNKNOWN_USES = "No image is deleted while it is not known what uses it"


def _unread(own_notebooks_only: bool) -> str:
    if own_notebooks_only:
        return (
            f"{_UNKNOWN_USES}, and the list of your notebooks failed. It needs the permission "
            "modelarts:notebook:list"
        )
    return (
        f"{_UNKNOWN_USES}, and the list of all users' notebooks failed. It needs the permission "
        "modelarts:notebook:listAllNotebooks. Without it, "
        "own_notebooks_only=True is your word that nobody else's notebooks matter"
    )


async def _shown_notebook(client: ModelArtsClient, notebook_id: str) -> Notebook | None:
    try:
        return await client.call(operations.show_notebook(notebook_id))
    except NotFoundError:
        return None


async def show_image(client: ModelArtsClient, image_id: str) -> Image | None:
    """
    Return an image, or None if it is gone.

    :raises ModelArtsError: the image cannot be read.
    """
    try:
        image = await client.call(operations.show_image(image_id))
    except NotFoundError:
        return None
    return None if image.status == "DELETED" else image


async def delete_record(
    client: ModelArtsClient,
    image_id: str,
    *,
    delete_swr_image: bool,
    before_retry: Callable[[], Awaitable[object]] | None = None,
) -> bool:
    """
    Delete the record of an image in ModelArts, and return whether there was one.

    Neither a refusal nor a lost response proves anything, as the code for an image in use is unknown. Then
    the image is read once more. If it is gone, that is a success.

    :param before_retry: raises an error if the image may no longer be deleted: a busy service can delay the
        deletion by two minutes.
    :raises ModelArtsError: the image is still there, with the error of the deletion; or that is unknown.
    """
    deletion: Operation[Any] = operations.delete_image(image_id, delete_swr_image=delete_swr_image)
    try:
        if await client.call(replace(deletion, parse=_is_deleted), before_retry=before_retry):
            return True
        failure: ModelArtsError = InvalidResponseError(
            f"DeleteImage was accepted, but image {image_id} is still there. A retry deletes it again"
        )
    except ModelArtsError as error:
        is_open = getattr(error, "code", "") or error.may_have_been_processed
        if is_own_refusal(error) or not is_open:
            raise  # it was not processed
        failure = error
    log.info("Image %s is read again, because its deletion is not proven: %s", image_id, failure)
    try:
        image = await show_image(client, image_id)
    except ModelArtsError as unread:
        log.warning("Image %s cannot be read either, so its deletion counts as failed: %s", image_id, unread)
        raise failure from unread
    if image is not None:
        raise failure
    return not isinstance(failure, NotFoundError)


def _is_deleted(data: Any) -> bool:
    """Whether the response of a deletion shows that the image is gone; it may be empty."""
    return not data or (isinstance(data, dict) and str(data.get("status")).upper() == "DELETED")


def is_of_one_image(error: ModelArtsError) -> bool:
    """Whether ModelArts refused the deletion of one image, as it does for one in use; the code is unknown."""
    return error.is_refusal and not isinstance(error, (*OF_ALL_IMAGES, *RETRYABLE_ERRORS))


def is_own_refusal(error: ModelArtsError) -> bool:
    """Whether a check of this provider refused a deletion, and not a service."""
    return isinstance(error, (ImageInUseError, TagConflictError)) and not getattr(error, "code", "")


async def has_own_tag(client: ModelArtsClient, address: ImageAddress, digest: str | None) -> bool:
    """
    Return whether SWR still has the tag of an image.

    :param digest: that the tag had when its deletion was planned; None or empty if it is unknown.
    :raises TagConflictError: it names other content by now, so it is another image.
    :raises ModelArtsError: it cannot be read.
    """
    found = await find_content(client, address)
    if found is not None and digest and found.digest != digest:
        raise TagConflictError("its tag names other content since its deletion was planned")
    return found is not None


async def delete_tag(
    client: ModelArtsClient,
    address: ImageAddress,
    digest: str | None = None,
    *,
    before_retry: Callable[[], Awaitable[object]] | None = None,
) -> bool:
    """
    Delete the tag of an image whose record is gone, and return whether there was one.

    It is read first, and again before each retry: SWR may have deleted it with the record, and one that names
    other content by now is another image.

    :param digest: that the tag had when its deletion was planned; None if it is unknown.
    :param before_retry: raises an error if the tag may no longer be deleted.
    :raises ModelArtsError: the tag is still there, or that is unknown.
    """

    async def check() -> None:
        if before_retry is not None:
            await before_retry()
        await has_own_tag(client, address, digest)

    deletion = operations.delete_tag(address.namespace, address.repository, address.tag or "")
    with ignore_absent():
        try:
            if await has_own_tag(client, address, digest):
                await client.call(deletion, before_retry=check)
                return True
        except TagConflictError as error:
            if not is_own_refusal(error):
                raise
            log.info("The tag %s:%s stays: %s", address.path, address.tag, error)
    return False
