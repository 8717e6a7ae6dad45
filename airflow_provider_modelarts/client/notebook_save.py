"""
Saves a notebook by the rules of a task that need more than create-image.

A rule may need the notebook before the first create-image request: it skips one that is stopped, or lets its
lease last long enough. And after a refusal the notebook shows whether a retry can help.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import NO_RETRY, ModelArtsClient
from airflow_provider_modelarts.client.idempotent_create import IdempotentCreate
from airflow_provider_modelarts.client.lease_plan import ends_within
from airflow_provider_modelarts.client.models import Image, iso_utc
from airflow_provider_modelarts.client.notebook_changes import RENEWAL_TOLERANCE
from airflow_provider_modelarts.client.notebook_steps import NotebookSteps
from airflow_provider_modelarts.client.notebooks import STOP, Notebook
from airflow_provider_modelarts.client.snapshot_check import SnapshotCheck, check_stopped
from airflow_provider_modelarts.exceptions import (
    PERMANENT,
    ApiError,
    ModelArtsError,
    NotebookNotReadyError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SaveRules:
    """
    What a task does besides the save.

    :param skips_stopped: whether a notebook that is STOPPED or STOPPING is no failure.
    :param min_lease: how long the notebook must not stop by itself.
    :param max_duration: how long the save may take.
    """

    skips_stopped: bool = False
    min_lease: timedelta | None = None
    max_duration: timedelta = timedelta(hours=1)

    @property
    def need_notebook(self) -> bool:
        """Whether the notebook must be read before it is saved."""
        return self.skips_stopped or self.min_lease is not None


@dataclass(frozen=True, slots=True)
class Saved:
    """
    The end of a save.

    :param image: the image; None if nothing was saved, because the notebook is stopped.
    :param is_adopted: whether the image already existed.
    :param accepted_at: epoch seconds at which create-image was accepted; None if the image already existed.
    :param notebook: as it was read before the first create-image request; None if it was not.
    :param skipped: of a stopped notebook, whether it was saved before.
    """

    image: Image | None
    is_adopted: bool = False
    accepted_at: float | None = None
    notebook: Notebook | None = None
    skipped: SnapshotCheck | None = None

    @property
    def previous_image_id(self) -> str | None:
        """The image that the notebook ran before it was saved, if that is known."""
        found = self.notebook.image_id if self.notebook and not self.is_adopted else None
        is_new = found is not None and self.image is not None and found.lower() == self.image.id.lower()
        return None if is_new else found


class NotebookSave:
    """
    Makes one save.

    :param creation: sends create-image.
    :param workspace_id: of the connection.
    :param deadline: epoch seconds after which no call is retried.
    :param on_notebook: called with the notebook each time it is read.
    """

    def __init__(
        self,
        client: ModelArtsClient,
        creation: IdempotentCreate,
        notebook_id: str,
        rules: SaveRules,
        *,
        workspace_id: str | None = None,
        deadline: float | None = None,
        on_notebook: Callable[[Notebook], None] | None = None,
    ) -> None:
        self._client = client
        self._creation = creation
        self._id = notebook_id
        self._rules = rules
        self._steps = NotebookSteps(client, notebook_id, workspace_id=workspace_id, deadline=deadline)
        self._deadline = deadline
        self._on_notebook = on_notebook

    async def save(self, *, check_existing: bool, image_id_hint: str | None = None) -> Saved:
        """
        Return the image, or None for a stopped notebook, and what is known of the notebook.

        Unless a rule needs the notebook, the first request is create-image.

        :param check_existing: whether to search first for an image of an earlier try.
        :param image_id_hint: the id of that image, if the earlier try stored it.
        :raises NotFoundError: there is no such notebook.
        :raises ModelArtsError: any other error of :class:`IdempotentCreate`.
        """
        if check_existing and (image := await self._creation.find_earlier(image_id_hint)):
            return Saved(image, is_adopted=True)
        # Without a name no tag conflict prevents a second save of a try whose image is not listed yet.
        is_doubtful = check_existing and not self._creation.is_named
        needs_notebook = self._rules.need_notebook or is_doubtful
        notebook = await self._read_before(is_doubtful=is_doubtful) if needs_notebook else None
        if notebook is not None:
            if check_existing and (image := await self._creation.find_image_that_runs(notebook)):
                return Saved(image, is_adopted=True)
            if self._is_skipped(notebook):
                return await self._adopt_or_skip(notebook)
            notebook = await self._prolong_lease(notebook, is_later_try=check_existing)
        try:
            image, is_adopted = await self._creation.create()
        except ApiError as error:
            refusal = error
        else:
            accepted_at = None if is_adopted else self._creation.accepted_at
            return Saved(image, is_adopted, accepted_at, notebook)
        return await self._explain(refusal)

    async def _read_before(self, *, is_doubtful: bool) -> Notebook | None:
        """
        Return the notebook before it is saved, or None if it cannot be read, which must not prevent a save.

        :param is_doubtful: whether only the notebook shows that an earlier try saved it. Then just a missing
            permission does not prevent a save, as that lasts.
        :raises NotFoundError: there is no such notebook.
        """
        try:
            notebook = await self._client.call(operations.show_notebook(self._id), deadline=self._deadline)
        except ModelArtsError as error:
            if not isinstance(error, PermissionDeniedError) and (is_doubtful or isinstance(error, PERMANENT)):
                raise
            log.warning(
                "Notebook %s cannot be read before its save, which goes on: its lease is not renewed, and if "
                "it is stopped, the save fails. %s",
                *(self._id, error),
            )
            return None
        self._found(notebook)
        return notebook

    def _is_skipped(self, notebook: Notebook | None) -> bool:
        return self._rules.skips_stopped and notebook is not None and STOP.is_done_in(notebook.status)

    async def _adopt_or_skip(self, notebook: Notebook) -> Saved:
        """
        Return this task's own image, or none for a stopped notebook that has nothing new to save.

        :raises ModelArtsError: the images cannot be listed, so that there may be an own one.
        """
        if image := await self._creation.find_existing():
            log.info("Reusing the image that this task's save created: %s", image.describe())
            return Saved(image, is_adopted=True)
        try:
            images = await self._steps.list_images(notebook, self._creation.request.workspace_id)
        except ModelArtsError as error:
            return Saved(None, skipped=SnapshotCheck(False, f"may have been stopped unsaved: {error}"))
        return Saved(None, skipped=check_stopped(notebook, images, now=self._steps.now(notebook)))

    async def _prolong_lease(self, notebook: Notebook, *, is_later_try: bool) -> Notebook:
        """Return the notebook, its lease renewed if it ends too soon; no failure of that prevents a save."""
        wanted = self._rules.min_lease
        if wanted is not None and notebook.is_running:
            now = self._steps.now(notebook)
            try:
                # An earlier try may have renewed it just now.
                if is_later_try and notebook.lease and not ends_within(notebook.lease, now, _enough(wanted)):
                    log.info(
                        "The lease of notebook %s is not renewed: %s", self._id, notebook.lease.describe()
                    )
                else:
                    notebook = await self._steps.prolong_lease(notebook, wanted)
            except ModelArtsError as error:
                log.warning("Renewing the lease of notebook %s failed; its save goes on: %s", self._id, error)
        warn_of_lease(notebook, self._steps.now(notebook), self._rules)
        return notebook

    async def _explain(self, refusal: ApiError) -> Saved:
        """
        Return the end of a save that was refused, if it is no failure.

        :raises NotFoundError: there is no such notebook, although the refusal's code has another meaning.
        :raises ApiError: the refusal.
        """
        if isinstance(refusal, (*PERMANENT, RateLimitError)):
            raise refusal
        try:
            notebook = await self._client.call(operations.show_notebook(self._id), deadline=NO_RETRY)
        except NotFoundError as error:
            raise error from refusal
        except ModelArtsError as error:
            log.debug(
                "Notebook %s cannot be read after the refusal of its save, which counts: %s", self._id, error
            )
            unread = error
        else:
            self._found(notebook)
            is_certain = self._creation.ambiguous_error is None and bool(refusal.code)
            if isinstance(refusal, NotebookNotReadyError) and is_certain and self._is_skipped(notebook):
                return await self._adopt_or_skip(notebook)
            raise refusal
        is_refused = isinstance(unread, NotebookNotReadyError) and not unread.is_brief
        if isinstance(refusal, NotebookNotReadyError) and is_refused:
            # A read is allowed in every status: for it this class means that there is no such notebook, but
            # not a code whose cause passes soon, such as the restore of a notebook.
            message = f"{unread.message} Not even a read is allowed: there is no such notebook. Check its id"
            raise NotFoundError(message, **unread.facts) from refusal
        raise refusal

    def _found(self, notebook: Notebook) -> None:
        if self._on_notebook is not None:
            self._on_notebook(notebook)


def warn_of_lease(notebook: Notebook, now: int, rules: SaveRules) -> None:
    """
    Warn if the lease of a notebook may end before its save.

    :param now: the service's time in milliseconds.
    """
    needed = rules.max_duration if rules.min_lease is None else _enough(rules.min_lease)
    if notebook.lease_ends_at is None or not ends_within(notebook.lease, now, needed):
        return
    log.warning(
        "The lease of notebook %s ends at %s, and its save may take longer. A notebook that stops before it "
        "is saved loses what was installed. Prolong its lease, or set min_lease",
        *(notebook.id, iso_utc(notebook.lease_ends_at)),
    )


def _enough(wanted: timedelta) -> timedelta:
    """Return how long a lease lasts at least that was renewed a moment ago."""
    return wanted - min(RENEWAL_TOLERANCE, wanted / 2)
