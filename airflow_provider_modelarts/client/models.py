"""
What is sent and what comes back.

Requests are strict: a value that breaks a rule of the cloud's page never leaves the process.
Replies are tolerant: fields may be missing or new, and so may statuses.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from airflow_provider_modelarts.client.clouds import Cloud, Rule
from airflow_provider_modelarts.client.errors import (
    BrokenRule,
    ImageFailed,
    InvalidRequest,
)

T = TypeVar("T")


class CreateImageRequest(BaseModel):
    """The body of create-image. Made by :meth:`for_cloud`, which knows the rules."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    name: str | None = None
    namespace: str | None = None
    tag: str | None = None
    description: str | None = None
    workspace_id: str | None = None
    swr_instance_id: str | None = None
    swr_instance_domain: str | None = None

    @classmethod
    def for_cloud(cls, cloud: Cloud, *, notebook_id: str, **fields: str | None) -> CreateImageRequest:
        """
        Return the request if every value keeps the rules of the cloud's page.

        :raises InvalidRequest: every broken rule, each with its field and value.
        """
        given = {"notebook_id": notebook_id, **fields}
        broken = [
            BrokenRule(field, rule, value)
            for field, value in given.items()
            if (rule := _broken_rule(cloud, field, value)) is not None
        ]
        broken += [
            BrokenRule(field, "is mandatory on this cloud", None)
            for field, rule in cloud.rules.items()
            if rule.mandatory and field not in given
        ]
        if broken:
            raise InvalidRequest(broken)
        return cls(**fields)

    def body(self) -> dict[str, str]:
        """Return the fields that were given, as the API takes them."""
        return self.model_dump(exclude_none=True)


def _broken_rule(cloud: Cloud, field: str, value: object) -> str | None:
    rule = cloud.rules.get(field, Rule())
    if value is None:
        return rule.broken_by(None)
    if field not in cloud.rules:
        return f"is not a field of create-image on {cloud.title}"
    if not isinstance(value, str):
        return f"must be a string, not {type(value).__name__}"
    if not value.strip():
        return "is empty (did a template render to nothing?)"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "cannot be written in UTF-8"
    return rule.broken_by(value)


class Reply(BaseModel):
    """What every reply has in common: it may grow, and nobody changes it here."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    # Of the exchange that brought the reply; what the vendor's support asks for.
    request_id: str | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _can_be_stored(cls, value: Any) -> Any:
        """Replace halves of surrogate pairs, which a text that was cut may end with and no database takes."""
        return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


class Image(Reply):
    """
    An image as create-image, ShowImage and ListImages give it.

    Only the id is certain; examples of the vendors leave out fields that they document.
    """

    id: str = Field(min_length=1)
    name: str | None = None
    namespace: str | None = None
    tag: str | None = None
    swr_path: str | None = None
    status: str | None = None
    status_message: str | None = None
    arch: str | None = None
    type: str | None = None
    origin: str | None = None
    visibility: str | None = None
    service_type: str | None = None
    dev_services: list[str] | None = None
    resource_categories: list[str] | None = None
    support_res_categories: list[str] | None = None
    flavor_type: str | None = None
    # Documented in KB, but the vendors' examples only make sense as bytes: passed on as it is.
    size: int | None = None
    # Milliseconds since the epoch, UTC.
    create_at: int | None = None
    update_at: int | None = None
    description: str | None = None
    workspace_id: str | None = None
    swr_instance_id: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether the image is saved and can be pulled."""
        return self.status == "ACTIVE"

    @property
    def has_failed(self) -> bool:
        """Whether the image is over without ever becoming ACTIVE from here."""
        return self.status in {"CREATE_FAILED", "ERROR", "DELETED"}

    @property
    def is_pending(self) -> bool:
        """Whether waiting makes sense: a status that we do not know is one that may pass."""
        return not (self.is_active or self.has_failed)

    @property
    def is_known(self) -> bool:
        """Whether the status is one that the pages list."""
        return not self.is_pending or self.status in {"INIT", "CREATING"}

    def raise_for_status(self) -> Image:
        """
        Return the image, pending or ACTIVE.

        :raises ImageFailed: it ended otherwise.
        """
        if not self.has_failed:
            return self
        label = _line(f"{self.name or 'unnamed'}:{self.tag or 'untagged'}")
        reason = _line(self.status_message or "") or "the service gave no reason"
        request = f" (request id {self.request_id})" if self.request_id else ""
        raise ImageFailed(f"Image {_line(self.id)} ({label}) ended as {self.status}: {reason}{request}")

    def describe(self) -> str:
        """Return a line for the log."""
        unknown = "" if self.is_known else ", a status this provider does not know and takes as pending"
        message = f": {self.status_message}" if self.status_message else ""
        return _line(f"Image {self.id} is {self.status}{unknown}{message}")

    def summary(self) -> dict[str, Any]:
        """Return what a task hands on: plain JSON, times in ISO 8601 UTC, only what the API gave."""
        facts = {
            "status": self.status,
            "name": self.name,
            "namespace": self.namespace,
            "tag": self.tag,
            "workspace_id": self.workspace_id,
            "arch": self.arch,
            "size": self.size,
            "created_at": _iso(self.create_at),
            "updated_at": _iso(self.update_at),
        }
        given = {key: value for key, value in facts.items() if value is not None}
        return {"image_id": self.id, "swr_path": self.swr_path, **given}


class Lease(Reply):
    """When a notebook stops by itself. Milliseconds; the epoch is UTC's."""

    create_at: int | None = None
    update_at: int | None = None
    duration: int | None = None
    enable: bool | None = None
    type: str | None = None


class NotebookImage(Reply):
    """The image that a notebook runs; after a save this is the saved one."""

    id: str | None = None
    name: str | None = None
    swr_path: str | None = None
    type: str | None = None


class Notebook(Reply):
    """A notebook. Its access ``token``, which the API sends along, is dropped here."""

    id: str = Field(min_length=1)
    name: str | None = None
    status: str | None = None
    fail_reason: str | None = None
    description: str | None = None
    feature: str | None = None
    flavor: str | None = None
    image: NotebookImage | None = None
    lease: Lease | None = None
    url: str | None = None
    workspace_id: str | None = None
    create_at: int | None = None
    update_at: int | None = None

    @property
    def is_running(self) -> bool:
        """Whether the notebook can be saved."""
        return self.status == "RUNNING"


class Page(Reply, Generic[T]):
    """
    One page of a list.

    ``current`` and ``pages`` are left out on purpose: the vendors' examples contradict each other.
    """

    # A page without it is no empty list: whoever looks for a save in it would make another.
    data: list[T]
    total: int | None = None

    @field_validator("data", mode="before")
    @classmethod
    def _may_be_null(cls, value: Any) -> Any:
        return [] if value is None else value


def _line(text: str) -> str:
    """Return a server's words as one printable line of bearable length."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= 500 else f"{text[:500]}…"


def _iso(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    try:
        at = datetime.fromtimestamp(milliseconds / 1000, tz=timezone.utc)
    except (OverflowError, OSError, ValueError):  # no date that a calendar knows
        return None
    return at.isoformat(timespec="milliseconds")
