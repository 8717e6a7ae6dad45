"""
Whether a notebook may be stopped: whether its environment is in an image.

What was installed in a notebook is lost when it stops. So it may only stop if an ACTIVE snapshot of it was
begun after its last start, and not too long ago.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from airflow_provider_modelarts.client.marker import is_marker_unreadable, newest_first, parse_marker
from airflow_provider_modelarts.client.models import Image, iso_utc
from airflow_provider_modelarts.client.notebooks import Notebook

SAVE_GRACE = timedelta(minutes=5)
"""
How long after a save has ended its own end may still rewrite the lease's ``update_at``.

Whether a save rewrites it is not documented. A stop right after a save must not be refused for it. After its
own save a notebook runs the saved image: where it runs another one, the time is that of a start.
"""
CLOCK_GRACE = timedelta(minutes=5)
"""How far in the future an image may begin or end; a later time proves nothing."""
SKIP_GRACE = timedelta(hours=2)
"""How long before the last change of a stopped notebook its newest snapshot may have begun."""


@dataclass(frozen=True, slots=True)
class SnapshotCheck:
    """
    The result of a check.

    :param is_safe: whether the environment is in an image.
    :param reason: why, as a text that follows the notebook's id.
    :param snapshot: the image that proves it; of a refusal the newest snapshot, if there is one.
    """

    is_safe: bool
    reason: str
    snapshot: Image | None = None


def check_snapshot(
    notebook: Notebook,
    images: Iterable[Image],
    *,
    now: int,
    require_snapshot_within: timedelta,
    given: Image | None = None,
) -> SnapshotCheck:
    """
    Return whether a running notebook may be stopped.

    :param images: of the notebook's workspace, of any notebook and status.
    :param now: the service's time in milliseconds.
    :param require_snapshot_within: how long ago the snapshot may have begun.
    :param given: the image that the user names as the snapshot. It must be ACTIVE and name this notebook in
        its marker; without any marker it counts as the user's word.
    """
    if given is not None and (reason := _wrong_image(notebook, given)):
        return SnapshotCheck(False, reason, given)
    snapshots = newest_first(
        image
        for image in ([given] if given else []) + [image for image in images if image.is_active]
        if image is given or _is_snapshot(notebook, image)
    )
    for image in snapshots:
        if not _problem(notebook, image, now, require_snapshot_within):
            return SnapshotCheck(True, f"is saved as {_label(image, now)}", image)
    if not snapshots:
        return SnapshotCheck(False, "has no ACTIVE snapshot")
    newest = snapshots[0]
    problem = _problem(notebook, newest, now, require_snapshot_within)
    started_at = _started_at(notebook)
    start = "its lease does not show when it was started"
    if started_at is not None:
        start = f"it was started or renewed at {iso_utc(started_at) or 'an unknown time'}"
    reason = f"is not saved: its newest snapshot, {_label(newest, now)}, {problem}; {start}"
    return SnapshotCheck(False, reason, newest)


def check_stopped(notebook: Notebook, images: Iterable[Image], *, now: int) -> SnapshotCheck:
    """
    Return whether a stopped notebook was probably saved before it was stopped.

    Its ``update_at`` is that of its start, of a renewal or of its stop: which one is not documented.

    :param images: of the notebook's workspace, of any notebook and status.
    :param now: the service's time in milliseconds.
    """
    newest = newest_snapshot(notebook, images)
    if newest is None:
        return SnapshotCheck(False, "has no ACTIVE snapshot: it was probably stopped unsaved")
    changed_at = _changed_at(notebook)
    begun_at = newest.create_at
    is_old = begun_at is None or (changed_at is not None and _between(begun_at, changed_at) > SKIP_GRACE)
    if is_old:
        changed = f"it was last changed at {iso_utc(changed_at) or 'an unknown time'}"
        reason = f"was probably stopped unsaved: its newest snapshot is {_label(newest, now)}, but {changed}"
        return SnapshotCheck(False, reason, newest)
    return SnapshotCheck(True, f"was saved before: its newest snapshot is {_label(newest, now)}", newest)


class SnapshotIndex:
    """The ACTIVE images of some workspaces, from which the snapshots of many notebooks are found quickly."""

    def __init__(self, images: Iterable[Image]) -> None:
        """Parse the marker of each image once; those without one are found by their id."""
        self._candidates: dict[str, list[Image]] = {}
        for image in {image.id: image for image in images if image.is_active}.values():
            marker = parse_marker(image.description)
            key = marker.notebook_id if marker else image.id
            self._candidates.setdefault(key.lower(), []).append(image)

    def snapshots_of(self, notebook: Notebook) -> list[Image]:
        """Return the snapshots of a notebook, newest first, those without a date last."""
        keys = {notebook.id.lower(), (notebook.image_id or "").lower()}
        found = [image for key in sorted(keys) for image in self._candidates.get(key, ())]
        return newest_first(image for image in found if _is_snapshot(notebook, image))


def began_within(image: Image, within: timedelta, *, now: int) -> bool:
    """
    Return whether an image began at most some time ago; one without a date or from the future did not.

    :param now: the service's time in milliseconds.
    """
    return image.create_at is not None and -CLOCK_GRACE <= _between(image.create_at, now) <= within


def newest_snapshot(notebook: Notebook, images: Iterable[Image]) -> Image | None:
    """Return the newest ACTIVE snapshot of a notebook; one without a date only if all are."""
    snapshots = newest_first(image for image in images if image.is_active and _is_snapshot(notebook, image))
    return next(iter(snapshots), None)


def _wrong_image(notebook: Notebook, given: Image) -> str | None:
    """Return why the image that the user names cannot be the snapshot, or None."""
    if not given.is_active:
        reason = f"is not saved by the given image {given.id}, which is {given.status or 'without a status'}"
        return f"{reason}, not ACTIVE yet" if given.is_pending else reason
    marker = parse_marker(given.description)
    if marker and not marker.is_of_notebook(notebook.id):
        return f"is not saved by the given image {given.id}, which is of notebook {marker.notebook_id}"
    if marker and given.is_registered:
        return (
            f"is not saved by the given image {given.id}, which was registered: the date of its record is "
            "not that of the save"
        )
    if is_marker_unreadable(given.description) and not _is_snapshot(notebook, given):
        return (
            f"is not saved by the given image {given.id}, whose marker was cut: it may name another notebook"
        )
    return None


def _is_snapshot(notebook: Notebook, image: Image) -> bool:
    """
    Whether an image was saved of this notebook: by its marker, or because the notebook runs it since.

    One that was registered again does not count: when it was saved is unknown.
    """
    marker = parse_marker(image.description)
    if marker:
        return marker.is_of_notebook(notebook.id) and not image.is_registered
    is_run = image.origin == "IMAGE_SAVE" and notebook.runs(image.id)
    # An older image is that of another notebook, from which this one was created.
    is_older = (
        notebook.created_at is not None
        and image.create_at is not None
        and image.create_at < notebook.created_at
    )
    return is_run and not is_older


def _problem(notebook: Notebook, image: Image, now: int, within: timedelta) -> str | None:
    """Return why a snapshot does not have what is installed now, or None if it does."""
    begun_at = image.create_at
    if begun_at is None:
        return "has no date"
    age = _between(begun_at, now)
    if age < -CLOCK_GRACE:
        return "is from the future"
    started_at = _started_at(notebook)
    if started_at is not None and started_at > begun_at:
        may_be_save = not notebook.image_id or notebook.runs(image.id)
        if not may_be_save or _between(_ended_at(image, begun_at, now), started_at) > SAVE_GRACE:
            return "began before the notebook was started or renewed"
    return f"is older than {within}" if age > within else None


def _ended_at(image: Image, begun_at: int, now: int) -> int:
    """Return when a save ended at the latest; its begin, if the image has no usable time of its end."""
    ended_at = image.update_at
    if ended_at is None or _between(ended_at, now) < -CLOCK_GRACE:
        return begun_at
    return max(begun_at, ended_at)


def _started_at(notebook: Notebook) -> int | None:
    return notebook.lease.started_at if notebook.lease else None


def _changed_at(notebook: Notebook) -> int | None:
    """Return when a notebook was last changed, as it or its lease has it."""
    times = (notebook.update_at, notebook.lease.update_at if notebook.lease else None)
    return max((time for time in times if time is not None), default=None)


def _between(earlier: int, later: int) -> timedelta:
    """Return the time between two times of the API, cut to what Python can hold."""
    try:
        return timedelta(milliseconds=later - earlier)
    except OverflowError:
        return timedelta.max if later > earlier else timedelta.min


def _label(image: Image, now: int) -> str:
    """Return an image's name, id and age, for messages."""
    name = f"{image.name or 'unnamed'}:{image.tag or 'untagged'} ({image.id})"
    if image.create_at is None:
        return f"{name} of unknown age"
    seconds = _between(image.create_at, now) // timedelta(seconds=1)
    age = f"{timedelta(seconds=seconds)} ago" if seconds >= 0 else f"in {timedelta(seconds=-seconds)}"
    return f"{name}, begun {iso_utc(image.create_at) or 'at an unknown time'}, {age}"
