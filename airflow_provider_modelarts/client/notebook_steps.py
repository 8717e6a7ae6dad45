"""
The steps of tasks that start, stop and restore notebooks.

Each step reads the notebook, does what its status allows and returns what to wait for. The next one, of this
process, another one or a later try, continues from the status that it finds.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.lease_plan import LeaseTerms, plan_renewal, plan_start
from airflow_provider_modelarts.client.marker import snapshots_of
from airflow_provider_modelarts.client.missing_lease import read_missing_lease, with_lease
from airflow_provider_modelarts.client.models import DEFAULT_WORKSPACE, Image
from airflow_provider_modelarts.client.notebook_changes import (
    move_notebook,
    read_lease,
    renew_lease,
    update_image,
)
from airflow_provider_modelarts.client.notebook_images import read_images
from airflow_provider_modelarts.client.notebooks import START, STOP, Lease, Notebook
from airflow_provider_modelarts.client.snapshot_check import (
    SnapshotCheck,
    check_snapshot,
    newest_snapshot,
)
from airflow_provider_modelarts.exceptions import (
    BadRequestError,
    ModelArtsError,
    NotebookNotReadyError,
    NotFoundError,
    StopRefusedError,
)

SETTLED_STATUSES = ("RUNNING", "STOPPED")
"""The statuses in which a notebook that is not busy can be."""
CHECK_ATTEMPTS = 3
"""How often the images are read before a stop is refused, because lists may lag behind."""
CHECK_INTERVAL = 15.0
"""Seconds between two of these reads."""
ReadImages = tuple[Lease | None, Image | None, list[Image]]
"""The lease that the notebook itself lacks, the image that the user names, and those of the notebook."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StopRule:
    """
    When a running notebook may be stopped.

    :param image_id: the image that the user names as its snapshot.
    :param require_snapshot_within: how long ago the snapshot may have begun.
    :param discard_environment: stop it without any check.
    """

    image_id: str | None = None
    require_snapshot_within: timedelta = timedelta(hours=2)
    discard_environment: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """
    What a step found and did.

    :param notebook: as it was read or returned last.
    :param wait_for: the statuses to wait for; empty if there is nothing to wait for.
    :param is_last: whether the task is done with that wait, or another step follows.
    :param changed: whether this step started, stopped or updated the notebook.
    :param snapshot: the notebook's newest snapshot, if the images were read.
    :param restored: the image that was restored, or that the next steps restore.
    """

    notebook: Notebook
    wait_for: tuple[str, ...] = ()
    is_last: bool = True
    changed: bool = False
    snapshot: Image | None = None
    restored: Image | None = None


