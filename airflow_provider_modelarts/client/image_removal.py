"""Deletes one image that somebody named, unless a notebook uses it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.image_deletion import (
    USES_TTL,
    delete_record,
    delete_tag,
    has_own_tag,
    read_uses,
    show_image,
)
from airflow_provider_modelarts.client.image_uses import ImageUses
from airflow_provider_modelarts.client.left_tags import plan_left_tags, read_entries, stored_entry
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.planned_image import PlannedImage
from airflow_provider_modelarts.client.prune_rules import Mode, PruneRules, Scope
from airflow_provider_modelarts.client.registry import is_in_enterprise_registry
from airflow_provider_modelarts.client.repository_tags import find_content, other_images_with_tag, read_tags
from airflow_provider_modelarts.client.retention import Policy
from airflow_provider_modelarts.exceptions import ImageInUseError, ModelArtsError, TagConflictError

_RULES = PruneRules(Scope(), Policy(keep_last=1), mode="delete", min_age=timedelta(0))

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Removal:
    """
    What was done.

    :param swr_path: the address of the image; None if it was gone already.
    :param is_changed: whether this try deleted anything.
    """

    swr_path: str | None
    is_changed: bool


async def remove_image(
    client: ModelArtsClient,
    image_id: str,
    *,
    workspace_id: str,
    delete_swr_image: bool = False,
    own_notebooks_only: bool = False,
    earlier: Iterable[object] = (),
    store: Callable[[list[dict[str, Any]]], None] = lambda _: None,
) -> Removal:
    """
    Delete an image; one that is gone is a success.

    :param workspace_id: whose images are read before a tag is deleted, if the image's record has none.
    :param delete_swr_image: also delete its tag in SWR, once its record is gone. One that is another image's
        stays.
    :param own_notebooks_only: do not read other users' notebooks.
    :param earlier: what an earlier try of the same task stored.
    :param store: stores what the next try needs, before the first deletion.
    :raises ImageInUseError: a notebook uses it.
    :raises TagConflictError: its tag got other content while its deletion was delayed.
    :raises ModelArtsError: it is being saved or what uses images cannot be read, and nothing was sent; or it
        is still there.
    """
    image = await show_image(client, image_id)
    if image is None:
        stored = read_entries(earlier, project_id=client.project_id)
        left = [found for found in stored if found.image.id.lower() == image_id.lower()]
        log.info("Image %s is gone already, so DeleteImage is not sent", image_id)
        if not (delete_swr_image and left and left[0].content):
            return Removal(left[0].image.swr_path if left else None, is_changed=False)
        of_workspace = left[0].image.workspace_id or workspace_id
        return await _remove_left_tag(client, left[0], of_workspace, own_notebooks_only)
    _refuse_pending(image)
    uses = await read_uses(client, own_notebooks_only=own_notebooks_only)
    planned, deletes_tag = await _plan(
        client, image, uses, delete_swr_image=delete_swr_image, workspace_id=workspace_id
    )
    refuse_used(image_id, uses.of_image(image_id, planned.address, planned.digest))

    async def check_users() -> None:
        again = await read_uses(client, own_notebooks_only=own_notebooks_only)
        refuse_used(image_id, again.of_image(image_id, planned.address, planned.digest))

    async def check() -> None:
        await check_users()
        # Last, because other content may get the tag while the notebooks are read.
        if deletes_tag and planned.content and planned.address:
            try:
                await has_own_tag(client, planned.address, planned.digest)
            except TagConflictError as error:
                message = f"Image {image_id} was not deleted: {error.message}"
                raise error.with_message(f"{message}. Clear the task to delete that one") from None

    mode: Mode = "delete" if deletes_tag else "unregister"
    store([stored_entry(planned, mode=mode, project_id=client.project_id, workspace_id=workspace_id)])
    if client.time() - uses.read_at > USES_TTL:
        await check()
    is_changed = await delete_record(client, image_id, delete_swr_image=deletes_tag, before_retry=check)
    if deletes_tag and planned.content and planned.address:
        is_changed |= await delete_tag(client, planned.address, planned.digest, before_retry=check_users)
    return Removal(image.swr_path, is_changed)


def _refuse_pending(image: Image) -> None:
    if image.is_pending and image.is_known:
        raise ModelArtsError(
            f"{image.describe()}: nothing was sent, because its notebook will run it and could not start "
            "without it. Wait for it first"
        )


async def _plan(
    client: ModelArtsClient, image: Image, uses: ImageUses, *, delete_swr_image: bool, workspace_id: str
) -> tuple[PlannedImage, bool]:
    """Return an image with its content, as far as that is read, and whether its tag is to be deleted."""
    planned = PlannedImage.of(image)
    if not planned.may_have_content:
        # What is at its address is the image of a retry.
        log.info("Image %s is %s and has no content: a tag in SWR stays", image.id, image.status)
        return replace(planned, address=None), False
    # SWR does not show the tags of an Enterprise registry.
    address = None if is_in_enterprise_registry(image) else planned.address
    if address and (delete_swr_image or uses.name_digests_of(address)):
        content = await find_content(client, address)
        if content is not None and address.is_elsewhere(content.domains):
            # So is one with a domain of its own: the tag that was found is another image's.
            address = None
        else:
            planned = replace(planned, content=content)
    # The flag of DeleteImage deletes whatever the tag names by then.
    if not delete_swr_image or (address and planned.content is None):
        return planned, False
    other = await _other_with_tag(client, planned, image.workspace_id or workspace_id)
    if other is not None:
        log.warning("The tag %s:%s stays: image %s has it too", planned.repository, planned.tag, other)
    return planned, other is None


async def _other_with_tag(client: ModelArtsClient, planned: PlannedImage, workspace_id: str) -> str | None:
    """Return the id of another image of the workspace that has the same tag, or None."""
    image = planned.image
    others = await other_images_with_tag(
        client, image, planned.repository, planned.tag, workspace_id=workspace_id
    )
    is_enterprise = is_in_enterprise_registry(image)
    beside = [other for other in others if is_in_enterprise_registry(other.image) == is_enterprise]
    return beside[0].image.id if beside else None


async def _remove_left_tag(
    client: ModelArtsClient, left: PlannedImage, workspace_id: str, own_notebooks_only: bool
) -> Removal:
    """Delete the tag that an earlier try left, unless it is another image's by now."""
    uses = await read_uses(client, own_notebooks_only=own_notebooks_only)
    images = await client.list_all(operations.list_images(workspace_id=workspace_id))
    address = left.address
    tags = {left.repository: await read_tags(client, address)} if address else {}
    now = datetime.fromtimestamp(client.time(), timezone.utc)
    plan = plan_left_tags([left], images, _RULES, uses=uses, tags=tags, now=now)
    for kept in plan.kept:
        log.warning("The tag %s:%s stays: %s", kept.repository, kept.tag, "; ".join(kept.reasons))
    is_changed = False

    async def check() -> None:
        again = await read_uses(client, own_notebooks_only=own_notebooks_only)
        refuse_used(left.image.id, again.of_image(None, left.address, left.digest))

    for removed in plan.removed:
        if removed.address:
            is_changed = await delete_tag(client, removed.address, removed.digest, before_retry=check)
    return Removal(left.image.swr_path, is_changed)


def refuse_used(image_id: str, users: tuple[str, ...]) -> None:
    """
    Refuse to delete an image that notebooks use.

    :raises ImageInUseError: there are such notebooks.
    """
    if users:
        raise ImageInUseError(
            f"Image {image_id} was not deleted: it is used by notebook {', '.join(users)}, which could not "
            "start again without it. Restore another image there first, or delete the notebook"
        )
