"""Reads the tags of a repository in SWR."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.error_codes import NO_ORGANIZATION
from airflow_provider_modelarts.client.image_address import ImageAddress
from airflow_provider_modelarts.client.listing import strictly
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.planned_image import PlannedImage
from airflow_provider_modelarts.client.registry import RegistryTag
from airflow_provider_modelarts.exceptions import InvalidResponseError, NotFoundError


@contextmanager
def ignore_absent() -> Iterator[None]:
    """
    Ignore that SWR has no such repository or tag, in an organization that it has.

    :raises NotFoundError: it has no such organization. Then nothing is known of its tags: ModelArts has
        images there, so that SWR's address or the account may be another one.
    """
    try:
        yield
    except NotFoundError as error:
        if error.code in NO_ORGANIZATION:
            raise


async def read_tags(
    client: ModelArtsClient, repository: ImageAddress, *, may_be_empty: bool = True
) -> dict[str, RegistryTag]:
    """
    Return all tags of a repository by their names; none if its organization has no such repository.

    A record that cannot be read fails the list, because it may be a tag of the same content.

    :param may_be_empty: whether a repository may exist without a tag. A service that hides or has lost tags
        for a while returns such a list too.
    :raises ModelArtsError: the tags cannot be read completely.
    """
    listing = operations.list_tags(repository.namespace, repository.repository)
    with ignore_absent():
        found = await client.list_all(strictly(listing))
        if not (found or may_be_empty):
            raise InvalidResponseError(
                f"SWR lists no tag of {repository.path}, although ModelArts has images there. "
                "Check swr_endpoint; a retry reads the tags again"
            )
        return {tag.tag: tag for tag in found}
    return {}


async def other_images_with_tag(
    client: ModelArtsClient, image: Image, repository: str, tag: str, *, workspace_id: str | None
) -> list[PlannedImage]:
    """
    Return the other images of a workspace whose content a tag in the repository of an image may be.

    :param repository: organization and name in SWR.
    """
    listing = operations.list_images(
        name=image.name or None, namespace=image.namespace or None, workspace_id=workspace_id or None
    )
    others = map(PlannedImage.of, await client.list_all(listing))
    return [
        other
        for other in others
        if (other.repository, other.tag) == (repository, tag)
        and other.may_have_content
        and other.image.id.lower() != image.id.lower()
    ]


async def find_tags(
    client: ModelArtsClient,
    repository: ImageAddress,
    wanted: Collection[str],
    *,
    deadline: float | None = None,
) -> dict[str, RegistryTag]:
    """
    Return those of some tags that SWR has, by their names.

    The first page has the newest tags, so it is mostly the only one that is read.

    :param deadline: epoch seconds after which no page is retried.
    :raises NotFoundError: SWR has no such repository.
    :raises ModelArtsError: the tags cannot be read.
    """
    listing = operations.list_tags(repository.namespace, repository.repository)
    found = await client.list_all(
        listing, deadline=deadline, until=lambda tags: set(wanted) <= {tag.tag for tag in tags}
    )
    return {tag.tag: tag for tag in found if tag.tag in wanted}


async def find_tag(client: ModelArtsClient, address: ImageAddress) -> RegistryTag | None:
    """
    Return the tag of an address, or None if SWR has no such tag.

    :raises NotFoundError: SWR has no such repository.
    :raises ModelArtsError: the tag cannot be read.
    """
    named = operations.list_tags(address.namespace, address.repository).with_query(tag=address.tag or "")
    # The filter may match parts of tags, or be ignored.
    return {entry.tag: entry for entry in await client.list_all(named)}.get(address.tag or "")


async def find_content(client: ModelArtsClient, address: ImageAddress) -> RegistryTag | None:
    """Return what :func:`find_tag` does, and None also if the organization has no such repository."""
    with ignore_absent():
        return await find_tag(client, address)
    return None
