"""
The models of the API's requests and responses.

Requests are strict: a value that breaks a rule of the cloud's page is not sent. Responses are tolerant:
fields may be missing, new or of another type, and statuses may be new.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, model_validator

from airflow_provider_modelarts.client.clouds import Cloud, Rule
from airflow_provider_modelarts.client.fields import (
    Description,
    Id,
    Integer,
    Skippable,
    Status,
    Text,
    Texts,
    Timestamp,
)
from airflow_provider_modelarts.exceptions import (
    FieldViolation,
    ImageFailedError,
    RequestValidationError,
    sanitize,
)

T = TypeVar("T")

EMPTY = "is empty (did a template render to nothing?)"
DEFAULT_WORKSPACE = "0"
"""The workspace of a project that has no other one."""
MAX_LINE = 500
"""Characters of a message; the reason of a failed image may be a whole build log."""


class CreateImageRequest(BaseModel):
    """The body of create-image; :meth:`for_cloud` makes one that keeps the cloud's rules."""

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
        Return the request, after validation by the rules of a cloud.

        :param fields: of the body; None and a missing field are the same.
        :raises RequestValidationError: all broken rules, each with its field and value.
        """
        given = {"notebook_id": notebook_id, **fields}
        violations = [
            FieldViolation(field, rule, value)
            for field, value in given.items()
            if (rule := _violation(cloud, field, value)) is not None
        ]
        violations += [
            FieldViolation(field, "is mandatory on this cloud", None)
            for field, rule in cloud.rules.items()
            if rule.mandatory and field not in given
        ]
        if violations:
            raise RequestValidationError(violations)
        return cls(**fields)

    def describe(self) -> str:
        """Return namespace, name and tag of the image to create, as far as the request names them."""
        repository = "/".join(part for part in (self.namespace, self.name) if part)
        return f"{repository or 'a new image'}:{self.tag}" if self.tag else repository or "a new image"

    def body(self) -> dict[str, str]:
        """Return the JSON of the request, without the fields that are None."""
        return self.model_dump(exclude_none=True)


def _violation(cloud: Cloud, field: str, value: str | None) -> str | None:
    rule = cloud.rules.get(field, Rule())
    if value is None:
        return rule.violation(None)
    if field not in cloud.rules:
        return f"is not a field of create-image on {cloud.display_name}"
    return text_rule(value) or rule.violation(value)


def text_rule(value: object) -> str | None:
    """Return how a value breaks the rules for any text that is sent, or None."""
    if not isinstance(value, str):
        return f"must be a string, not {type(value).__name__}"
    if not value.strip():
        return EMPTY
    try:
        value.encode()
    except UnicodeEncodeError:
        return "cannot be written in UTF-8"
    return None


class ResponseModel(BaseModel):
    """The base class of all responses: immutable, and tolerant of new fields."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    # Of the response, for the vendor's support.
    request_id: Text = None


class TypedImage(ResponseModel):
    """What a record of an image and that of a notebook have in common: whose image it is."""

    type: Text = None

    @property
    def is_built_in(self) -> bool:
        """Whether the image is one of the vendor, which nobody has saved."""
        return (self.type or "").upper() == "BUILD_IN"


