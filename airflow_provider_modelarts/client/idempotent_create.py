"""
Saves a notebook exactly once, even if the response is lost or the task is killed.

The API can neither cancel nor undo a save and has no idempotency key. So each save puts a marker into the
image's description, and a retry or a lost response is resolved by a lookup of that marker.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.clouds import Cloud
from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.marker import IdempotencyKey, describe_origin, prepare_request
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.client.own_images import (
    ReuseRule,
    find_tag_owner,
    is_forbidden,
    list_same_name,
    retryable,
    search_repeatedly,
    unless_forbidden,
    unlisted_owner,
)
from airflow_provider_modelarts.exceptions import (
    PERMANENT,
    ApiError,
    InvalidResponseError,
    ModelArtsError,
    NotebookNotReadyError,
    NotFoundError,
    PermissionDeniedError,
    ServerError,
    TagConflictError,
    TransportError,
)

T = TypeVar("T")

LOOKUP_INTERVAL = 5.0
"""Seconds between two lookups of the marker, as lists may lag behind."""
CLOCK_DIFFERENCE = 60.0
"""Seconds by which the service's clock may be behind, where an image seems older than the request for it."""
MAX_ATTEMPTS = 4
"""Times that create-image is sent, as long as no image results from it."""

AMBIGUOUS_ERRORS = (TransportError, ServerError, InvalidResponseError)
"""After these the save may have been accepted; as after a plain :class:`ApiError`, whose code is unknown."""

LIST_IMAGES = "modelarts:image:list"
SHOW_IMAGE = "modelarts:image:get"
SHOW_NOTEBOOK = "modelarts:notebook:get"
DELETE_IMAGE = "modelarts:image:delete"

log = logging.getLogger(__name__)