class NotebookSteps:
    """
    Makes the steps of one task.

    :param workspace_id: of the connection, whose images are read besides those of the notebook's workspace.
    :param deadline: epoch seconds after which no request is retried.
    """

    def __init__(
        self,
        client: ModelArtsClient,
        notebook_id: str,
        *,
        workspace_id: str | None = None,
        deadline: float | None = None,
    ) -> None:
        self._client = client
        self._id = notebook_id
        self._workspace_id = workspace_id
        self._deadline = deadline

    async def start(self, duration: timedelta | None = None) -> Step:
        """
        Start the notebook, with the lease that it had unless a duration is given.

        :raises NotebookFailedError: it has a final status; nothing was sent.
        """
        notebook = await self._show()
        if START.is_done_in(notebook.status):
            return _until("RUNNING", notebook)
        notebook.raise_for_status()
        if not notebook.is_stopped:
            return _busy(notebook)
        return await self._unless_busy(self._start(notebook, duration))

    async def stop(self, rule: StopRule) -> Step:
        """
        Stop the notebook if the rule allows it; one that is stopped or STOPPING is not checked.

        :raises StopRefusedError: its environment is in no image; nothing was sent.
        :raises NotebookFailedError: it has a final status; nothing was sent.
        """
        notebook = await self._show()
        if STOP.is_done_in(notebook.status):
            return _until("STOPPED", notebook)
        notebook.raise_for_status()
        if not notebook.is_running:
            return _busy(notebook)
        return await self._unless_busy(self._stop(notebook, rule))

    async def restore(
        self,
        image_id: str | None = None,
        *,
        is_started: bool = True,
        duration: timedelta | None = None,
        rule: StopRule | None = None,
    ) -> Step:
        """
        Let the notebook run an image.

        :param image_id: the image; by default the notebook's newest ACTIVE snapshot.
        :param is_started: start it afterwards.
        :param duration: of its lease; by default it keeps the one that it had.
        :param rule: when it may be stopped, if it runs another image. Without a rule it is not stopped.
        :raises NotFoundError: there is no such image, or no snapshot; nothing was sent.
        :raises ImageFailedError: the image has failed; nothing was sent.
        :raises StopRefusedError: it runs another image and may not be stopped; nothing was sent.
        :raises NotebookFailedError: it has a final status; nothing was sent.
        """
        image = None if image_id is None else await self._active_image(image_id)
        notebook = await self._show()
        snapshot = None
        if image is None:
            image = snapshot = await self._newest_snapshot(notebook)
        if START.is_done_in(notebook.status) and notebook.runs(image.id):
            return replace(_until("RUNNING", notebook), snapshot=snapshot, restored=image)
        notebook.raise_for_status()
        if notebook.is_running:
            if rule is None:
                raise StopRefusedError(
                    f"Notebook {self._id} is RUNNING with the image {notebook.image_id}, not {image.id}, and "
                    "was not stopped. Save and stop it first, or set stop_running=True"
                )
            step = await self._unless_busy(self._stop(notebook, rule))
            return replace(step, is_last=False, restored=None if step.wait_for == SETTLED_STATUSES else image)
        if not notebook.is_stopped:
            return _busy(notebook)
        update = self._update_and_start(notebook, image, is_started=is_started, duration=duration)
        step = await self._unless_busy(update)
        return replace(step, snapshot=snapshot, restored=image if step.is_last else None)

    async def renew(self, duration: timedelta) -> Notebook:
        """
        Let the notebook's lease last for a duration from now, and return the notebook with its lease.

        A lease that lasts longer, or has no end, stays as it is.

        :raises NotebookNotReadyError: the notebook is not running.
        :raises NotebookFailedError: it has a final status; nothing was sent.
        """
        notebook = (await self._show()).raise_for_status()
        if notebook.status not in {"RUNNING", "SNAPSHOTTING"}:
            raise NotebookNotReadyError(
                f"{notebook.describe()}: a lease can only be renewed while it is RUNNING. Start it, or wait"
            )
        return await self.prolong_lease(notebook, duration)

    async def prolong_lease(self, notebook: Notebook, duration: timedelta) -> Notebook:
        """Do what :meth:`renew` does, with a notebook that was just read and runs."""
        lease = notebook.lease
        if lease is None or lease.is_unknown:
            lease = await read_lease(self._client, self._id, deadline=self._deadline)
        terms = plan_renewal(lease, self.now(notebook), duration)
        if terms is None or terms.duration is None:
            level = logging.WARNING if lease.is_unknown else logging.INFO
            log.log(level, "The lease of notebook %s is not renewed: %s", self._id, lease.describe())
        else:
            log.info("Renewing the lease of notebook %s for %s", self._id, terms.duration)
            lease = await renew_lease(
                self._client, self._id, terms.duration, type=terms.type, deadline=self._deadline
            )
        return notebook.model_copy(update={"lease": lease})

    async def _start(self, notebook: Notebook, duration: timedelta | None) -> Step:
        terms = plan_start(notebook.lease, duration)
        try:
            moved, changed = await self._send_start(terms)
        except BadRequestError as error:
            if terms.fallback is None:
                raise
            log.warning(
                "Notebook %s cannot start %s, so it gets the longest lease, %s: %s",
                *(self._id, terms.describe(), terms.fallback, error),
            )
            moved, changed = await self._send_start(LeaseTerms(terms.fallback, "timing"))
        return replace(_until("RUNNING", moved), changed=changed)

    async def _send_start(self, terms: LeaseTerms) -> tuple[Notebook, bool]:
        log.info("Starting notebook %s %s", self._id, terms.describe())
        operation = operations.start_notebook(self._id, duration=terms.duration, type=terms.type)
        return await move_notebook(self._client, self._id, START, operation, deadline=self._deadline)

    async def _stop(self, notebook: Notebook, rule: StopRule) -> Step:
        """Stop a running notebook as soon as a read of the images allows it."""
        stop = operations.stop_notebook(self._id)
        if rule.discard_environment:
            log.warning("Stopping notebook %s without a check, which discards its environment", self._id)
            moved, changed = await move_notebook(self._client, self._id, STOP, stop, deadline=self._deadline)
            return replace(_until("STOPPED", moved), changed=changed)
        found = SnapshotCheck(False, "")
        for reads_left in reversed(range(CHECK_ATTEMPTS)):
            try:
                read = [await self._read_images(notebook, rule)]

                async def check(current: Notebook, read: list[ReadImages] = read) -> None:
                    nonlocal found
                    if not read:  # A retry: what was read before it is old.
                        read.append(await self._read_images(current, rule))
                        current = await self._show()
                    lease, given, images = read.pop()
                    found = self._check(with_lease(current, lease), images, rule, given)

                moved, changed = await move_notebook(
                    self._client, self._id, STOP, stop, check=check, deadline=self._deadline
                )
            except (StopRefusedError, NotFoundError) as error:
                if not reads_left:
                    raise
                log.info("Not stopped yet, reading the images again in %.0f s: %s", CHECK_INTERVAL, error)
            else:
                return replace(_until("STOPPED", moved), changed=changed, snapshot=found.snapshot)
            await self._client.sleep(CHECK_INTERVAL)
            # The service may show late which image the notebook runs since its save.
            notebook = await self._show()
        raise AssertionError("unreachable")

    def _check(
        self, notebook: Notebook, images: list[Image], rule: StopRule, given: Image | None
    ) -> SnapshotCheck:
        """
        Return the check that allows the stop.

        :raises StopRefusedError: it does not.
        :raises NotebookNotReadyError: the notebook does not run any more, so that a check proves nothing; or
            the given image is still being saved, so that a retry may find it ACTIVE.
        """
        if not notebook.is_running:
            raise NotebookNotReadyError(
                f"{notebook.describe()}, so it was not stopped. A retry goes on from the status that it finds"
            )
        if given is not None and given.is_pending:
            raise NotebookNotReadyError(
                f"{given.describe()}, so notebook {self._id} was not stopped. Wait until the image is ACTIVE"
            )
        found = check_snapshot(
            notebook,
            images,
            now=self.now(notebook),
            require_snapshot_within=rule.require_snapshot_within,
            given=given,
        )
        if not found.is_safe:
            raise StopRefusedError(
                f"Notebook {self._id} {found.reason}. It was not stopped, as what is installed in it would "
                "be lost: save it first, or set discard_environment=True"
            )
        log.info("Stopping notebook %s, which %s", self._id, found.reason)
        return found

    async def _update_and_start(
        self, notebook: Notebook, image: Image, *, is_started: bool, duration: timedelta | None
    ) -> Step:
        """Set the image of a stopped notebook, and start it."""
        is_updated = not notebook.runs(image.id)
        if is_updated:
            log.info("Setting image %s of notebook %s instead of %s", image.id, self._id, notebook.image_id)
            notebook = await update_image(self._client, self._id, image.id, deadline=self._deadline)
        if not is_started:
            return Step(notebook, changed=is_updated)
        if is_updated:
            await self._active_image(image.id)  # it may have been deleted meanwhile
        step = await self._start(notebook, duration)
        return replace(step, changed=step.changed or is_updated)

    async def _unless_busy(self, step: Coroutine[Any, Any, Step]) -> Step:
        """Return a step, or the wait for a notebook that has become busy since it was read."""
        try:
            return await step
        except NotebookNotReadyError:
            notebook = await self._show()
            if not notebook.is_busy:
                raise
            return _busy(notebook)

    async def _read_images(self, notebook: Notebook, rule: StopRule) -> ReadImages:
        """Return the image that the user names, and those of the notebook if that one does not suffice."""
        lease = await read_missing_lease(self._client, notebook, deadline=self._deadline)
        notebook = with_lease(notebook, lease)
        given = None
        if rule.image_id is not None:
            show = operations.show_image(rule.image_id)
            given = await self._client.call(show, deadline=self._deadline)
            within = rule.require_snapshot_within
            if check_snapshot(
                notebook, (), now=self.now(notebook), require_snapshot_within=within, given=given
            ).is_safe:
                return lease, given, []
        return lease, given, await self.list_images(notebook)

    async def list_images(self, notebook: Notebook, *workspaces: str | None) -> list[Image]:
        """
        Return the images of the notebook's workspace and of the connection's, and the one that it runs.

        :param workspaces: further ones; None is the connection's.
        """
        default = self._workspace_id or DEFAULT_WORKSPACE
        ids = (workspace_id or default for workspace_id in (notebook.workspace_id, None, *workspaces))
        return await read_images(self._client, notebook, ids, deadline=self._deadline)

    async def _newest_snapshot(self, notebook: Notebook) -> Image:
        """
        Return the newest ACTIVE image whose marker names the notebook.

        One that was registered again, whose date is not that of its save, only counts if there is no other.
        Only if there is none, it is the saved image that the notebook has, which may be another notebook's.

        :raises NotFoundError: there is no such image either.
        """
        images = [image for image in await self.list_images(notebook) if image.is_active]
        snapshots = sorted(snapshots_of(self._id, images), key=lambda image: image.is_registered)
        snapshot = next(iter(snapshots), None) or newest_snapshot(notebook, images)
        if snapshot is None:
            raise NotFoundError(
                f"Notebook {self._id} has no ACTIVE snapshot to restore; nothing was sent. Give an image_id"
            )
        return snapshot

    async def _active_image(self, image_id: str) -> Image:
        """
        Return an image that can be started.

        :raises ImageFailedError: it has failed or was deleted.
        :raises ModelArtsError: it is not ACTIVE yet.
        """
        show = operations.show_image(image_id)
        image = (await self._client.call(show, deadline=self._deadline)).raise_for_status()
        if not image.is_active:
            raise ModelArtsError(
                f"{image.describe()}, so notebook {self._id} was not started with it. Wait until it is ACTIVE"
            )
        return image

    async def _show(self) -> Notebook:
        return await self._client.call(operations.show_notebook(self._id), deadline=self._deadline)

    def now(self, notebook: Notebook) -> int:
        """Return the service's time in milliseconds, as far as a response has it."""
        return notebook.service_time_or(self._client.time())


def _until(status: str, notebook: Notebook) -> Step:
    """Return the last step: a wait for a status, unless the notebook has it."""
    return Step(notebook, () if notebook.is_in((status,)) else (status,))


def _busy(notebook: Notebook) -> Step:
    """Return the wait for the end of what the notebook is busy with."""
    return Step(notebook, SETTLED_STATUSES, is_last=False)