class Image(TypedImage):
    """
    An image, as create-image, ShowImage and ListImages return it.

    Only the id is mandatory: the vendors' examples lack fields that their pages document.
    """

    id: Id
    name: Text = None
    namespace: Text = None
    tag: Text = None
    swr_path: Text = None
    status: Status = None
    status_message: Text = None
    arch: Text = None
    origin: Text = None
    visibility: Text = None
    service_type: Text = None
    dev_services: Texts = None
    resource_categories: Texts = None
    support_res_categories: Texts = None
    flavor_type: Text = None
    # Documented in KB, but the vendors' examples only make sense as bytes: returned unchanged.
    size: Integer = None
    create_at: Timestamp = None
    update_at: Timestamp = None
    description: Description = None
    workspace_id: Text = None
    swr_instance_id: Text = None

    @property
    def is_active(self) -> bool:
        """Whether the image is saved and can be pulled."""
        return self.status == "ACTIVE"

    @property
    def is_registered(self) -> bool:
        """Whether the record is of an image that was in SWR before: its date is not that of a save."""
        return (self.origin or "").upper() == "CUSTOMIZE"

    def may_be_in(self, workspace_id: str | None) -> bool:
        """Whether the image may be in a workspace; a service may ignore that filter of its list."""
        return not (workspace_id and self.workspace_id) or self.workspace_id.lower() == workspace_id.lower()

    @property
    def has_failed(self) -> bool:
        """Whether the image has a final status other than ACTIVE."""
        return self.status in {"CREATE_FAILED", "ERROR", "DELETED"}

    @property
    def is_pending(self) -> bool:
        """Whether the image may still become ACTIVE; an unknown status counts as pending."""
        return not (self.is_active or self.has_failed)

    @property
    def is_known(self) -> bool:
        """Whether the vendors' pages list the status."""
        return not self.is_pending or self.status in {"INIT", "CREATING"}

    def raise_for_status(self) -> Image:
        """
        Return the image if it is pending or ACTIVE.

        :raises ImageFailedError: it has another final status.
        """
        if not self.has_failed:
            return self
        label = f"{self.name or 'unnamed'}:{self.tag or 'untagged'}"
        reason = self.status_message or "the service gave no reason"
        # True for every reason, as only two are documented. A cleared save does not reuse a failed image.
        remedy = (
            "it was deleted; to save again, clear the task that saves the notebook"
            if self.status == "DELETED"
            else "check the notebook's disk, the size of its container and its processes, then clear the "
            "task that saves it"
        )
        end = sanitize(f"Image {self.id} ({label}) ended as {self.status}: {reason}", MAX_LINE)
        facts = f" (request id {self.request_id})" if self.request_id else ""
        raise ImageFailedError(f"{end}{facts}; {remedy}")

    def describe(self) -> str:
        """Return a line for the log, with the id and the status."""
        unknown = "" if self.is_known else " (an unknown status, treated as pending)"
        status = f"{self.status}{unknown}" if self.status else "without a status, treated as pending"
        message = f": {self.status_message}" if self.status_message else ""
        return sanitize(f"Image {self.id} is {status}{message}", MAX_LINE)

    def to_xcom(self) -> dict[str, Any]:
        """Return the XCom of a task: plain JSON, times in ISO 8601 UTC, without fields that are None."""
        facts = {
            "status": self.status,
            "name": self.name,
            "namespace": self.namespace,
            "tag": self.tag,
            "workspace_id": self.workspace_id,
            "arch": self.arch,
            "size": self.size,
            "created_at": iso_utc(self.create_at),
            "updated_at": iso_utc(self.update_at),
        }
        given = {key: value for key, value in facts.items() if value is not None}
        return {"image_id": self.id, "swr_path": self.swr_path, **given}


class Page(ResponseModel, Generic[T]):
    """
    One page of a list, with the records that can be parsed; a record without an id cannot.

    ``current`` and ``pages`` are left out on purpose: the vendors' examples contradict each other.
    """

    # Mandatory: a response without it is no empty list, as a task that misses its image would save again.
    data: list[Annotated[T, Skippable()]]
    total: Integer = None
    # Records of the page, parsed or not, which an offset counts.
    records: int = 0

    @model_validator(mode="before")
    @classmethod
    def _count_records(cls, page: Any) -> Any:
        if not isinstance(page, dict) or "data" not in page:
            return page
        data = [] if page["data"] is None else page["data"]
        return {**page, "data": data, "records": len(data) if isinstance(data, list) else 0}


ImagePage = Page[Image]
# Named, because pydantic drops a generic model that nothing refers to, and builds it again.


def iso_utc(milliseconds: int | None) -> str | None:
    """Return a time of the API, in milliseconds since 1970, in ISO 8601; None outside of the calendar."""
    if milliseconds is None:
        return None
    try:
        at = datetime.fromtimestamp(milliseconds / 1000, tz=timezone.utc)
    except (OverflowError, OSError, ValueError):  # out of the calendar's range
        return None
    return at.isoformat(timespec="milliseconds")