class IdempotentCreate:
    """
    Saves one notebook once for one task; validates the request before anything is sent.

    :param cloud: the cloud whose rules apply.
    :param key: of the task, for the marker in the description and for the default tag.
    :param if_exists: what to do if the tag belongs to another task's image: ``fail`` or ``adopt``.
    :param deadline: epoch seconds after which no call is retried.
    :param on_notebook: called with the notebook if it is read.
    :param fields: of create-image.
    :raises RequestValidationError: a value breaks a rule, or the description leaves no room for the marker.
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
        on_notebook: Callable[[Notebook], None] | None = None,
        **fields: str | None,
    ) -> None:
        self._reuse = ReuseRule(notebook_id, if_exists)
        self._modelarts = modelarts
        self.request, self._other_tag = prepare_request(cloud, notebook_id, key, fields)
        self._notebook_id = notebook_id
        self._key = key
        self._deadline = deadline
        self._on_notebook = on_notebook
        self._failure = ModelArtsError("create-image was not sent")
        self._is_later_try = self._may_have_saved = False
        self._begun_at = 0.0
        self._uses_other_tag = False
        self.ambiguous_error: ModelArtsError | None = None
        """After it the image of this task may exist without being listed yet."""
        self.accepted_at: float | None = None
        """Epoch seconds at which create-image was accepted, or may have been."""

    async def save(self, *, check_existing: bool, image_id_hint: str | None = None) -> tuple[Image, bool]:
        """
        Return the image, and whether it was reused, that is, not caused by this call.

        :param check_existing: whether to search first for an image of an earlier try.
        :param image_id_hint: the id of that image, if the earlier try stored it.
        :raises NotebookNotReadyError: the notebook is stopped, or busy with something else.
        :raises TagConflictError: the tag belongs to another image.
        :raises PermissionDeniedError: the permission to save or to list images is missing.
        :raises ModelArtsError: any other error response, or a lost response that no lookup could resolve.
        """
        if check_existing and (image := await self.find_earlier(image_id_hint)):
            return image, True
        return await self.create()

    async def find_earlier(self, image_id_hint: str | None = None) -> Image | None:
        """Return the image of an earlier try, or None; the argument and errors are those of :meth:`save`."""
        self._is_later_try = True
        image = await self.check_hint(image_id_hint) if image_id_hint else None
        if image := image or await self._find_earlier():
            log.info("Reusing the image that an earlier try created: %s", image.describe())
        return image

    async def create(self) -> tuple[Image, bool]:
        """Send create-image, and return the image and whether it was reused; see :meth:`save`."""
        self._begun_at = self._modelarts.time()
        for _ in range(MAX_ATTEMPTS):
            if saved := await self._send():
                return saved
        # Of the loop's conflicts none is final: each time the image with the tag was removed, or has another.
        raise retryable(self._failure)

    async def _send(self) -> tuple[Image, bool] | None:
        """Return the image, and whether it was reused; None if create-image may be sent again."""
        sent_at = self._modelarts.time()
        found: Image | None = None

        async def before_retry() -> None:
            nonlocal found
            # What refused it, such as a busy gateway, may have passed it on all the same.
            self._may_have_saved, self.accepted_at = True, sent_at
            if not self.is_named and (found := await self._find_unnamed()):
                raise NotebookNotReadyError("create-image was refused, but its image exists")

        operation = operations.create_image(self._notebook_id, self.request)
        try:
            created = await self._call(operation, before_retry=before_retry)
        except ModelArtsError as error:
            self._failure, image = error, found or await self._recover_lost_response(error, sent_at)
        else:
            self.accepted_at = self._modelarts.time()
            return created, False
        if image is None:
            return None
        if not self._is_own(image):
            return image, True
        log.info("Reusing the image that this task's save created: %s", image.describe())
        return image, not self._may_have_saved or self._is_of_earlier_try(image)

    async def _find_unnamed(self) -> Image | None:
        """Return this task's own image, listed or run by its notebook, as far as permissions show them."""
        return await unless_forbidden(self.find_existing()) or await unless_forbidden(self._find_run())

    async def _find_run(self) -> Image | None:
        return await self.find_image_that_runs(await self._call(operations.show_notebook(self._notebook_id)))

    async def _recover_lost_response(self, error: ModelArtsError, sent_at: float) -> Image | None:
        """Return the image that exists although create-image failed; None if it may be sent again."""
        if isinstance(error, TagConflictError):
            return await self._resolve_tag_conflict(error)
        if isinstance(error, NotebookNotReadyError) or error.is_brief:
            # The notebook may be busy with this task's own save.
            return await self._find_or_raise(error)
        is_ambiguous = isinstance(error, AMBIGUOUS_ERRORS) or type(error) is ApiError
        if not (error.may_have_been_processed and is_ambiguous):
            raise error
        self.ambiguous_error, self.accepted_at, self._may_have_saved = error, sent_at, True
        if type(error) is ApiError and error.code.startswith("ModelArts."):
            # The service and not a gateway refuses it: sending it again now would have the same result.
            return await self._find_or_raise(error)
        return await self._resolve_ambiguous_error(error)

    async def _find_or_raise(self, refusal: ModelArtsError) -> Image:
        """Return this task's own image, or raise the refusal."""
        image = await self._checked(self.find_existing(), LIST_IMAGES, refusal)
        if image is None:
            raise refusal
        return image

    async def _resolve_ambiguous_error(self, error: ModelArtsError) -> Image | None:
        """Return the image of a request without a usable response; None if it may be sent again."""
        log.warning("No usable response to create-image; checking whether the image exists: %s", error)
        await self._pause()
        if image := await self._checked(self._search(self._own), LIST_IMAGES, error):
            return image
        show_notebook = self._call(operations.show_notebook(self._notebook_id))
        notebook = await self._checked(show_notebook, SHOW_NOTEBOOK, error)
        if self._on_notebook is not None:
            self._on_notebook(notebook)
        if image := await self._checked(self.find_image_that_runs(notebook), SHOW_IMAGE, error):
            return image
        if not notebook.is_running:
            raise NotebookNotReadyError(
                "No usable response to create-image and no matching image yet; the notebook is "
                f"{notebook.status or 'without a status'}. The next try checks again. {error}"
            ) from error
        log.warning("No matching image and the notebook is RUNNING; sending create-image again")
        return None

    async def _checked(self, check: Awaitable[T], permission: str, error: ModelArtsError) -> T:
        """
        Return the result of a check after an error.

        If the check fails, the error itself is raised with the reason, because sending create-image again
        without the check could save twice. If the error is permanent and the check's failure may be
        temporary, the failure is raised, so that the task is retried.
        """
        try:
            return await check
        except ModelArtsError as failure:
            lacks_permission = is_forbidden(failure)
            if not (lacks_permission or error.is_transient):
                raise
            reason = f"{permission} is missing" if lacks_permission else "the check failed"
            question = f"whether this task already saved notebook {self._notebook_id}"
            message = f"Cannot check {question}, because {reason}"
            log.warning("%s, so create-image is not sent again: %s", message, failure)
            # Not chained to the failure, whose context is this error: the chain would be a cycle.
            raise error.with_message(f"{error.message} {message}.") from None

    async def _resolve_tag_conflict(self, error: TagConflictError) -> Image | None:
        """Return the image to reuse; None if create-image may be sent again."""
        # An earlier request may have made an image of this task that a list which lags does not show yet.
        may_be_own = self._may_have_saved or self._is_later_try
        cause = self.ambiguous_error or retryable(error) if may_be_own else error
        image = await self._checked(self._search(self._find_tag_owner), LIST_IMAGES, cause)
        if image is None:
            text = unlisted_owner(cause.message, self.request, may_be_own=may_be_own, is_named=self.is_named)
            raise cause.with_message(text) from (error if may_be_own else None)
        is_earlier = self._is_of_earlier_clear(image)
        if is_earlier or self._is_own(image):
            if image.has_failed:
                await self._remove(image, error)
                return None
            if not is_earlier:
                return image
            if self._switch_tag(image):
                return None
            reason = "saved before it was cleared, and cannot be overwritten: choose a shorter tag"
        elif not (reason := self._reuse.why_not(image, is_other_tag=self._uses_other_tag)):
            log.info(
                "Tag %r is in use and if_exists is 'adopt'; reusing %s",
                *(self.request.tag, describe_origin(image)),
            )
            return image
        tag = f"Tag {self.request.tag!r} belongs to image {image.id}, which this task"
        # A failed image need not be the one that uses the tag, if this task's own may do so unlisted.
        refusal = retryable(error) if may_be_own and image.has_failed else error
        raise refusal.with_message(f"{tag} {reason}")

    def _switch_tag(self, image: Image) -> bool:
        """Use the other tag, as an image of an earlier clear holds the first; return False without one."""
        tag, other = self.request.tag, self._other_tag
        if other in (None, tag):
            return False
        log.info(
            "Tag %r belongs to image %s, which this task saved before it was cleared; saving the notebook "
            "again with tag %r",
            *(tag, image.id, other),
        )
        self.request = self.request.model_copy(update={"tag": other})
        self._uses_other_tag = True
        return True

    async def _remove(self, image: Image, error: TagConflictError) -> None:
        """
        Remove the record of this task's own failed image, so that the tag can be used.

        Its tag in SWR stays: it may be of another image, pushed by a person or saved in another workspace or
        project, about which no list of this workspace shows anything.
        """
        log.warning("Tag in use by this task's own failed image, removing it: %s", image.describe())
        try:
            await self._call(operations.delete_image(image.id))
        except NotFoundError:
            log.info("Image %s was already removed; its tag may be in use a little longer", image.id)
            await self._pause()
        except PermissionDeniedError as failure:
            log.warning(
                "Image %s cannot be removed, because the permission %s is missing: %s",
                *(image.id, DELETE_IMAGE, failure),
            )
            raise error.with_message(
                f"Tag {self.request.tag!r} belongs to this task's own failed image {image.id}, which "
                f"cannot be removed because {DELETE_IMAGE} is missing: grant it, or choose another tag",
            ) from None

    def _find_tag_owner(self, images: list[Image]) -> Image | None:
        """Return the image with the tag; without a name, only one of this task, as names may differ."""
        own = self._own(images)
        return own or find_tag_owner(images, self.request, is_ours=self._is_ours, is_named=self.is_named)

    @property
    def is_named(self) -> bool:
        """Whether the service refuses a second image with the same tag, as both have the same name."""
        return bool(self.request.name and self.request.namespace)

    async def find_image_that_runs(self, notebook: Notebook) -> Image | None:
        """Return the image that the notebook runs, if this task saved it: a list may not have it yet."""
        # Where no tag conflict prevents a second save, an answer that shows nothing must not count as a no.
        is_strict = not self.is_named or self.ambiguous_error is not None
        image = await self.check_hint(notebook.image_id, is_strict=is_strict) if notebook.image_id else None
        if image is not None:
            log.info("This task saved the image that the notebook runs: %s", image.describe())
        return image

    async def check_hint(self, image_id: str, *, is_strict: bool = False) -> Image | None:
        """Return the image of an id if it can be reused; if strict, an unclear answer is an error."""
        try:
            image = await self._call(operations.show_image(image_id))
        except ModelArtsError as error:
            is_unclear = isinstance(error, InvalidResponseError) or type(error) is ApiError
            if not (isinstance(error, PERMANENT) or (is_unclear and not is_strict)):
                raise
            log.info(
                "Image %s cannot be read, so it does not count as saved by this task: %s", image_id, error
            )
            return None
        return image if self._is_reusable(image) else None

    async def _find_earlier(self) -> Image | None:
        """
        Return the image of an earlier try; raises if the lookup fails, as nothing may be sent then.

        If an image from before the task was cleared holds the tag, the other tag is used at once.
        """
        try:
            images = await self._list_same_name()
        except ModelArtsError as error:
            if not is_forbidden(error):
                raise
            raise error.with_message(
                f"Nothing was sent: cannot check whether an earlier try saved notebook {self._notebook_id}, "
                f"because {LIST_IMAGES} is missing. Grant it, then clear the task. {error.message}",
            ) from None
        own = self._own(images)
        for image in images if own is None else ():
            is_live = self._is_of_earlier_clear(image) and not image.has_failed
            if is_live and image.tag == self.request.tag and self._switch_tag(image):
                break
        return own

    async def find_existing(self) -> Image | None:
        """Return this task's own image with the requested tag, unless it failed."""
        return self._own(await self._list_same_name())

    async def _search(self, pick: Callable[[list[Image]], Image | None]) -> Image | None:
        """Return the image that ``pick`` returns from the list, which is read several times."""
        return await search_repeatedly(self._list_same_name, pick, self._pause)

    async def _pause(self) -> None:
        await self._modelarts.sleep(LOOKUP_INTERVAL)

    def _own(self, images: list[Image]) -> Image | None:
        return next(filter(self._is_reusable, images), None)

    def _is_reusable(self, image: Image) -> bool:
        has_tag = image.tag in (None, self.request.tag, self._other_tag)
        return self._is_own(image) and has_tag and not image.has_failed

    def _is_own(self, image: Image) -> bool:
        return self._key.matches(image, self._notebook_id)

    def _is_of_earlier_try(self, image: Image) -> bool:
        """Whether an own image was begun before this try sent anything."""
        if not self._is_later_try or image.create_at is None:
            return False
        return image.create_at / 1000 < self._begun_at - CLOCK_DIFFERENCE

    def _is_of_earlier_clear(self, image: Image) -> bool:
        return self._key.is_of_earlier_clear(image, self._notebook_id)

    def _is_ours(self, image: Image) -> bool:
        return self._is_own(image) or self._is_of_earlier_clear(image)

    async def _list_same_name(self) -> list[Image]:
        """Return the images of the requested name; without a name, all private images."""
        operation = list_same_name(self.request, self._key, self._notebook_id)
        return await self._modelarts.list_all(operation, deadline=self._deadline)

    async def _call(
        self, operation: Operation[T], before_retry: Callable[[], Awaitable[object]] | None = None
    ) -> T:
        return await self._modelarts.call(operation, deadline=self._deadline, before_retry=before_retry)
