"""The models of notebooks and their leases, and the statuses that starts and stops lead to."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Literal

from airflow_provider_modelarts.client.clouds import Cloud
from airflow_provider_modelarts.client.fields import (
    Boolean,
    Description,
    Id,
    Integer,
    Optionally,
    Status,
    Text,
    Timestamp,
)
from airflow_provider_modelarts.client.models import MAX_LINE, Image, Page, ResponseModel, TypedImage, iso_utc
from airflow_provider_modelarts.exceptions import (
    FieldViolation,
    NotebookFailedError,
    RequestValidationError,
    sanitize,
)

LeaseType = Literal["timing", "idle"]
NO_AUTO_STOP = timedelta(milliseconds=-1)
"""The duration that starts a notebook without a lease."""
MAX_DIFFERENCE = timedelta(days=1)
"""Between ``current_time`` and the header ``Date`` of a response, if both are right."""

BUSY = frozenset({"INIT", "CREATING", "STARTING", "STOPPING", "SNAPSHOTTING", "DELETING"})
"""Statuses that end by themselves."""
FAILED = frozenset({"CREATE_FAILED", "START_FAILED", "DELETE_FAILED", "ERROR", "DELETED", "FROZEN"})
"""Statuses that no wait outlasts; of a frozen notebook the account is in arrears."""
KNOWN = BUSY | FAILED | {"RUNNING", "STOPPED"}
"""The statuses of the vendors' pages."""


@dataclass(frozen=True, slots=True)
class Move:
    """
    What one operation does to a notebook's status.

    :param through: the status until it is done.
    :param to: the status afterwards.
    """

    through: str
    to: str

    def is_done_in(self, status: str | None) -> bool:
        """Whether a notebook with this status has, or is about to have, what the operation would change."""
        return status in {self.to, self.through}


START = Move("STARTING", "RUNNING")
STOP = Move("STOPPING", "STOPPED")


class DatedResponse(ResponseModel):
    """A response with the time at which it was made, by the service's clock."""

    # Only ShowNotebook has it, and no page documents it.
    current_time: Timestamp = None
    # The header Date.
    response_date: Text = None

    @property
    def service_time(self) -> int | None:
        """
        The service's time in milliseconds, or None if the response has none.

        No page documents the unit of ``current_time``: where it is far from the header ``Date``, that counts.
        """
        date = self._date
        given = self.current_time if self.current_time is not None and self.current_time > 0 else None
        if given is None or date is None:
            return date if given is None else given
        return given if abs(_duration(given - date)) <= MAX_DIFFERENCE else date

    def service_time_or(self, local: float) -> int:
        """
        Return the service's time in milliseconds, as far as the response has it.

        :param local: the present time in epoch seconds, where it has none.
        """
        service_time = self.service_time
        return int(local * 1000) if service_time is None else service_time

    @property
    def _date(self) -> int | None:
        """The header ``Date`` in milliseconds."""
        try:
            date = parsedate_to_datetime(self.response_date or "")
            # The zone "-0000" is UTC too, but the parser returns it without a zone.
            aware = date if date.tzinfo else date.replace(tzinfo=timezone.utc)
            return int(aware.timestamp() * 1000)
        except (TypeError, ValueError, OverflowError):
            return None


