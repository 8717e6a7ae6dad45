"""
Which notebooks of a project match some filters: by status, name, owner, lease and last snapshot.

Filters by what may change are applied here, not by the service: a list whose records leave it while its pages
are read would miss others, and a notebook that is missed is not saved.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.models import DEFAULT_WORKSPACE, MAX_LINE, Image
from airflow_provider_modelarts.client.notebook_images import read_unlisted_images
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.client.snapshot_check import SnapshotIndex, began_within
from airflow_provider_modelarts.exceptions import (
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    sanitize,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NotebookFilter:
    """
    Filters that a notebook must match all; None matches every notebook.

    :param statuses: of which it has one.
    :param name: a pattern of its whole name, with ``*``, ``?`` and ``[...]``; upper and lower case differ.
    :param owner_id: the id of the user who owns it.
    :param flavor: its flavor's name.
    :param workspace_id: its workspace.
    :param lease_ends_within: the time until it stops by itself, at most. A lease that is disabled, unlimited
        or counts only the time without use does not end.
    :param not_saved_within: none of its ACTIVE snapshots began within this time, so also if it has none.
    """

    statuses: tuple[str, ...] | None = None
    name: str | None = None
    owner_id: str | None = None
    flavor: str | None = None
    workspace_id: str | None = None
    lease_ends_within: timedelta | None = None
    not_saved_within: timedelta | None = None

    def matches(self, notebook: Notebook, now: int) -> bool:
        """
        Return whether a notebook matches all filters but ``not_saved_within``, which needs its images.

        :param now: the service's time in milliseconds.
        """
        return self._matches_properties(notebook) and (
            self.lease_ends_within is None or self._ends_soon(notebook, now, self.lease_ends_within)
        )

    def has_unknown_end(self, notebook: Notebook) -> bool:
        """Whether a notebook is left out only because it is unknown when its lease ends."""
        lease = notebook.lease
        is_unknown = lease is None or lease.is_unknown
        is_filtered = self.lease_ends_within is not None and notebook.is_running
        return is_filtered and is_unknown and self._matches_properties(notebook)

    def is_saved(self, snapshots: Iterable[Image], now: int) -> bool:
        """
        Return whether ``not_saved_within`` leaves a notebook out.

        :param snapshots: the notebook's ACTIVE ones.
        :param now: the service's time in milliseconds.
        """
        within = self.not_saved_within
        return within is not None and any(began_within(image, within, now=now) for image in snapshots)

    def describe(self) -> str:
        """Return the filters that are set, for the log."""
        given = {
            "status": ", ".join(self.statuses) if self.statuses else None,
            "name": self.name,
            "owner_id": self.owner_id,
            "flavor": self.flavor,
            "workspace_id": self.workspace_id,
            "lease_ends_within": self.lease_ends_within,
            "not_saved_within": self.not_saved_within,
        }
        parts = [f"{name} {value}" for name, value in given.items() if value is not None]
        return sanitize("; ".join(parts) or "no filter", MAX_LINE)

    def _matches_properties(self, notebook: Notebook) -> bool:
        return (
            (self.statuses is None or notebook.status in self.statuses)
            and (self.name is None or fnmatchcase(notebook.name or "", self.name))
            and (self.owner_id is None or notebook.owner == self.owner_id)
            and (self.flavor is None or notebook.flavor == self.flavor)
            and (self.workspace_id is None or notebook.workspace_id in (None, self.workspace_id))
        )

    @staticmethod
    def _ends_soon(notebook: Notebook, now: int, within: timedelta) -> bool:
        left = notebook.lease.left(now) if notebook.lease and notebook.lease_ends_at is not None else None
        return left is not None and left <= within


@dataclass(frozen=True, slots=True)
class FoundNotebook:
    """
    A notebook that matches.

    :param last_snapshot: its newest ACTIVE snapshot, if the images were read.
    """

    notebook: Notebook
    last_snapshot: Image | None = None

    @property
    def urgency(self) -> tuple[float, float, str]:
        """A key that sorts notebooks by how soon they need a save: by lease, then by last snapshot."""
        ends_at = self.notebook.lease_ends_at
        saved_at = self.last_snapshot.create_at if self.last_snapshot else None
        return (float("inf") if ends_at is None else ends_at, saved_at or 0, self.notebook.id)

    @property
    def age(self) -> tuple[int, str]:
        """A key that sorts notebooks by their creation, so that each keeps its place from list to list."""
        return (self.notebook.created_at or 0, self.notebook.id)

    @property
    def label(self) -> str:
        """The id and the name, for the log."""
        name = self.notebook.name
        return sanitize(f"{self.notebook.id} ({name})" if name else self.notebook.id, MAX_LINE)


async def find_notebooks(
    client: ModelArtsClient,
    wanted: NotebookFilter,
    *,
    all_users: bool = False,
    default_workspace_id: str | None = None,
) -> list[FoundNotebook]:
    """
    Return the notebooks that match, the oldest first.

    Free ones are included. Images are only read for ``not_saved_within``: those of the workspaces of the
    notebooks that match so far, and of the connection's, where saves go, and those that a notebook runs and
    no list has. Notebooks whose images the service refuses to list count as not saved, with a warning.

    :param all_users: list the notebooks of all users, not only those of the connection's.
    :param default_workspace_id: the connection's workspace.
    :raises ModelArtsError: a list cannot be read completely.
    """
    workspace_id = wanted.workspace_id or default_workspace_id
    listed = await list_notebooks_of_all_features(client, workspace_id=workspace_id, all_users=all_users)
    notebooks = sorted(listed, key=lambda notebook: FoundNotebook(notebook).age)
    local = client.time()
    matching = [item for item in notebooks if wanted.matches(item, item.service_time_or(local))]
    log.info("Listed %d notebooks of %s", len(notebooks), "all users" if all_users else "the user")
    if unknown := [FoundNotebook(item).label for item in notebooks if wanted.has_unknown_end(item)]:
        log.warning(
            "When these notebooks stop is not in the list, so that they are left out: %s", ", ".join(unknown)
        )
    if wanted.not_saved_within is None or not matching:
        return [FoundNotebook(notebook) for notebook in matching]
    images = await _read_images(client, matching, default_workspace_id or DEFAULT_WORKSPACE)
    found = _unsaved(wanted, matching, images, client.time())
    # A save that is not listed yet, or is in another workspace, would be repeated.
    unlisted = await read_unlisted_images(client, [item.notebook for item in found], images)
    return _unsaved(wanted, matching, [*images, *unlisted], client.time()) if unlisted else found


async def list_notebooks_of_all_features(client: ModelArtsClient, **filters: Any) -> list[Notebook]:
    """
    Return the notebooks of every feature that match some filters, each once.

    :param filters: of :func:`operations.list_notebooks`, without ``feature``.
    :raises ModelArtsError: a list cannot be read completely.
    """
    usual, free = operations.list_notebooks_of_all_features(**filters)
    found = await client.list_all(usual)
    try:
        found += await client.list_all(free)
    except BadRequestError as error:
        # It differs from the list that was accepted only by the feature, which this service does not have.
        log.warning("Free notebooks are left out, because the service refuses to list them: %s", error)
    return list({notebook.id: notebook for notebook in found}.values())


def _unsaved(
    wanted: NotebookFilter, notebooks: Iterable[Notebook], images: Iterable[Image], local: float
) -> list[FoundNotebook]:
    """Return the notebooks that ``not_saved_within`` leaves in, each with its newest snapshot."""
    index = SnapshotIndex(images)
    found = []
    for notebook in notebooks:
        snapshots = index.snapshots_of(notebook)
        if not wanted.is_saved(snapshots, notebook.service_time_or(local)):
            found.append(FoundNotebook(notebook, next(iter(snapshots), None)))
    return found


async def _read_images(
    client: ModelArtsClient, notebooks: Sequence[Notebook], default_workspace_id: str
) -> list[Image]:
    """Return the images of the notebooks' workspaces and of the default one; each is read once."""
    own = Counter(notebook.workspace_id or default_workspace_id for notebook in notebooks)
    images: list[Image] = []
    for workspace_id in sorted({*own, default_workspace_id}):
        images += await _list_images(client, workspace_id, notebooks=own[workspace_id])
    return images


async def _list_images(client: ModelArtsClient, workspace_id: str, *, notebooks: int) -> list[Image]:
    """Return the images of a workspace; none, with a warning, if the service refuses to list them."""
    try:
        return await client.list_all(operations.list_images(workspace_id=workspace_id))
    except (PermissionDeniedError, NotFoundError, BadRequestError) as error:
        log.warning(
            "The images of workspace %s cannot be listed, so that its %d notebooks count as not saved, "
            "unless a snapshot is in another workspace: %s",
            *(workspace_id, notebooks, error),
        )
        return []
