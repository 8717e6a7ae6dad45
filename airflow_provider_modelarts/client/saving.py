"""
Saving a notebook once, whatever becomes of the reply or of who asked.

A save cannot be cancelled, cannot be repeated harmlessly and has no idempotency key, so it leaves a
mark: a digest of the task's identity, in the image's description. Whoever is in doubt looks for it.
"""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import dataclass
from typing import TypeVar

from airflow_provider_modelarts.client import calls
from airflow_provider_modelarts.client.errors import (
    BrokenRule,
    InvalidRequest,
    ModelArtsError,
    NotebookNotReady,
    NotFound,
    PermissionDenied,
    RequestRefused,
    ServiceFailed,
    TagTaken,
    TransportFailed,
    UnexpectedReply,
)
from airflow_provider_modelarts.client.modelarts import ModelArts
from airflow_provider_modelarts.client.models import CreateImageRequest, Image
from airflow_provider_modelarts.client.wire import Call

T = TypeVar("T")

DESCRIPTION_LIMIT = 512
LOOKS = 3
"""How often the mark is looked for after a lost reply: a list may lag behind."""

PAUSE = 5.0
"""Seconds between those looks."""

TRIES = 4
"""How often a save is sent that left nothing behind."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mark:
    """What makes a save this task's own, in this run and for this notebook."""

    notebook_id: str
    dag_id: str
    task_id: str
    run_id: str
    map_index: int

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits."""
        identity = [self.notebook_id.lower(), self.dag_id, self.task_id, self.run_id, str(self.map_index)]
        return hashlib.sha256("\n".join(identity).encode()).hexdigest()[:16]

    @property
    def text(self) -> str:
        """How it stands in a description."""
        return f"[airflow {self.digest}]"

    def describe(self, description: str | None) -> str:
        """
        Return a description with the mark behind the user's own words, of which none is cut.

        :raises InvalidRequest: there is no room left for it.
        """
        described = f"{description.rstrip()} {self.text}" if description else self.text
        if len(described) > DESCRIPTION_LIMIT:
            room = DESCRIPTION_LIMIT - len(self.text) - 1
            rule = f"may have at most {room} characters, because this task's mark needs the rest of 512"
            raise InvalidRequest([BrokenRule("description", rule, description)])
        return described

    def tag(self) -> str:
        """Return a tag that names the run and that a retry finds again."""
        run = re.sub(r"[^A-Za-z0-9_.]+", "-", self.run_id).strip("-.")
        return f"{run[: 63 - len(self.digest)]}-{self.digest}".lstrip("-")

    def is_on(self, image: Image) -> bool:
        """Whether an image is this task's own."""
        return self.text in (image.description or "")


