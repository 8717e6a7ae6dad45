"""
What an earlier try of a prune left in SWR: tags of images whose records it deleted before it ended.

A tag without a record may also be a promotion, or another project's. So only tags of images that the earlier
try stored are considered, and only while they name the content that they had then. Nor is a record gone that
only another project or workspace lacks, because somebody edited the connection or the task between two tries.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_modelarts.client.image_protection import (
    content_reasons,
    contents_of,
    own_reasons,
    use_reasons,
)
from airflow_provider_modelarts.client.image_uses import ImageUses
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.planned_image import PlannedImage, Tags, tags_by_content
from airflow_provider_modelarts.client.prune_rules import Mode, PruneRules
from airflow_provider_modelarts.client.registry import RegistryTag, registry_address

_STORED = ("swr_path", "namespace", "name", "tag", "create_at", "workspace_id")
"""Fields of an image's record that the next try needs."""


@dataclass(frozen=True, slots=True)
class LeftTags:
    """
    What is left of images whose records an earlier try deleted.

    :param nothing: images of which nothing is left, or whose tag is another image's by now.
    :param removed: images whose tags are to be removed.
    :param kept: images whose tags are protected by now, or could not be read.
    """

    nothing: tuple[PlannedImage, ...] = ()
    removed: tuple[PlannedImage, ...] = ()
    kept: tuple[PlannedImage, ...] = ()


def stored_entry(planned: PlannedImage, *, mode: Mode, project_id: str, workspace_id: str) -> dict[str, Any]:
    """
    Return what the next try needs of an image that is about to be removed, as plain JSON.

    Only what is to be deleted is stored with its content: the tag of an image that was unregistered stays,
    whichever mode the next try has.

    :param project_id: of the image.
    :param workspace_id: of the image, if its record has none.
    """
    content = planned.content if mode == "delete" else None
    return {
        "image_id": planned.image.id,
        "project_id": project_id,
        **{name: getattr(planned.image, name) for name in _STORED},
        "workspace_id": planned.image.workspace_id or workspace_id,
        "digest": (content.digest if content else None) or None,
        "size_bytes": content.size_bytes if content else None,
    }


def read_entry(entry: object) -> PlannedImage | None:
    """Return the image of a stored entry, with the content that it had, or None if it is no such entry."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("image_id"), str):
        return None
    fields = {name: entry.get(name) for name in _STORED}
    image = Image.model_validate({"id": entry["image_id"], **fields})
    address = registry_address(image)
    content = None
    if address and isinstance(entry.get("digest"), str):
        facts = {"digest": entry["digest"], "size_bytes": entry.get("size_bytes")}
        content = RegistryTag.model_validate({"tag": address.tag, **facts})
    return PlannedImage(image, address, content=content)


def stored_ids(entries: Iterable[object]) -> set[str]:
    """Return the ids, in lower case, of all images that an earlier try stored, of whichever project."""
    return {image.image.id.lower() for entry in entries if (image := read_entry(entry))}


def read_entries(
    entries: Iterable[object], *, project_id: str, workspace_id: str | None = None
) -> list[PlannedImage]:
    """
    Return the images of stored entries whose records can be missing because they were deleted.

    :param project_id: that the records are searched for in.
    :param workspace_id: the same; None for any.
    """
    found = []
    for entry in entries:
        image = read_entry(entry)
        if image is None or not isinstance(entry, Mapping):
            continue
        is_of_project = entry.get("project_id") in (None, project_id)
        if is_of_project and image.image.may_be_in(workspace_id):
            found.append(image)
    return found


def plan_left_tags(
    gone: Iterable[PlannedImage],
    images: Iterable[Image],
    rules: PruneRules,
    *,
    uses: ImageUses | None,
    tags: Mapping[str, Tags],
    now: datetime,
    removed_too: Collection[str] = (),
) -> LeftTags:
    """
    Return which tags to remove of images whose records an earlier try deleted.

    :param gone: the images, with the content that they had.
    :param images: all of the workspace.
    :param removed_too: ids of those that this try removes, whose content is therefore not kept.
    """
    by_content = tags_by_content(tags)
    listed = [PlannedImage.of(image).with_content(tags, by_content) for image in images]
    recorded = {(image.repository, image.tag) for image in listed if image.may_have_content}
    kept_contents = contents_of(image for image in listed if image.image.id not in removed_too)
    nothing, removed, kept = [], [], []
    for image in (found.with_same_content(by_content) for found in gone):
        read = tags.get(image.repository)
        if rules.mode != "delete" or image.content is None or (image.repository, image.tag) in recorded:
            nothing.append(image.because("removed by an earlier try"))
        elif read is None:
            kept.append(image.because("its record is gone; the tags of its repository could not be read"))
        elif image.tag not in read or read[image.tag].digest != image.digest:
            nothing.append(image.because("removed by an earlier try"))
        elif reasons := [
            *own_reasons(image, rules, now),
            *use_reasons(image, uses),
            *content_reasons(image, kept_contents, rules),
        ]:
            kept.append(image.because("its record is gone", *reasons))
        else:
            removed.append(image.because("its record was removed by an earlier try"))
    return LeftTags(tuple(nothing), tuple(removed), tuple(kept))
