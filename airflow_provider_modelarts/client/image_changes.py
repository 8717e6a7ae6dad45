"""Gives an image another tag, and registers one again: each with the same result if it is repeated."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.clouds import Cloud
from airflow_provider_modelarts.client.image_address import ImageAddress, parse_address
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.registry import (
    RegistryTag,
    is_in_enterprise_registry,
    registry_address,
)
from airflow_provider_modelarts.client.repository_tags import find_tag, other_images_with_tag
from airflow_provider_modelarts.exceptions import (
    BadRequestError,
    ModelArtsError,
    NotFoundError,
    RequestValidationError,
    TagConflictError,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TaggedImage:
    """
    An image with the tag that it was given.

    :param address: of the new tag.
    :param content: of the new tag; None if it could not be read.
    """

    image: Image
    address: ImageAddress
    content: RegistryTag | None

    @property
    def swr_path(self) -> str:
        """The address of the new tag, as a container client takes it."""
        registry = f"{self.address.registry}/" if self.address.registry else ""
        return f"{registry}{self.address.path}:{self.address.tag}"


async def tag_image(
    client: ModelArtsClient,
    cloud: Cloud,
    image_id: str,
    new_tag: str,
    *,
    override: bool = True,
    workspace_id: str | None = None,
) -> TaggedImage:
    """
    Give the content of an ACTIVE image one more tag in its repository.

    :param workspace_id: whose images are read before the tag is set, if the image's record has none.
    :param override: whether to move the tag if another image has it; that of another snapshot is not moved.
    :raises RequestValidationError: the cloud has no such operation, or the image is in an Enterprise
        registry; nothing was changed.
    :raises TagConflictError: another image has the tag, and it may not be moved.
    :raises ImageFailedError: the image has failed.
    :raises ModelArtsError: the image is not ACTIVE yet, or any other error.
    """
    image = (await client.call(operations.show_image(image_id))).raise_for_status()
    address = registry_address(image)
    if address is None or not address.tag:
        raise ModelArtsError(
            f"{image.describe()}: its record shows no address in SWR that could get a tag. "
            "Use a container client"
        )
    if is_in_enterprise_registry(image):
        raise _in_other_registry(image, address)
    creation = operations.create_tag(
        cloud,
        address.namespace,
        address.repository,
        source_tag=address.tag,
        destination_tag=new_tag,
        override=override,
    )
    if not image.is_active:
        raise ModelArtsError(
            f"{image.describe()}: only an ACTIVE image can get another tag. Wait for it first"
        )
    source = await _content(client, address)
    if source is not None and address.is_elsewhere(source.domains):
        raise _in_other_registry(image, address)  # the tag that was found is another image's
    await _refuse_tag_of_snapshot(client, image, address, new_tag, image.workspace_id or workspace_id)
    target = replace(address, tag=new_tag, digest=None)
    try:
        await client.call(creation)
    except ModelArtsError as error:
        if not (error.may_have_been_processed or isinstance(error, TagConflictError)):
            raise
        log.info("Checking whether image %s has the tag %s, after: %s", image.id, new_tag, error)
        content = await _shared_content(client, address, target)
        if content is None:
            raise
        return TaggedImage(image, target, content)
    return TaggedImage(image, target, await _content(client, target))


def _in_other_registry(image: Image, address: ImageAddress) -> RequestValidationError:
    return RequestValidationError(
        f"No tag was set: image {image.id} is in an Enterprise registry, {address.registry}, whose tags this "
        "provider cannot set. Use a container client"
    )


async def _refuse_tag_of_snapshot(
    client: ModelArtsClient, image: Image, address: ImageAddress, new_tag: str, workspace_id: str | None
) -> None:
    """Refuse the tag of another image that a task saved: SWR has no other way to its content."""
    others = await other_images_with_tag(client, image, address.path, new_tag, workspace_id=workspace_id)
    for other in others:
        if other.notebook_id is not None:
            raise TagConflictError(
                f"Image {image.id} gets no tag {new_tag!r}: it is that of image {other.image.id}, a snapshot "
                f"of notebook {other.notebook_id}, whose content would be lost. Choose another tag"
            )


async def _shared_content(
    client: ModelArtsClient, source: ImageAddress, target: ImageAddress
) -> RegistryTag | None:
    """Return the content of a tag if another one names the same."""
    found, wanted = await _content(client, target), await _content(client, source)
    is_same = found is not None and wanted is not None and found.digest == wanted.digest
    return found if is_same and found and found.digest else None


async def _content(client: ModelArtsClient, address: ImageAddress) -> RegistryTag | None:
    try:
        return await find_tag(client, address)
    except ModelArtsError as error:
        log.info(
            "The tag %s:%s cannot be read, so its digest is unknown: %s", address.path, address.tag, error
        )
        return None


async def register_once(
    client: ModelArtsClient,
    swr_path: str,
    *,
    description: str | None = None,
    arch: str | None = None,
    workspace_id: str | None = None,
) -> tuple[Image, bool]:
    """
    Register an image that is in SWR, and return its record and whether there was one already.

    :raises RequestValidationError: a value is invalid; nothing was sent.
    :raises NotFoundError: there is no such image in SWR.
    :raises ModelArtsError: any other error; no record of the image was found.
    """
    registration = operations.register_image(
        swr_path, description=description, arch=arch, workspace_id=workspace_id
    )
    try:
        return await client.call(registration), False
    except ModelArtsError as error:
        # "It exists already" is a refusal of the request; after a lost response this task may have made it.
        is_open = error.may_have_been_processed and not isinstance(error, NotFoundError)
        if not (is_open or isinstance(error, BadRequestError)):
            raise
        log.info("Checking whether %s has a record, after: %s", swr_path, error)
        try:
            listed = await client.list_all(operations.list_images(workspace_id=workspace_id))
        except ModelArtsError as unread:
            log.warning(
                "Whether %s has a record is unknown, as the images cannot be listed: %s", swr_path, unread
            )
            raise error from unread
        address = parse_address(swr_path)
        for image in listed:
            found = registry_address(image)
            is_same = found and address and _is_same_address(found, address)
            if is_same and not image.has_failed and image.may_be_in(workspace_id):
                return image, True
        raise


def _is_same_address(found: ImageAddress, wanted: ImageAddress) -> bool:
    """Whether two addresses are that of one tag; a record may name no registry."""
    is_registry = found.registry == wanted.registry or not (found.registry and wanted.registry)
    return is_registry and (found.path, found.tag) == (wanted.path, wanted.tag)
