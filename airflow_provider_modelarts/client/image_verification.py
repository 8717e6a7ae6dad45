"""Whether the registry has an image that ModelArts reports as ACTIVE, and what it contains there."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import NO_RETRY, ModelArtsClient
from airflow_provider_modelarts.client.image_address import ImageAddress
from airflow_provider_modelarts.client.marker import parse_marker, snapshots_of
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.poll_log import HEARTBEAT, timed_out
from airflow_provider_modelarts.client.registry import (
    RegistryTag,
    is_in_enterprise_registry,
    registry_address,
)
from airflow_provider_modelarts.client.repository_tags import find_tags
from airflow_provider_modelarts.exceptions import (
    RETRYABLE_ERRORS,
    ApiError,
    ImageNotInRegistryError,
    ModelArtsError,
    NotFoundError,
    PermissionDeniedError,
)

CHECK_ATTEMPTS = 3
"""Checks that must miss a tag before it counts as absent, as the lists of SWR may lag."""
CHECK_INTERVAL = 5.0
"""Seconds between two checks."""

log = logging.getLogger(__name__)


async def verify_image(
    client: ModelArtsClient,
    image: Image,
    *,
    workspace_id: str | None = None,
    deadline: float | None = None,
) -> dict[str, Any]:
    """
    Return what the registry has under the address of an ACTIVE image, as plain JSON.

    The keys are ``digest``, ``size_bytes`` and ``layers``, as far as SWR returns them, and ``unchanged``:
    whether the newest earlier ACTIVE snapshot of the same notebook in the same repository has the same
    digest; without permission to list images there is no ``unchanged``. Without permission to list the tags,
    and for an image in an Enterprise registry, there is one warning and the result is empty.

    :param workspace_id: of the image, if its record has none.
    :param deadline: epoch seconds after which no request is retried. The checks, of at most ten seconds, end.
    :raises ImageNotInRegistryError: three checks, five seconds apart, did not find the tag.
    :raises ModelArtsError: as :meth:`ModelArtsClient.call`.
    """
    address = registry_address(image)
    if is_in_enterprise_registry(image):
        return _unverified(image)
    if address is None:
        raise ImageNotInRegistryError(
            f"Image {image.id} is ACTIVE, but its record names no repository and tag, so it cannot be found "
            "in SWR. Open it in the console"
        )
    earlier, is_compared = await _earlier_snapshot(client, image, address, workspace_id, deadline)
    try:
        tag, earlier_tag = await _find_tags(client, image, address, earlier, deadline)
    except PermissionDeniedError as error:
        log.warning(
            "Image %s is ACTIVE, but not verified, because SWR does not let this connection list the tags of "
            "%s. Grant swr:repo:listRepoTags, or set verify_in_registry=False: %s",
            *(image.id, address.path, error),
        )
        return {}
    if address.is_elsewhere(tag.domains):
        return _unverified(image)  # an Enterprise registry may have any domain: the tag is another image's
    is_same = earlier_tag is not None and tag.digest is not None and earlier_tag.digest == tag.digest
    log.info(
        "Image %s is in SWR as %s:%s: digest %s, %s bytes, %s layers%s",
        *(image.id, address.path, address.tag, tag.digest, tag.size_bytes, tag.layers),
        f"; nothing has changed since image {earlier.id}" if earlier and is_same else "",
    )
    return {**tag.to_xcom(), **({"unchanged": is_same} if is_compared else {})}


def _unverified(image: Image) -> dict[str, Any]:
    log.warning(
        "Image %s is ACTIVE, but not verified: %s is in an Enterprise registry, whose tags this provider "
        "does not read",
        *(image.id, image.swr_path),
    )
    return {}


async def wait_for_verification(
    client: ModelArtsClient,
    image: Image,
    *,
    workspace_id: str | None,
    poll_interval: float,
    deadline: float,
    admit: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
) -> dict[str, Any]:
    """
    Verify an image as :func:`verify_image` does, again after transient errors until the deadline.

    :param poll_interval: seconds after an error until the next try.
    :param deadline: epoch seconds.
    :param admit: returns the context of a try, so that many waits do not try together.
    :raises WaitTimeoutError: every try until the deadline failed.
    """
    began = client.time()
    warned_at = -math.inf
    while True:
        try:
            async with admit():
                # The next try is the retry of a request.
                return await verify_image(client, image, workspace_id=workspace_id, deadline=NO_RETRY)
        except ModelArtsError as failure:
            if not failure.is_transient:
                raise
            error = failure
        now = client.time()
        left = deadline - now
        if left <= 0:
            subject = f"the tag of image {image.id} in SWR"
            raise timed_out(subject, now - began, image.describe(), error) from error
        # A warning at once and every five minutes, not one for each try.
        is_due = now - warned_at >= HEARTBEAT
        warned_at = now if is_due else warned_at
        log.log(
            logging.WARNING if is_due else logging.DEBUG,
            *("Image %s is ACTIVE, but its tag in SWR cannot be read, will retry: %s", image.id, error),
        )
        await client.sleep(min(max(poll_interval, error.poll_pause), left))


async def _earlier_snapshot(
    client: ModelArtsClient,
    image: Image,
    address: ImageAddress,
    workspace_id: str | None,
    deadline: float | None,
) -> tuple[Image | None, bool]:
    """
    Return the newest earlier ACTIVE snapshot of the image's notebook in its repository.

    :return: the snapshot, or None, and whether the images could be listed.
    """
    marker = parse_marker(image.description)
    if marker is None or image.create_at is None:
        return None, True
    listing = operations.list_images(
        name=image.name,
        namespace=image.namespace,
        workspace_id=image.workspace_id or workspace_id,
    )
    try:
        images = await client.list_all(listing, deadline=deadline)
    except ApiError as error:
        if not (isinstance(error, PermissionDeniedError) or error.is_denied_without_code):
            raise
        log.warning(
            "Image %s is not compared with earlier ones, because this connection may not list images. Grant "
            "modelarts:image:list: %s",
            *(image.id, error),
        )
        return None, False
    for snapshot in snapshots_of(marker.notebook_id, images):
        other = registry_address(snapshot)
        is_earlier = snapshot.create_at is not None and snapshot.create_at < image.create_at
        # A record may name no registry; two records of one tag are one image.
        is_beside = (
            other is not None
            and other.path == address.path
            and (other.registry == address.registry or not (other.registry and address.registry))
            and other.tag != address.tag
        )
        if snapshot.is_active and is_earlier and is_beside:
            return snapshot, True
    return None, True


async def _find_tags(
    client: ModelArtsClient,
    image: Image,
    address: ImageAddress,
    earlier: Image | None,
    deadline: float | None,
) -> tuple[RegistryTag, RegistryTag | None]:
    """Return the image's tag and, if there is one, that of an earlier image; check three times for it."""
    earlier_address = earlier and registry_address(earlier)
    wanted = [str(found.tag) for found in (address, earlier_address) if found]
    errors: list[ModelArtsError] = []
    for check in range(1, CHECK_ATTEMPTS + 1):
        seen = await _check(client, address, wanted, deadline)
        if isinstance(seen, ModelArtsError):
            errors.append(seen)
        elif tag := seen.get(wanted[0]):
            return tag, seen.get(wanted[-1]) if earlier else None
        log.info(
            "Image %s: check %d of %d, one each %.0f s, found no tag %s:%s in SWR: %s",
            *(image.id, check, CHECK_ATTEMPTS, CHECK_INTERVAL, address.path, address.tag),
            seen if isinstance(seen, ModelArtsError) else "it is not listed",
        )
        if check < CHECK_ATTEMPTS:
            await client.sleep(CHECK_INTERVAL)
    if len(errors) == CHECK_ATTEMPTS and all(error.is_denied_without_code for error in errors):
        raise PermissionDeniedError(
            f"{CHECK_ATTEMPTS} requests to SWR in a row failed with HTTP 403 and no error code: check the "
            "permissions of the connection's user or agency, and any proxy or gateway in between",
            **errors[-1].facts,
        )
    if errors:
        raise errors[-1]
    raise ImageNotInRegistryError(
        f"Image {image.id} is ACTIVE in ModelArts, but {CHECK_ATTEMPTS} checks within "
        f"{CHECK_INTERVAL * (CHECK_ATTEMPTS - 1):.0f} s found no tag {address.path}:{address.tag} in SWR. "
        "SWR's own retention or a person may have deleted it: open the repository in the console, then save "
        "the notebook again"
    )


async def _check(
    client: ModelArtsClient, address: ImageAddress, wanted: Collection[str], deadline: float | None
) -> dict[str, RegistryTag] | ModelArtsError:
    """Return the wanted tags that are listed, or an error that does not show whether they are absent."""
    try:
        return await find_tags(client, address, wanted, deadline=deadline)
    except NotFoundError:
        return {}
    except ModelArtsError as error:
        # A 404 without a code of SWR may come from a gateway.
        if not error.is_transient or isinstance(error, RETRYABLE_ERRORS):
            raise
        return error