class Lease(DatedResponse):
    """
    The time until a notebook stops by itself, in milliseconds (since the epoch, UTC, for times).

    ``create_at`` is the notebook's creation. Each start and renewal sets ``duration`` so that the sum of both
    is the end, and rewrites ``update_at``.
    """

    create_at: Timestamp = None
    update_at: Timestamp = None
    duration: Integer = None
    enable: Boolean = None
    type: Status = None

    @property
    def is_disabled(self) -> bool:
        """Whether the notebook never stops by itself."""
        return self.enable is False

    @property
    def is_idle(self) -> bool:
        """Whether the notebook stops after some time without use, which no end can be computed from."""
        return not self.is_disabled and self.type == "IDLE"

    @property
    def is_endless(self) -> bool:
        """Whether the lease surely has no end, of whatever type it is."""
        return self.is_disabled or (self.duration is not None and self.duration <= 0)

    @property
    def is_unlimited(self) -> bool:
        """Whether the lease is enabled, but has no duration that could end."""
        if self.is_disabled or self.is_idle:
            return False
        return self.enable is True if self.duration is None else self.duration <= 0

    @property
    def is_timed(self) -> bool:
        """Whether the lease ends at a time; only such a lease is renewed and counts as ending."""
        is_other = self.is_disabled or self.is_idle
        return not is_other and self.duration is not None and self.duration > 0

    @property
    def is_unknown(self) -> bool:
        """Whether the lease does not show when it ends, nor that it has no end."""
        has_no_end = self.is_disabled or self.is_idle or self.is_unlimited
        return not has_no_end and self.ends_at is None

    @property
    def ends_at(self) -> int | None:
        """When a timed lease ends; None for another one, and if the creation is missing."""
        if not self.is_timed or self.create_at is None or self.duration is None:
            return None
        return self.create_at + self.duration

    @property
    def started_at(self) -> int | None:
        """When the notebook was last started or renewed; None if the lease does not show it."""
        return None if self.is_endless or self.is_idle else self.update_at

    @property
    def length(self) -> timedelta | None:
        """The duration that the last start or renewal requested; None if the lease does not show it."""
        if self.ends_at is None or self.create_at is None or self.update_at is None:
            return None
        # What was changed before it was created, or after its end, does not show it.
        is_shown = self.create_at <= self.update_at < self.ends_at
        return _duration(self.ends_at - self.update_at) if is_shown else None

    def left(self, now: int) -> timedelta | None:
        """
        Return the time until a timed lease ends, negative after its end; None for another one.

        :param now: the service's time in milliseconds.
        """
        return None if self.ends_at is None else _duration(self.ends_at - now)

    def describe(self) -> str:
        """Return the lease as a clause for the log."""
        if self.is_timed:
            return f"its lease ends at {iso_utc(self.ends_at) or 'an unknown time'}"
        if self.is_idle:
            return "it stops when it is idle"
        if self.is_disabled or self.is_unlimited:
            return "it does not stop by itself"
        return "its lease is unknown"


class NotebookImage(TypedImage):
    """The image that a notebook runs; after a save it is the saved one."""

    id: Text = None
    name: Text = None
    swr_path: Text = None


class User(ResponseModel):
    """The user who owns a notebook."""

    id: Text = None


class Volume(ResponseModel):
    """A notebook's storage."""

    status: Status = None