class Saving:
    """
    The saving of one notebook by one task.

    :param request: with the mark in its description, and a tag.
    :param if_exists: what to do when the tag is somebody else's: ``fail`` or ``adopt``.
    :param deadline: epoch seconds after which no call is tried again.
    """

    def __init__(
        self,
        modelarts: ModelArts,
        request: CreateImageRequest,
        mark: Mark,
        *,
        if_exists: str,
        deadline: float | None = None,
    ) -> None:
        self._modelarts = modelarts
        self._request = request
        self._mark = mark
        self._if_exists = if_exists
        self._deadline = deadline
        self._failure: ModelArtsError = ModelArtsError("the save was never sent")

    async def save(self, *, look_first: bool, known_id: str | None = None) -> tuple[Image, bool]:
        """
        Return the image, and whether it was there already.

        :param look_first: an earlier try may have left one.
        :param known_id: of the image that an earlier try is remembered to have left.
        :raises NotebookNotReady: the notebook is stopped, or busy with something else.
        :raises TagTaken: the tag is somebody else's.
        :raises ModelArtsError: any other refusal, and a doubt that could not be resolved.
        """
        image = await self._recall(known_id) if known_id else None
        if look_first and image is None:
            image = await self._find()
        if image:
            log.info("An earlier try saved this already. %s", image.describe())
            return image, True
        for _ in range(TRIES):
            if saved := await self._try():
                return saved
        raise self._failure

    async def _try(self) -> tuple[Image, bool] | None:
        """Return the image, and whether it was there already; None when nothing is there and all is ready."""
        try:
            return await self._call(calls.create_image(self._mark.notebook_id, self._request)), False
        except TagTaken as error:
            self._failure, image = error, await self._resolve_taken_tag()
        except NotebookNotReady:
            # Perhaps it is our own save that it is busy with.
            image = await self._find()
            if image is None:
                raise
        except (TransportFailed, ServiceFailed, UnexpectedReply) as error:
            if not error.arrived:
                raise
            self._failure, image = error, await self._after(error)
        if image is None:
            return None
        log.info("The save had arrived, or another try's did. %s", image.describe())
        return image, True

    async def _after(self, error: ModelArtsError) -> Image | None:
        """Return the image that a failed request may have started; None when it may be sent again."""
        log.warning("Whether the save arrived is not known, so its mark is looked for: %s", error)
        for _ in range(LOOKS):
            await self._modelarts.sleep(PAUSE)
            if image := await self._find():
                return image
        notebook = await self._call(calls.show_notebook(self._mark.notebook_id))
        if not notebook.is_running:
            raise NotebookNotReady(
                f"The save's reply was lost and no image bears its mark yet, but the notebook is "
                f"{notebook.status}: the next try looks again"
            ) from error
        log.warning("No image bears the mark and the notebook is RUNNING: the save is sent again")
        return None

    async def _resolve_taken_tag(self) -> Image | None:
        """Return the image to adopt; None when a failed record of ours was removed to make room."""
        image = await self._holder_of_tag()
        if image is None:
            raise TagTaken(
                f"The tag {self._request.tag!r} is taken, and no list shows by which image: perhaps by one "
                "in another workspace, or by one that was deleted here and is left in SWR. Choose another tag"
                f"{'' if self._is_named else ', or give name and namespace, by which an image can be told'}"
            )
        if self._mark.is_on(image) and image.has_failed:
            log.warning(
                "The tag is held by this task's own failed save, which is removed. %s", image.describe()
            )
            await self._call(calls.delete_image(image.id))
            return None
        if self._mark.is_on(image) or (self._if_exists == "adopt" and not image.has_failed):
            return image
        raise TagTaken(
            f"The tag {self._request.tag!r} belongs to an image that this task did not save, and cannot be "
            "overwritten: choose another tag, or set if_exists to 'adopt'"
        )

    async def _holder_of_tag(self) -> Image | None:
        """Return the image that holds the tag, once a list shows it."""
        for look in range(LOOKS):
            if look:
                await self._modelarts.sleep(PAUSE)
            holders = [image for image in await self._namesakes() if image.tag == self._request.tag]
            if own := next(filter(self._mark.is_on, holders), None):
                return own
            # Without a name there may be as many images with this tag as there are repositories.
            if holders and self._is_named:
                return holders[0]
        return None

    @property
    def _is_named(self) -> bool:
        return bool(self._request.name and self._request.namespace)

    async def _recall(self, image_id: str) -> Image | None:
        """Return a remembered image if it is still the one to save; what is remembered may be out of date."""
        try:
            image = await self._call(calls.show_image(image_id))
        except (NotFound, PermissionDenied, RequestRefused, InvalidRequest) as error:
            log.info("The image that an earlier try left cannot be looked at, so it is looked for: %s", error)
            return None
        return image if self._is_wanted(image) else None

    async def _find(self) -> Image | None:
        """Return this task's own image with the tag it wants, unless it failed."""
        return next(filter(self._is_wanted, await self._namesakes()), None)

    def _is_wanted(self, image: Image) -> bool:
        has_tag = image.tag in (None, self._request.tag)
        return self._mark.is_on(image) and has_tag and not image.has_failed

    async def _namesakes(self) -> list[Image]:
        """Return the images of the same name; where a cloud lets the name be left out, all of one's own."""
        return await self._modelarts.collect(
            calls.list_images(
                name=self._request.name,
                namespace=self._request.namespace,
                workspace_id=self._request.workspace_id,
            ),
            deadline=self._deadline,
        )

    async def _call(self, call: Call[T]) -> T:
        return await self._modelarts.call(call, deadline=self._deadline)
