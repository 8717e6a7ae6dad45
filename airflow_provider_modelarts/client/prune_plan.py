"""
Which images a prune removes, which it keeps and why: pure values.

Protection comes before the policy: what is in use, new, named by the user or shared with something that is
kept is not removed, whatever the policy keeps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_modelarts.client.image_address import ImageAddress
from airflow_provider_modelarts.client.image_uses import ImageUses
from airflow_provider_modelarts.client.marker import parse_marker
from airflow_provider_modelarts.client.models import Image, iso_utc
from airflow_provider_modelarts.client.prune_rules import PruneRules
from airflow_provider_modelarts.client.registry import RegistryTag, registry_address
from airflow_provider_modelarts.client.retention import MAX_CLOCK_DIFFERENCE, reasons_to_keep

Tags = Mapping[str, RegistryTag] | None
"""The tags of a repository by their names; None if they could not be read completely."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """
    An image and what happens to it.

    :param address: where the registry has it, with its tag; None if its record does not show that.
    :param notebook_id: the notebook that its marker names, in lower case.
    :param reasons: why it is kept, removed or skipped.
    :param tag: as the registry has it; None if it was not read or does not exist.
    """

    image: Image
    address: ImageAddress | None
    notebook_id: str | None
    reasons: tuple[str, ...] = ()
    tag: RegistryTag | None = None

    @property
    def repository(self) -> str | None:
        """Namespace and name, by which the tags are read; None if they are unknown."""
        return self.address.path if self.address else None

    @property
    def digest(self) -> str | None:
        """The digest of the content, if its tag was read."""
        return self.tag.digest if self.tag else None

    @property
    def created_at(self) -> datetime | None:
        """When the image was begun; None if its record does not show a time."""
        try:
            return None if self.image.create_at is None else _EPOCH + timedelta(milliseconds=self.image.create_at)
        except OverflowError:
            return None

    def because(self, *reasons: str) -> PlannedImage:
        """Return the image with more reasons."""
        return replace(self, reasons=self.reasons + reasons)

    def to_xcom(self) -> dict[str, Any]:
        """Return the image as plain JSON."""
        return {
            "image_id": self.image.id,
            "swr_path": self.image.swr_path,
            "tag": self.image.tag or (self.address.tag if self.address else None),
            "created_at": iso_utc(self.image.create_at),
            "reasons": list(self.reasons),
        }


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """
    What a prune does.

    :param kept: newest first.
    :param deleted: what is to be removed, oldest first.
    :param skipped: what no rule keeps, but is not removed now.
    :param tags_without_record: addresses of tags that no image of the workspace has. None of them is removed.
    """

    kept: tuple[PlannedImage, ...] = ()
    deleted: tuple[PlannedImage, ...] = ()
    skipped: tuple[PlannedImage, ...] = ()
    tags_without_record: tuple[str, ...] = ()

    @property
    def repositories(self) -> tuple[str, ...]:
        """The repositories of the images that are to be removed."""
        return tuple(sorted({image.repository for image in self.deleted if image.repository}))


def plan_prune(
    images: Iterable[Image],
    rules: PruneRules,
    *,
    uses: ImageUses | None,
    tags: Mapping[str, Tags],
    now: datetime,
    left: int | None = None,
) -> PrunePlan:
    """
    Return what a prune does.

    :param images: all of the workspace, of any status.
    :param uses: what notebooks use; None if that is unknown, which only a report accepts.
    :param tags: the tags of repositories that were read. Of others nothing is known: a first plan without
        any tags shows which ones to read.
    :param now: the present time.
    :param left: images that may be removed, if fewer than ``max_deletions``.
    """
    listed = [_planned(image) for image in images]
    judged, skipped = _judge(listed, rules, now)
    judged = [_use(image, uses) for image in judged]
    judged = _share(judged, listed, rules, tags, uses)
    kept, deleted = [], []
    for image in judged:
        uses_only = bool(image.reasons) and all(reason.startswith(_USED) for reason in image.reasons)
        unread = image.repository in tags and tags[image.repository] is None and rules.mode != "unregister"
        if image.reasons and not uses_only:
            kept.append(image)
        elif uses_only:
            skipped.append(image)
        elif unread:
            skipped.append(image.because(f"the tags of {image.repository} could not be read completely"))
        else:
            deleted.append(image.because("no rule keeps it"))
    deleted.sort(key=_age)
    most = rules.max_deletions if left is None else max(0, min(left, rules.max_deletions))
    skipped += [
        image.because(f"more than max_deletions, which is {rules.max_deletions}: left to the next run")
        for image in deleted[most:]
    ]
    return PrunePlan(
        tuple(sorted(kept, key=_age, reverse=True)),
        tuple(deleted[:most]),
        tuple(sorted(skipped, key=_age)),
        _without_record(listed, tags),
    )


_USED = "used by notebook "


def _planned(image: Image) -> PlannedImage:
    marker = parse_marker(image.description)
    return PlannedImage(image, registry_address(image), marker.notebook_id.lower() if marker else None)


def _age(image: PlannedImage) -> tuple[float, str]:
    created_at = image.created_at
    return (created_at or _EPOCH).timestamp(), image.image.id


def _judge(
    listed: list[PlannedImage], rules: PruneRules, now: datetime
) -> tuple[list[PlannedImage], list[PlannedImage]]:
    """Return the images in scope with the reasons of policy and protection, and the failed ones apart."""
    failed: list[PlannedImage] = []
    judged: list[PlannedImage] = []
    groups: dict[tuple[str | None, ...], list[PlannedImage]] = {}
    for planned in listed:
        image = planned.image
        if not rules.scope.has(*_name(planned), planned.notebook_id):
            continue
        if image.has_failed:
            failed.append(planned.because(f"is {image.status}: records of failed saves are left alone"))
        elif image.is_pending:
            judged.append(planned.because(f"is {image.status or 'without a status'}, which is not ACTIVE"))
        elif reason := _foreign(planned, include_unmarked=rules.include_unmarked):
            judged.append(planned.because(reason))
        else:
            registry = planned.address.registry if planned.address else None
            key = (registry, *_name(planned), planned.notebook_id)
            groups.setdefault(key, []).append(planned)
    for group in groups.values():
        judged += _judge_group(group, rules, now)
    return judged, failed


def _name(planned: PlannedImage) -> tuple[str | None, str | None]:
    """Return namespace and name, as the record or else the address has them."""
    namespace, _, name = (planned.repository or "").partition("/")
    return planned.image.namespace or namespace or None, planned.image.name or name or None


def _foreign(planned: PlannedImage, *, include_unmarked: bool) -> str | None:
    """Return why an image is no candidate, or None."""
    if planned.notebook_id is not None:
        return None
    if re.search(r"\[\s*airflow\s*:", planned.image.description or "", re.IGNORECASE):
        return "its marker cannot be read"
    return None if include_unmarked else "has no marker, so no task of Airflow saved it"


def _judge_group(group: list[PlannedImage], rules: PruneRules, now: datetime) -> list[PlannedImage]:
    """Return the ACTIVE images of one group with the reasons of policy and protection."""
    ordered = {image.image.id: image for image in sorted(group, key=_age, reverse=True)}
    by_policy = reasons_to_keep(
        rules.policy, {key: image.created_at for key, image in ordered.items()}, zone=rules.zone, now=now
    )
    newest = next((key for key, image in ordered.items() if _counts(image, now)), None)
    judged = []
    for key, image in ordered.items():
        reasons = [f"kept by {reason}" if reason.startswith("keep_") else reason for reason in by_policy[key]]
        if key == newest:
            reasons.insert(0, "is the newest ACTIVE image of its group")
        judged.append(image.because(*reasons, *_protection(image, rules, now)))
    return judged


def _counts(image: PlannedImage, now: datetime) -> bool:
    return image.created_at is not None and image.created_at <= now + MAX_CLOCK_DIFFERENCE


def _protection(planned: PlannedImage, rules: PruneRules, now: datetime) -> list[str]:
    """Return why an image is protected by itself, whatever else there is."""
    reasons = []
    address = planned.address
    if address is None:
        return ["its address in SWR is unknown"]
    if planned.image.swr_instance_id or ".swr-pro." in f".{address.registry}":
        reasons.append("is in an Enterprise registry")
    if glob := rules.is_protected(address):
        reasons.append(f"its address matches {glob!r} of protect")
    if rules.keeps_tag(address.tag):
        reasons.append(f"its tag {address.tag!r} matches keep_tags")
    if planned.created_at is not None and now - planned.created_at < rules.min_age:
        reasons.append(f"is younger than min_age, {rules.min_age}")
    return reasons


def _use(image: PlannedImage, uses: ImageUses | None) -> PlannedImage:
    """Return an image with the notebooks that use it."""
    users = uses.of_image(image.image.id, image.address) if uses else ()
    return image.because(*(f"{_USED}{user}" for user in users))


def _share(
    judged: list[PlannedImage],
    listed: list[PlannedImage],
    rules: PruneRules,
    tags: Mapping[str, Tags],
    uses: ImageUses | None,
) -> list[PlannedImage]:
    """Return the images with their tags, and with the reasons that tags of the same content give."""
    judged = [_with_tag(image, tags) for image in judged]
    removable = {image.image.id for image in judged if not image.reasons}
    staying: dict[tuple[str, str], str] = {}
    for image in (_with_tag(entry, tags) for entry in listed):
        if image.image.id not in removable and image.repository and image.digest and image.address:
            staying.setdefault((image.repository, image.digest), f"{image.address.tag}")
    shared = []
    for image in judged:
        read = tags.get(image.repository or "")
        if image.reasons or image.repository not in tags:
            shared.append(image)
        elif read is None:
            # Without tags nobody knows what keep_tags keeps; otherwise the tag stays when a record goes.
            is_unknown = rules.mode == "unregister" and bool(rules.keep_tags)
            reasons = ["the tags that keep_tags may keep could not be read"] if is_unknown else []
            shared.append(image.because(*reasons))
        else:
            shared.append(image.because(*_content(image, read, staying, rules, uses)))
    return shared


def _with_tag(image: PlannedImage, tags: Mapping[str, Tags]) -> PlannedImage:
    read = tags.get(image.repository or "")
    return replace(image, tag=read.get(image.address.tag or "") if read and image.address else None)


def _content(
    image: PlannedImage,
    read: Mapping[str, RegistryTag],
    staying: Mapping[tuple[str, str], str],
    rules: PruneRules,
    uses: ImageUses | None,
) -> list[str]:
    """Return why the content of an image is kept, as its repository's tags show it."""
    if image.tag is None:
        return []  # only its record is left
    if not image.digest:
        return ["the digest of its tag is unknown"]
    reasons = [
        f"its content has the tag {tag!r}, which matches keep_tags"
        for tag, other in read.items()
        if other.digest == image.digest and rules.keeps_tag(tag)
    ]
    if kept := staying.get((image.repository or "", image.digest)):
        reasons.append(f"its content is that of the tag {kept!r}, which is kept")
    users = uses.of_image(None, None, image.digest) if uses else ()
    return reasons + [f"{_USED}{user}" for user in users]


def _without_record(listed: list[PlannedImage], tags: Mapping[str, Tags]) -> tuple[str, ...]:
    """Return the tags, of the repositories that were read, that no image of the workspace has."""
    recorded = {(image.repository, image.address.tag) for image in listed if image.address}
    return tuple(
        sorted(
            f"{repository}:{tag}"
            for repository, read in tags.items()
            for tag in read or ()
            if (repository, tag) not in recorded
        )
    )