class Notebook(DatedResponse):
    """A notebook, without the access ``token`` that the API returns."""

    id: Id
    name: Text = None
    status: Status = None
    fail_reason: Text = None
    description: Description = None
    feature: Text = None
    flavor: Text = None
    image: Annotated[NotebookImage | None, Optionally] = None
    lease: Annotated[Lease | None, Optionally] = None
    volume: Annotated[Volume | None, Optionally] = None
    user: Annotated[User | None, Optionally] = None
    user_id: Text = None
    url: Text = None
    workspace_id: Text = None
    create_at: Timestamp = None
    update_at: Timestamp = None

    @property
    def is_running(self) -> bool:
        """Whether the notebook can be saved."""
        return self.status == "RUNNING"

    @property
    def is_ready(self) -> bool:
        """Whether the notebook can be used: it is running, and its storage is not being prepared."""
        volume = self.volume.status if self.volume else None
        return self.is_running and volume not in {"INITIALIZING", "RESIZING", "DELETING"}

    @property
    def is_stopped(self) -> bool:
        """Whether the notebook is stopped."""
        return self.status == "STOPPED"

    @property
    def is_busy(self) -> bool:
        """Whether the status ends by itself; an unknown status counts as such."""
        return self.status in BUSY or not self.is_known

    @property
    def has_failed(self) -> bool:
        """Whether the notebook has a final status, so that a wait for another one ends."""
        return self.status in FAILED

    @property
    def is_known(self) -> bool:
        """Whether the vendors' pages list the status."""
        return self.status in KNOWN

    @property
    def owner(self) -> str | None:
        """The id of the user who owns the notebook."""
        return self.user_id or (self.user.id if self.user else None)

    @property
    def image_id(self) -> str | None:
        """The id of the image that the notebook runs."""
        return self.image.id if self.image else None

    @property
    def created_at(self) -> int | None:
        """When the notebook was created, in milliseconds."""
        return self.create_at if self.create_at is not None or not self.lease else self.lease.create_at

    @property
    def lease_ends_at(self) -> int | None:
        """When the notebook stops by itself, in milliseconds; None if it does not, or does not run."""
        runs = self.status in {"RUNNING", "SNAPSHOTTING", "STARTING"}
        return self.lease.ends_at if self.lease and runs else None

    def runs(self, image_id: str) -> bool:
        """Whether the notebook runs an image."""
        return (self.image_id or "").lower() == image_id.lower()

    def is_in(self, statuses: Collection[str]) -> bool:
        """Whether the notebook has one of some statuses; it counts as RUNNING when it can be used."""
        return self.is_ready if self.is_running and "RUNNING" in statuses else self.status in statuses

    def ends_wait_for(self, statuses: Collection[str]) -> bool:
        """Whether a wait for some statuses is over: one is reached, or the notebook has failed."""
        return self.is_in(statuses) or self.has_failed

    def raise_unless_in(self, statuses: Collection[str]) -> Notebook:
        """
        Return the notebook if it has one of some statuses, or none that is final.

        :raises NotebookFailedError: it has another final status.
        """
        return self if self.is_in(statuses) else self.raise_for_status()

    def raise_for_status(self) -> Notebook:
        """
        Return the notebook unless it has failed.

        :raises NotebookFailedError: it has a final status.
        """
        if not self.has_failed:
            return self
        remedy = (
            "settle the account's state in the console"
            if self.status == "FROZEN"
            else "check the notebook in the console"
        )
        reason = self.fail_reason or "the service gave no reason"
        end = sanitize(f"Notebook {self._label} is {self.status}: {reason}", MAX_LINE)
        facts = f" (request id {self.request_id})" if self.request_id else ""
        raise NotebookFailedError(f"{end}{facts}; {remedy}")

    @property
    def _label(self) -> str:
        return f"{self.id} ({self.name})" if self.name else self.id

    def describe(self) -> str:
        """Return a line for the log, with the id and the status."""
        unknown = "" if self.is_known else " (an unknown status, treated as busy)"
        status = f"{self.status}{unknown}" if self.status else "without a status, treated as busy"
        reason = f": {self.fail_reason}" if self.fail_reason and self.has_failed else ""
        return sanitize(f"Notebook {self._label} is {status}{reason}", MAX_LINE)

    def to_xcom(self, cloud: Cloud, last_snapshot: Image | None = None) -> dict[str, Any]:
        """
        Return the XCom of a task: plain JSON, times in ISO 8601 UTC.

        :param cloud: whose rules the image's name keeps.
        :param last_snapshot: the newest ACTIVE image of the notebook, if the task read it.
        """
        return {
            "notebook_id": self.id,
            "name": self.name,
            "image_name": image_name(self, cloud),
            "status": self.status,
            "owner": self.owner,
            "flavor": self.flavor,
            "workspace_id": self.workspace_id,
            "image_id": self.image_id,
            "lease_ends_at": iso_utc(self.lease_ends_at),
            "last_snapshot_at": iso_utc(last_snapshot.create_at) if last_snapshot else None,
            "last_snapshot_id": last_snapshot.id if last_snapshot else None,
        }


NotebookPage = Page[Notebook]
# Named, because pydantic drops a generic model that nothing refers to, and builds it again.


def image_name(notebook: Notebook, cloud: Cloud) -> str:
    """
    Return the name of a notebook, made valid for an image on a cloud.

    Its letters without accents in lower case, with a hyphen for what else there is. The id is used where
    nothing of the name remains.
    """
    letters = unicodedata.normalize("NFKD", notebook.name or "").encode("ascii", "ignore").decode().lower()
    # A registry accepts no separator at either end, and not two different ones in a row.
    single = {".", "_", "-"}
    name = re.sub(r"[^a-z0-9]+", lambda m: m[0] if m[0] in single else "-", letters).strip("._-")
    return name[: cloud.rules["name"].max_length].rstrip("._-") or f"notebook-{notebook.id.lower()}"


def parse_statuses(value: object) -> list[str]:
    """
    Return the statuses that the argument ``status`` names, in upper case.

    :param value: one status, or several.
    :raises RequestValidationError: there is none, or one that no notebook can have.
    """
    statuses: Any = [value] if isinstance(value, str) else value
    is_list = isinstance(statuses, Sequence) and all(isinstance(status, str) for status in statuses)
    found = [status.strip().upper() for status in statuses] if is_list else []
    if not found or not KNOWN.issuperset(found):
        rule = f"must be one or several of {', '.join(sorted(KNOWN))}"
        raise RequestValidationError([FieldViolation("status", rule, value)])
    return found


def _duration(milliseconds: int) -> timedelta:
    """Return a duration, cut to what Python can hold."""
    try:
        return timedelta(milliseconds=milliseconds)
    except OverflowError:
        return timedelta.max if milliseconds > 0 else timedelta.min
