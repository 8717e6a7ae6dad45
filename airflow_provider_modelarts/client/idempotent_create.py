"""
Saving a notebook once, whatever becomes of the reply or of who asked.

A save cannot be cancelled, cannot be repeated harmlessly and has no idempotency key, so it leaves a
marker in the image's description. Whoever is in doubt looks for it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.clouds import Cloud
from airflow_provider_modelarts.client.fields import flat
from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.marker import (
    IdempotencyKey,
    describe_origin,
    parse_marker,
    prepare_request,
)
from airflow_provider_modelarts.client.models import Image, Page
from airflow_provider_modelarts.exceptions import (
    PERMANENT,
    ApiError,
    FieldViolation,
    InvalidResponseError,
    ModelArtsError,
    NotebookNotReadyError,
    NotFoundError,
    PermissionDeniedError,
    RequestValidationError,
    ServerError,
    TagConflictError,
    TransportError,
)

T = TypeVar("T")
E = TypeVar("E", bound=ModelArtsError)

LOOKUP_ATTEMPTS = 3
"""How often the marker is looked up after a lost response: a list may lag behind."""
LOOKUP_INTERVAL = 5.0
"""Seconds between those lookups."""
MAX_ATTEMPTS = 4
"""How often a save is sent that left nothing behind."""

DOUBTFUL = (TransportError, ServerError, InvalidResponseError)
"""What leaves open whether the save was accepted; a plain :class:`ApiError`, of no known code, does too."""
OUT_OF_SIGHT = (*PERMANENT, InvalidResponseError)
"""Why a remembered image may not be seen although it, or another, may be found in the list."""

LIST_IMAGES = "modelarts:image:list"
SHOW_NOTEBOOK = "modelarts:notebook:get"
DELETE_IMAGE = "modelarts:image:delete"

log = logging.getLogger(__name__)


class IdempotentCreate:
    """
    The saving of one notebook by one task.

    Whatever is wrong with the arguments is said before anything is sent.

    :param cloud: whose rules the request keeps.
    :param key: of the task; it goes into the description, and names the tag if none is given.
    :param if_exists: what to do when the tag is somebody else's: ``fail`` or ``adopt``.
    :param deadline: epoch seconds after which no call is tried again.
    :param fields: of create-image.
    :raises RequestValidationError: a value breaks a rule, or leaves no room for the marker.
    """

    def __init__(
        self,
        modelarts: ModelArtsClient,
        cloud: Cloud,
        notebook_id: str,
        key: IdempotencyKey,
        *,
        if_exists: str = "fail",
        deadline: float | None = None,
        **fields: str | None,
    ) -> None:
        if if_exists not in ("fail", "adopt"):
            raise RequestValidationError(
                [FieldViolation("if_exists", "must be 'fail' or 'adopt'", if_exists)]
            )
        self._modelarts = modelarts
        self._request, self._other_tag = prepare_request(cloud, notebook_id, key, fields)
        self._notebook_id = notebook_id
        self._key = key
        self._if_exists = if_exists
        self._deadline = deadline
        self._failure: ModelArtsError = ModelArtsError("the save was never sent")
        self._doubt: ModelArtsError | None = None
        self._has_left_tag = False

    async def save(self, *, check_existing: bool, image_id_hint: str | None = None) -> tuple[Image, bool]:
        """
        Return the image, and whether something else than this call caused it.

        :param check_existing: an earlier try may have left one.
        :param image_id_hint: of the image that an earlier try is remembered to have left.
        :raises NotebookNotReadyError: the notebook is stopped, or busy with something else.
        :raises TagConflictError: the tag is somebody else's.
        :raises PermissionDeniedError: the save is forbidden, or the look for what an earlier try left.
        :raises ModelArtsError: any other refusal, and a doubt that could not be resolved.
        """
        image = await self._check_hint(image_id_hint) if image_id_hint else None
        if check_existing and image is None:
            image = await self._find_earlier()
        if image:
            log.info("An earlier try saved this already. %s", image.describe())
            return image, True
        for _ in range(MAX_ATTEMPTS):
            if saved := await self._try():
                return saved
        raise self._failure

    async def _try(self) -> tuple[Image, bool] | None:
        """Return the image, and whether it is not of this call; None when the save may be sent again."""
        try:
            return await self._call(operations.create_image(self._notebook_id, self._request)), False
        except ModelArtsError as error:
            self._failure, image = error, await self._recover_lost_response(error)
        if image is None:
            return None
        if not self._is_own(image):
            return image, True
        log.info("The save had arrived, or another try's did. %s", image.describe())
        return image, self._doubt is None

    async def _recover_lost_response(self, error: ModelArtsError) -> Image | None:
        """Return the image that is there although the save failed; None when it may be sent again."""
        if isinstance(error, TagConflictError):
            return await self._resolve_taken_tag(error)
        if isinstance(error, NotebookNotReadyError) or error.is_brief:
            # Perhaps it is our own save that the notebook is busy with.
            return await self._find_or_raise(error)
        if not (error.may_have_been_processed and (isinstance(error, DOUBTFUL) or type(error) is ApiError)):
            raise error
        self._doubt = error
        if type(error) is ApiError and error.code.startswith("ModelArts."):
            # No gateway's word: the service itself refuses, and sending it again changes nothing today.
            return await self._find_or_raise(error)
        return await self._resolve_doubt(error)

    async def _find_or_raise(self, refusal: ModelArtsError) -> Image:
        """Return this task's own image, or raise the refusal."""
        image = await self._checked(self._find_existing(), LIST_IMAGES, refusal)
        if image is None:
            raise refusal
        return image

    async def _resolve_doubt(self, error: ModelArtsError) -> Image | None:
        """Return the image that a failed request may have started; None when it may be sent again."""
        log.warning("Whether the save arrived is not known, so its marker is looked for: %s", error)
        await self._modelarts.sleep(LOOKUP_INTERVAL)
        if image := await self._checked(self._search(self._own), LIST_IMAGES, error):
            return image
        show_notebook = self._call(operations.show_notebook(self._notebook_id))
        notebook = await self._checked(show_notebook, SHOW_NOTEBOOK, error)
        if not notebook.is_running:
            raise NotebookNotReadyError(
                f"The save's reply was lost and no image has its marker yet, but the notebook is "
                f"{notebook.status or 'without a status'}: the next try looks again. {error}"
            ) from error
        log.warning("No image has the marker and the notebook is RUNNING: the save is sent again")
        return None

    async def _checked(self, check: Awaitable[T], permission: str, error: ModelArtsError) -> T:
        """
        Return what a check finds.

        Where it fails, the error that made it necessary is raised, with the reason: to send the save
        again without it could save twice. But a refusal that no retry mends is not believed for a check
        that fails for the moment.
        """
        try:
            return await check
        except ModelArtsError as failure:
            is_forbidden = _is_forbidden(failure)
            if not (is_forbidden or error.is_transient):
                raise
            reason = f"{permission} is missing" if is_forbidden else "the check failed"
            words = f"Whether this task saved the notebook is not known, because {reason}"
            log.warning("%s: %s", words, failure)
            # Not from the failure, in whose context this error stands: a chain must not be a ring.
            raise _with_message(error, f"{error.message} {words}.") from None

    async def _resolve_taken_tag(self, error: TagConflictError) -> Image | None:
        """Return the image to adopt; None when a failed record of ours was removed to make room."""
        image = await self._checked(self._search(self._find_tag_owner), LIST_IMAGES, error)
        if image is None and self._doubt:
            raise _with_message(
                self._doubt,
                f"{self._doubt.message} Now the tag {self._request.tag!r} is taken, perhaps by this very "
                "save, and no list shows by which image: the next try looks again.",
            ) from error
        if image is None:
            raise _with_message(
                error,
                f"The tag {self._request.tag!r} is taken, and no list shows by which image: perhaps by one "
                "in another workspace, or by one that was deleted here and is left in SWR. Choose another tag"
                f"{'' if self._is_named else ', or give name and namespace, by which an image can be told'}",
            )
        is_earlier = self._is_of_earlier_clear(image)
        if is_earlier or self._is_own(image):
            if image.has_failed:
                await self._remove(image, error)
                return None
            if not is_earlier:
                return image
            if self._leave_tag_to(image):
                return None
            words = "saved before it was cleared, and cannot be overwritten: choose a shorter tag"
        elif not (words := self._why_not_adopted(image)):
            log.info("The tag is taken and if_exists is 'adopt': adopting %s", describe_origin(image))
            return image
        tag = f"The tag {self._request.tag!r} belongs to image {image.id}, which this task"
        raise _with_message(error, f"{tag} {words}")

    def _why_not_adopted(self, image: Image) -> str:
        """Return why somebody else's image is not adopted, and what to do; empty where it is."""
        marker = parse_marker(image.description)
        if marker and not marker.is_of_notebook(self._notebook_id):
            return (
                f"did not save; it is of notebook {marker.notebook_id} and is not adopted for notebook "
                f"{self._notebook_id}: choose another tag"
            )
        if self._if_exists == "fail":
            return (
                "did not save and which cannot be overwritten: choose another tag, or adopt it by if_exists"
            )
        if self._has_left_tag:
            return "did not save; it is not adopted, as its tag is not the one given: choose another tag"
        if image.has_failed or not image.is_known:
            return f"did not save and which is {image.status}, so it is not adopted: choose another tag"
        return ""

    def _leave_tag_to(self, image: Image) -> bool:
        """Go on with the other tag, if there is one, and say why."""
        tag, other = self._request.tag, self._other_tag
        if other in (None, tag):
            return False
        log.info(
            "The tag %r belongs to image %s, which this task saved before it was cleared: the notebook is "
            "saved again with the tag %r",
            *(tag, image.id, other),
        )
        self._request = self._request.model_copy(update={"tag": other})
        self._has_left_tag = True
        return True

    async def _remove(self, image: Image, error: TagConflictError) -> None:
        """Remove this task's own failed record, with what it may hold of the tag in SWR."""
        log.warning("The tag is held by this task's own failed save, which is removed. %s", image.describe())
        try:
            await self._call(operations.delete_image(image.id, delete_swr_image=True))
        except NotFoundError:
            log.info("Image %s was removed already", image.id)
        except PermissionDeniedError as failure:
            log.warning("%s is missing: %s", DELETE_IMAGE, failure)
            raise _with_message(
                error,
                f"The tag {self._request.tag!r} belongs to this task's own failed image {image.id}, which "
                f"cannot be removed because {DELETE_IMAGE} is missing: grant it, or choose another tag",
            ) from None

    def _find_tag_owner(self, images: list[Image]) -> Image | None:
        """Return the image that holds the tag; without a name, any repository may have one."""
        holders = [image for image in images if image.tag == self._request.tag]
        ours = (held for held in holders if self._is_own(held) or self._is_of_earlier_clear(held))
        own = self._own(images) or next(ours, None)
        return own or (holders[0] if holders and self._is_named else None)

    @property
    def _is_named(self) -> bool:
        return bool(self._request.name and self._request.namespace)

    async def _check_hint(self, image_id: str) -> Image | None:
        """Return a remembered image if it is still the one to save; what is remembered may be out of date."""
        try:
            image = await self._call(operations.show_image(image_id))
        except ModelArtsError as error:
            if not (isinstance(error, OUT_OF_SIGHT) or type(error) is ApiError):
                raise
            log.info("The image that an earlier try left cannot be looked at, so it is looked for: %s", error)
            return None
        return image if self._is_wanted(image) else None

    async def _find_earlier(self) -> Image | None:
        """
        Return what an earlier try left; nothing is sent where that cannot be known.

        The tag of an image from before the task was cleared is not even asked for.
        """
        try:
            images = await self._list_same_name()
        except ModelArtsError as error:
            if not _is_forbidden(error):
                raise
            raise _with_message(
                error,
                f"Whether an earlier try saved notebook {self._notebook_id} is not known, because "
                f"{LIST_IMAGES} is missing, and to send the save again could save twice: grant it, then "
                f"clear the task. {error.message}",
            ) from None
        own = self._own(images)
        for image in images if own is None else ():
            is_live = self._is_of_earlier_clear(image) and not image.has_failed
            if is_live and image.tag == self._request.tag and self._leave_tag_to(image):
                break
        return own

    async def _find_existing(self) -> Image | None:
        """Return this task's own image with the tag it wants, unless it failed."""
        return self._own(await self._list_same_name())

    async def _search(self, pick: Callable[[list[Image]], Image | None]) -> Image | None:
        """
        Return what is picked from the images of the same name, once a list shows it: lists may lag.

        :raises ModelArtsError: the last look failed, so that nothing found does not mean nothing there.
        """
        failure: ModelArtsError | None = None
        for look in range(LOOKUP_ATTEMPTS):
            if look:
                await self._modelarts.sleep(LOOKUP_INTERVAL)
            try:
                image = pick(await self._list_same_name())
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

    def _own(self, images: list[Image]) -> Image | None:
        return next(filter(self._is_wanted, images), None)

    def _is_wanted(self, image: Image) -> bool:
        has_tag = image.tag in (None, self._request.tag, self._other_tag)
        return self._is_own(image) and has_tag and not image.has_failed

    def _is_own(self, image: Image) -> bool:
        return self._key.matches(image, self._notebook_id)

    def _is_of_earlier_clear(self, image: Image) -> bool:
        return self._key.is_of_earlier_clear(image, self._notebook_id)

    async def _list_same_name(self) -> list[Image]:
        """Return the images of the same name; where a cloud lets the name be left out, all of one's own."""
        operation = operations.list_images(
            name=self._request.name,
            namespace=self._request.namespace,
            workspace_id=self._request.workspace_id,
        )

        def parse(reply: Any) -> Page[Image]:
            page = operation.parse(reply)
            is_short = page.records > len(page.data)
            if is_short and self._count_in(reply) > sum(self._count_in(i.description) for i in page.data):
                # Strangers' records may be skipped, but not the one that is looked for.
                raise ValueError("a record has this task's marker and cannot be read")
            return page

        return await self._modelarts.list_all(replace(operation, parse=parse), deadline=self._deadline)

    def _count_in(self, value: Any) -> int:
        return self._key.count_in(flat(value), self._notebook_id)

    async def _call(self, operation: Operation[T]) -> T:
        return await self._modelarts.call(operation, deadline=self._deadline)


def _is_forbidden(error: ModelArtsError) -> bool:
    """Whether ModelArts forbids a check; what IAM refuses is about who asks."""
    is_403 = type(error) is ApiError and error.status == 403
    return error.may_have_been_processed and (is_403 or isinstance(error, PermissionDeniedError))


def _with_message(error: E, message: str) -> E:
    """Return the error with another message; its class, code and request id stay."""
    error.message = message
    error.args = (message,)
    return error
