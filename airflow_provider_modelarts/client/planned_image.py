"""An image of a prune, with what happens to it and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_modelarts.client.image_address import ImageAddress
from airflow_provider_modelarts.client.marker import parse_marker
from airflow_provider_modelarts.client.models import Image, iso_utc
from airflow_provider_modelarts.client.registry import RegistryTag, registry_address

Tags = Mapping[str, RegistryTag] | None
"""The tags of a repository by their names; None if they could not be read completely."""

ByContent = Mapping[tuple[str, str], Sequence[str]]
"""Tags by the repository and digest of their content."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EARLIEST = datetime(2000, 1, 1, tzinfo=timezone.utc)
"""No image is older: a time before it cannot be right."""


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """
    An image and what happens to it.

    :param address: where the registry has it, with its tag; None if its record does not show that.
    :param notebook_id: the notebook that its marker names, in lower case; None without a marker.
    :param reasons: why it is kept, removed or skipped.
    :param content: its tag as the registry has it; None if that was not read, or there is no such tag.
    :param same_content: the other tags of its repository that name the same content.
    """

    image: Image
    address: ImageAddress | None = None
    notebook_id: str | None = None
    reasons: tuple[str, ...] = ()
    content: RegistryTag | None = None
    same_content: tuple[str, ...] = ()

    @classmethod
    def of(cls, image: Image) -> PlannedImage:
        """Return an image as its record shows it, without reasons."""
        marker = parse_marker(image.description)
        return cls(image, registry_address(image), marker.notebook_id.lower() if marker else None)

    @property
    def repository(self) -> str:
        """Organization and name, by which tags are read; empty if they are unknown."""
        return self.address.path if self.address else ""

    @property
    def tag(self) -> str:
        """The tag; empty if it is unknown."""
        return (self.address.tag if self.address else self.image.tag) or ""

    @property
    def digest(self) -> str:
        """The digest of its content; empty if it is unknown."""
        return (self.content.digest if self.content else None) or ""

    @property
    def name(self) -> tuple[str | None, str | None]:
        """Organization and name, as the record or else the address has them."""
        namespace, _, name = self.repository.partition("/")
        return self.image.namespace or namespace or None, self.image.name or name or None

    @property
    def may_have_content(self) -> bool:
        """Whether its tag may be its own: a retry of a failed save gives another image the same tag."""
        return self.image.status not in ("CREATE_FAILED", "DELETED")

    @property
    def created_at(self) -> datetime | None:
        """When the image was begun; None if its record shows no time at which one can have been."""
        try:
            found = _EPOCH + timedelta(milliseconds=self.image.create_at or 0)
        except OverflowError:  # out of the calendar's range
            return None
        return found if found >= _EARLIEST else None

    @property
    def order(self) -> tuple[float, str]:
        """What images are sorted by, oldest first and always in the same way."""
        return (self.created_at or _EPOCH).timestamp(), self.image.id

    def because(self, *reasons: str) -> PlannedImage:
        """Return the image with more reasons."""
        return replace(self, reasons=self.reasons + reasons)

    def with_content(self, tags: Mapping[str, Tags], by_content: ByContent) -> PlannedImage:
        """Return the image with its content, if the tags of its repository were read."""
        read = tags.get(self.repository)
        return replace(self, content=read.get(self.tag)).with_same_content(by_content) if read else self

    def with_same_content(self, by_content: ByContent) -> PlannedImage:
        """Return the image with the other tags of its content."""
        same = by_content.get((self.repository, self.digest), ()) if self.digest else ()
        return replace(self, same_content=tuple(tag for tag in same if tag != self.tag))

    def to_xcom(self) -> dict[str, Any]:
        """Return the image as plain JSON."""
        return {
            "image_id": self.image.id,
            "swr_path": self.image.swr_path,
            "tag": self.tag or None,
            "created_at": iso_utc(self.image.create_at),
            "reasons": list(self.reasons),
        }


def tags_by_content(tags: Mapping[str, Tags]) -> ByContent:
    """Return the tags that were read by what they name."""
    found: dict[tuple[str, str], list[str]] = {}
    for repository, read in tags.items():
        for tag, content in (read or {}).items():
            found.setdefault((repository, content.digest or ""), []).append(tag)
    return found
