"""
Changes of notebooks that are never made twice.

A response may be lost or prove nothing, so what a request changed is read again. A request is not repeated
within a call unless the service surely did not process it: whoever calls checks again first.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.models import iso_utc
from airflow_provider_modelarts.client.notebooks import Lease, LeaseType, Move, Notebook
from airflow_provider_modelarts.exceptions import (
    PERMANENT,
    InvalidResponseError,
    ModelArtsError,
    NotebookNotReadyError,
    PermissionDeniedError,
)

T = TypeVar("T")

RENEWAL_TOLERANCE = timedelta(minutes=5)
"""By how much a renewed lease may seem too short: the time that the renewal itself took."""
log = logging.getLogger(__name__)


async def move_notebook(
    client: ModelArtsClient,
    notebook_id: str,
    move: Move,
    operation: Operation[Notebook],
    *,
    check: Callable[[Notebook], Awaitable[None]] | None = None,
    deadline: float | None = None,
) -> tuple[Notebook, bool]:
    """
    Start or stop a notebook, and return it as it was read or returned last, and whether this changed it.

    A notebook that has, or is about to have, the wanted status is a success without a request. After a
    refusal or a lost response the notebook is read again, and counts as changed if the response was lost.

    :param move: of the operation; a notebook in a status in which it is not allowed is left to the service's
        refusal.
    :param check: awaited with the notebook right before the request, also before each retry of it; what it
        raises prevents the request.
    :param deadline: epoch seconds after which no request is retried.
    :raises NotebookFailedError: the notebook has a final status; nothing was sent.
    :raises NotebookNotReadyError: the notebook is busy.
    :raises ModelArtsError: any other error of the operation, or of the first read.
    """
    show = operations.show_notebook(notebook_id)
    before = await client.call(show, deadline=deadline)
    if move.is_done_in(before.status):
        return before, False
    before.raise_for_status()

    if check is not None:
        await check(before)

    async def check_again() -> None:
        current = await client.call(show, deadline=deadline)
        if check is not None and not move.is_done_in(current.status):
            await check(current)

    before_retry = None if check is None else check_again
    try:
        return await client.call(operation, deadline=deadline, before_retry=before_retry), True
    except ModelArtsError as error:
        read = partial(client.call, show, deadline=deadline)
        after = await _read_after(notebook_id, read, error, lambda now: move.is_done_in(now.status))
        # What a refused operation was for is another's doing.
        return after, error.may_have_been_processed and not error.is_refusal


async def renew_lease(
    client: ModelArtsClient,
    notebook_id: str,
    duration: timedelta,
    *,
    type: LeaseType | None = None,  # noqa: A002 - the API's name
    deadline: float | None = None,
) -> Lease:
    """
    Let the lease of a running notebook end a duration from now, and return the lease, read again.

    :param deadline: epoch seconds after which no request is retried.
    :raises NotebookNotReadyError: the notebook is not running.
    :raises InvalidResponseError: the renewal was accepted, but the lease was not renewed.
    :raises ModelArtsError: any other error of the renewal, or of the read after it.
    """

    def is_renewed(lease: Lease) -> bool:
        if type == "idle":
            return lease.is_idle
        left = None if lease.service_time is None else lease.left(lease.service_time)
        return lease.is_timed and (left is None or left >= duration - RENEWAL_TOLERANCE)

    operation = operations.renew_lease(notebook_id, duration, type=type)
    read = partial(read_lease, client, notebook_id, deadline=deadline)
    lease = await _change(client, notebook_id, operation, read, is_renewed, deadline=deadline)
    if not is_renewed(lease):
        raise InvalidResponseError(
            f"RenewLease was accepted, but the lease of notebook {notebook_id} was not renewed: "
            f"{lease.describe()}, not in {duration}. A retry renews it again"
        )
    log.info("The lease of notebook %s was renewed: %s", notebook_id, lease.describe())
    return lease


async def read_lease(client: ModelArtsClient, notebook_id: str, *, deadline: float | None = None) -> Lease:
    """
    Return the lease of a running notebook.

    Where ShowLease is refused, because a permission is missing or the notebook is being saved, it is the one
    that ShowNotebook returns.

    :param deadline: epoch seconds after which no request is retried.
    """
    try:
        return await client.call(operations.show_lease(notebook_id), deadline=deadline)
    except (PermissionDeniedError, NotebookNotReadyError) as error:
        notebook = await client.call(operations.show_notebook(notebook_id), deadline=deadline)
        if notebook.lease is None or notebook.status not in {"RUNNING", "SNAPSHOTTING"}:
            raise
        log.info(
            "ShowLease of notebook %s failed; using the lease that ShowNotebook returns: %s",
            *(notebook_id, error),
        )
        times = {"current_time": notebook.current_time, "response_date": notebook.response_date}
        return notebook.lease.model_copy(update=times)


async def update_image(
    client: ModelArtsClient, notebook_id: str, image_id: str, *, deadline: float | None = None
) -> Notebook:
    """
    Let a stopped notebook run another image from its next start on, and return it, read again.

    :param deadline: epoch seconds after which no request is retried.
    :raises NotebookNotReadyError: the notebook is not stopped.
    :raises NotFoundError: there is no such notebook or no such image.
    :raises InvalidResponseError: the update was accepted, but the notebook was not updated.
    :raises ModelArtsError: any other error of the update, or of the read after it.
    """

    def is_updated(notebook: Notebook) -> bool:
        return notebook.runs(image_id)

    operation = operations.update_notebook(notebook_id, image_id=image_id)
    read = partial(client.call, operations.show_notebook(notebook_id), deadline=deadline)
    notebook = await _change(client, notebook_id, operation, read, is_updated, deadline=deadline)
    if not is_updated(notebook):
        raise InvalidResponseError(
            f"UpdateNotebook was accepted, but notebook {notebook_id} still has the image "
            f"{notebook.image_id}, not {image_id} (read at {iso_utc(notebook.service_time)}). "
            "A retry sets it again"
        )
    return notebook


async def _change(
    client: ModelArtsClient,
    notebook_id: str,
    operation: Operation[None],
    read: Callable[[], Awaitable[T]],
    is_done: Callable[[T], bool],
    *,
    deadline: float | None,
) -> T:
    """Send an operation whose response proves nothing, and return what it changed, read again."""
    try:
        await client.call(operation, deadline=deadline)
    except ModelArtsError as error:
        return await _read_after(notebook_id, read, error, is_done)
    return await read()


async def _read_after(
    notebook_id: str,
    read: Callable[[], Awaitable[T]],
    error: ModelArtsError,
    is_done: Callable[[T], bool],
) -> T:
    """
    Return what an operation changed although it failed with an error.

    :raises ModelArtsError: that error, if nothing was changed, or that cannot be read.
    """
    if isinstance(error, PERMANENT):
        raise error
    log.warning(
        "Notebook %s: checking whether a request without a usable response took effect: %s",
        *(notebook_id, error),
    )
    try:
        found = await read()
    except ModelArtsError as unread:
        log.warning(
            "Notebook %s: the check failed too, so the request counts as failed: %s", notebook_id, unread
        )
        raise error from unread
    if not is_done(found):
        raise error
    log.info("Notebook %s: the request took effect, or its effect was there already", notebook_id)
    return found
