"""
Which images a prune removes, which it keeps and why: pure values.

Protection comes before the policy: what is in use, new, named by the user or shared with something that is
kept is not removed, whatever the policy keeps.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from airflow_provider_modelarts.client.image_protection import (
    USED,
    content_reasons,
    contents_of,
    foreign_reason,
    own_reasons,
    registry_reasons,
    use_reasons,
)
from airflow_provider_modelarts.client.image_uses import ImageUses
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.planned_image import PlannedImage, Tags, tags_by_content
from airflow_provider_modelarts.client.prune_rules import PruneRules
from airflow_provider_modelarts.client.retention import MAX_CLOCK_DIFFERENCE, reasons_to_keep


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """
    What a prune does.

    :param kept: what the policy or a protection keeps, newest first.
    :param deleted: what is to be removed, oldest first.
    :param skipped: what no rule keeps, but is not removed now.
    :param tags_without_record: addresses of tags that no image of the workspace has. None is ever removed.
    """

    kept: tuple[PlannedImage, ...] = ()
    deleted: tuple[PlannedImage, ...] = ()
    skipped: tuple[PlannedImage, ...] = ()
    tags_without_record: tuple[str, ...] = ()


def plan_prune(
    images: Iterable[Image],
    rules: PruneRules,
    *,
    uses: ImageUses | None,
    tags: Mapping[str, Tags] | None,
    now: datetime,
    left: int | None = None,
    planned: Collection[str] | None = None,
    workspace_id: str | None = None,
) -> PrunePlan:
    """
    Return what a prune does.

    :param images: all of the workspace, of any status.
    :param uses: what notebooks use; None if that is unknown, which only a report accepts.
    :param tags: the tags of repositories. None if none were read yet: such a plan shows which ones to read,
        those of all images that it does not keep.
    :param now: the present time.
    :param left: images that may still be removed, if fewer than ``max_deletions``.
    :param planned: ids, in lower case, of the only images that may be removed, if an earlier try planned any.
    :param workspace_id: whose images may be removed; None for any.
    """
    by_content = tags_by_content(tags or {})
    listed = [PlannedImage.of(image).with_content(tags or {}, by_content) for image in images]
    classified, skipped = _classify(listed, rules, tags or {}, now, workspace_id)
    classified = [image.because(*use_reasons(image, uses)) for image in classified]
    removable = {image.image.id for image in classified if not image.reasons}
    kept_contents = contents_of(image for image in listed if image.image.id not in removable)
    contents = [content for read in (tags or {}).values() for content in (read or {}).values()]
    domains = frozenset[str]().union(*(content.domains for content in contents))
    classified = [image.because(*registry_reasons(image, domains)) for image in classified]
    classified = [_with_content_reasons(image, kept_contents, rules, tags) for image in classified]
    kept, deleted = [], []
    for image in classified:
        if not image.reasons:
            deleted.append(image)
        elif all(reason.startswith((USED, _UNREAD)) for reason in image.reasons):
            skipped.append(image)
        else:
            kept.append(image)
    deleted = [image.because("no rule keeps it") for image in sorted(deleted, key=lambda image: image.order)]
    if planned is not None:
        later = [image for image in deleted if image.image.id.lower() not in planned]
        skipped += [image.because("no earlier try planned it: left to the next run") for image in later]
        deleted = [image for image in deleted if image.image.id.lower() in planned]
    most = rules.max_deletions if left is None else max(0, min(left, rules.max_deletions))
    rest = f"max_deletions is {rules.max_deletions}: left to the next run"
    skipped += [image.because(rest) for image in deleted[most:]]
    return PrunePlan(
        tuple(sorted(kept, key=lambda image: image.order, reverse=True)),
        tuple(deleted[:most]),
        tuple(sorted(skipped, key=lambda image: image.order)),
        _tags_without_record(listed, tags or {}),
    )


_UNREAD = "the tags of its repository could not be read"


def _classify(
    listed: list[PlannedImage],
    rules: PruneRules,
    tags: Mapping[str, Tags],
    now: datetime,
    workspace_id: str | None,
) -> tuple[list[PlannedImage], list[PlannedImage]]:
    """Return the images in scope with the reasons of policy and protection, and the failed ones apart."""
    failed: list[PlannedImage] = []
    classified: list[PlannedImage] = []
    groups: dict[tuple[str | None, ...], list[PlannedImage]] = {}
    for planned in listed:
        image = planned.image
        if not rules.scope.has(*planned.name, planned.notebook_id):
            continue
        if image.has_failed:
            failed.append(planned.because(f"is {image.status}: records of failed saves are left alone"))
        elif image.is_pending:
            classified.append(planned.because(f"is {image.status or 'without a status'}, not ACTIVE"))
        elif reason := foreign_reason(
            planned, include_unmarked=rules.include_unmarked, workspace_id=workspace_id
        ):
            classified.append(planned.because(reason))
        else:
            registry = planned.address.registry if planned.address else None
            groups.setdefault((registry, *planned.name, planned.notebook_id), []).append(planned)
    for group in groups.values():
        classified += _keep_newest_in_registry(_classify_group(group, rules, now), tags, now)
    return classified, failed


def _classify_group(group: list[PlannedImage], rules: PruneRules, now: datetime) -> list[PlannedImage]:
    """Return the ACTIVE images of one group with the reasons of policy and protection."""
    ordered = {image.image.id: image for image in sorted(group, key=lambda image: image.order, reverse=True)}
    created_at = {key: image.created_at for key, image in ordered.items()}
    by_policy = reasons_to_keep(rules.policy, created_at, zone=rules.zone, now=now)
    past = [image for image in ordered.values() if _is_of_past(image, now)]
    newest = next(iter(past), None)
    # The date of a record that was registered again hides that what it contains is older.
    saved = next((image for image in past if not image.image.is_registered), None)
    saved = None if saved is newest else saved
    return [
        image.because(
            *(["is the newest ACTIVE image of its group"] if image is newest else []),
            *(["is the newest one that was not registered again"] if image is saved else []),
            *by_policy[key],
            *own_reasons(image, rules, now),
        )
        for key, image in ordered.items()
    ]


def _keep_newest_in_registry(
    group: list[PlannedImage], tags: Mapping[str, Tags], now: datetime
) -> list[PlannedImage]:
    """
    Return a group of which the newest image that SWR still has is kept.

    A newer record whose tag is gone restores nothing.

    :param group: newest first.
    """
    past = [image for image in group if _is_of_past(image, now)]
    found = next((image for image in past if not _is_gone(image, tags)), None)
    if found is None or found is past[0]:
        return group
    reason = "is the newest image of its group that SWR still has"
    return [image.because(reason) if image is found else image for image in group]


def _is_of_past(image: PlannedImage, now: datetime) -> bool:
    """Whether an image has a date that is not in the future."""
    return image.created_at is not None and image.created_at <= now + MAX_CLOCK_DIFFERENCE


def _is_gone(image: PlannedImage, tags: Mapping[str, Tags]) -> bool:
    """Whether the tags of an image's repository were read, and none of known content is its own."""
    return not image.digest and tags.get(image.repository) is not None


def _with_content_reasons(
    image: PlannedImage,
    kept_contents: Mapping[tuple[str, str], str],
    rules: PruneRules,
    tags: Mapping[str, Tags] | None,
) -> PlannedImage:
    """Return an image that nothing else keeps with the reasons that tags of the same content give."""
    if image.reasons or tags is None:
        return image
    read = tags.get(image.repository)
    if read is not None:
        return image.because(*content_reasons(image, kept_contents, rules))
    # The record may go without the tag, unless the tags would show that it is to be kept.
    is_harmless = rules.mode == "unregister" and not rules.keep_tags
    return image if is_harmless else image.because(_UNREAD)


def _tags_without_record(listed: list[PlannedImage], tags: Mapping[str, Tags]) -> tuple[str, ...]:
    """Return the tags, of the repositories that were read, that no image of the workspace has."""
    recorded = {(image.repository, image.tag) for image in listed}
    return tuple(
        f"{repository}:{tag}"
        for repository in sorted(tags)
        for tag in sorted(tags[repository] or ())
        if (repository, tag) not in recorded
    )
