"""The list in which a task searches for the image that it saved, and which other image it may reuse."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.fields import flatten
from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.marker import IdempotencyKey, is_marker_unreadable, parse_marker
from airflow_provider_modelarts.client.models import CreateImageRequest, Image, Page
from airflow_provider_modelarts.exceptions import (
    ApiError,
    FieldViolation,
    InvalidResponseError,
    ModelArtsError,
    PermissionDeniedError,
    RequestValidationError,
    TagConflictError,
)

LOOKUP_ATTEMPTS = 3
"""Lookups of the marker after a lost response, as lists may lag behind."""


def list_same_name(
    request: CreateImageRequest, key: IdempotencyKey, notebook_id: str
) -> Operation[Page[Image]]:
    """
    Return the list of the images of the requested name; without a name, of all private images.

    Records that cannot be parsed are left out of a page, but not one with the marker of the task: such a page
    is refused as unreadable, as a task that misses its image would save again.
    """
    operation = operations.list_images(
        name=request.name, namespace=request.namespace, workspace_id=request.workspace_id
    )

    def count_in(value: Any) -> int:
        return key.count_in(flatten(value), notebook_id)

    def parse(data: Any) -> Page[Image]:
        page = operation.parse(data)
        is_short = page.records > len(page.data)
        if is_short and count_in(data) > sum(count_in(image.description) for image in page.data):
            raise ValueError("a record with this task's marker cannot be parsed")
        return page

    return replace(operation, parse=parse)


async def search_repeatedly(
    read: Callable[[], Awaitable[list[Image]]],
    pick: Callable[[list[Image]], Image | None],
    pause: Callable[[], Awaitable[None]],
) -> Image | None:
    """
    Return the image that ``pick`` returns from a list, which is read several times as it may lag behind.

    :raises ModelArtsError: the last lookup failed, so that the image may exist unseen.
    """
    failure: ModelArtsError | None = None
    for attempt in range(LOOKUP_ATTEMPTS):
        if attempt:
            await pause()
        try:
            image = pick(await read())
        except (ApiError, InvalidResponseError) as error:
            if not (isinstance(error, InvalidResponseError) or type(error) is ApiError):
                raise
            failure = error
        else:
            failure = None
            if image:
                return image
    if failure:
        raise failure
    return None


def find_tag_owner(
    images: list[Image],
    request: CreateImageRequest,
    *,
    is_ours: Callable[[Image], bool],
    is_named: bool,
) -> Image | None:
    """
    Return the image because of which the service refuses the requested tag, or None if no record shows it.

    The record of a failed save may have the tag of an image that was saved or pushed later. Then the failed
    one is not the owner, and removing it would not help.

    :param is_ours: whether the task saved an image, in whichever of its clears.
    :param is_named: whether the image can be found by its name; else only one of the task can be the owner.
    """
    wanted = request.swr_instance_id
    ranked = [
        (image.has_failed, (image.swr_instance_id or None) != wanted, not is_ours(image), image)
        for image in images
        if image.tag == request.tag and (is_ours(image) or (is_named and _is_of_repository(image, request)))
        # A record, and a request too, may not name the registry, of which each has its own tags.
        if not (wanted and image.swr_instance_id and image.swr_instance_id != wanted)
    ]
    return min(ranked, key=lambda rank: rank[:3])[3] if ranked else None


def _is_of_repository(image: Image, request: CreateImageRequest) -> bool:
    """Whether an image may have the requested name and namespace: a service may ignore the filter by name."""
    return image.name in {None, request.name} and image.namespace in {None, request.namespace}


def unlisted_owner(cause: str, request: CreateImageRequest, *, may_be_own: bool, is_named: bool) -> str:
    """
    Return the message for a tag that is in use, if no list shows by which image.

    :param cause: the message of the error that made the task search for the image.
    :param may_be_own: whether the task may have saved it, so that the next try searches again.
    :param is_named: whether the image can be found by its name.
    """
    hint = "" if is_named else ", or set name and namespace, so that the image can be found"
    where = f"may be in another workspace, or exist only in SWR: choose another tag{hint}"
    if may_be_own:
        return (
            f"{cause.rstrip('.')}. Tag {request.tag!r} is now in use, perhaps by this task's own save, but "
            f"the image that uses it is not listed: the next try checks again. If no try finds it, it {where}"
        )
    return f"Tag {request.tag!r} is already in use, but the image that uses it is not listed. It {where}"


def is_forbidden(error: ModelArtsError) -> bool:
    """Whether ModelArts denies a permission; a refusal by IAM means that the login failed."""
    is_403 = type(error) is ApiError and error.status == 403
    return error.may_have_been_processed and (is_403 or isinstance(error, PermissionDeniedError))


async def unless_forbidden(check: Awaitable[Image | None]) -> Image | None:
    """Return the result of a check; None if its permission is missing, which must not prevent a save."""
    try:
        return await check
    except ModelArtsError as error:
        if is_forbidden(error):
            return None
        raise


def retryable(error: ModelArtsError) -> ModelArtsError:
    """Return an error that a retry may fix in place of a tag conflict, and any other one unchanged."""
    return ApiError(error.message, **error.facts) if isinstance(error, TagConflictError) else error


@dataclass(frozen=True, slots=True)
class ReuseRule:
    """
    Whether an image that a task did not save is its result, because it holds the requested tag.

    :param notebook_id: the notebook that the task saves.
    :param if_exists: ``fail`` or ``adopt``.
    :raises RequestValidationError: it is neither.
    """

    notebook_id: str
    if_exists: str

    def __post_init__(self) -> None:
        """Validate the argument."""
        if self.if_exists not in ("fail", "adopt"):
            raise RequestValidationError(
                [FieldViolation("if_exists", "must be 'fail' or 'adopt'", self.if_exists)]
            )

    def why_not(self, image: Image, *, is_other_tag: bool) -> str:
        """
        Return why another task's image is not reused, and what to do; empty if it is reused.

        :param is_other_tag: whether its tag is not the one that the user gave.
        """
        marker = parse_marker(image.description)
        if marker and not marker.is_of_notebook(self.notebook_id):
            return (
                f"did not save; it is of notebook {marker.notebook_id} and is not reused for notebook "
                f"{self.notebook_id}: choose another tag"
            )
        if self.if_exists == "fail":
            return (
                "did not save and which cannot be overwritten: choose another tag, or set if_exists='adopt'"
            )
        if is_marker_unreadable(image.description):
            return (
                f"did not save; its marker was cut, so it may not be of notebook {self.notebook_id}, and is "
                "not reused: choose another tag"
            )
        if is_other_tag:
            return "did not save; it is not reused, as its tag is not the one given: choose another tag"
        if image.has_failed or not image.is_known:
            return f"did not save and which is {image.status}, so it is not reused: choose another tag"
        return ""
