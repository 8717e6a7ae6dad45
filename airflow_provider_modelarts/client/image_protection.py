"""What protects an image from a prune, whatever the policy keeps: each reason as a text."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from airflow_provider_modelarts.client.image_uses import ImageUses
from airflow_provider_modelarts.client.marker import is_marker_unreadable
from airflow_provider_modelarts.client.planned_image import PlannedImage
from airflow_provider_modelarts.client.prune_rules import PruneRules
from airflow_provider_modelarts.client.registry import is_in_enterprise_registry

USED = "used by notebook "
"""How the reason begins that a notebook uses an image."""


def foreign_reason(
    planned: PlannedImage, *, include_unmarked: bool, workspace_id: str | None = None
) -> str | None:
    """
    Return why an image is no candidate because of its marker, workspace or type, or None.

    :param workspace_id: whose images are pruned; a service may ignore that filter of its list, and the one
        for saved and registered images too.
    """
    if not planned.image.may_be_in(workspace_id):
        return f"is in another workspace, {planned.image.workspace_id}"
    if planned.image.is_built_in:
        return "is an image of ModelArts itself"
    if is_marker_unreadable(planned.image.description):
        return "its marker cannot be read"
    if planned.notebook_id is not None or include_unmarked:
        return None
    return "has no marker, so no task of Airflow saved it"


def own_reasons(planned: PlannedImage, rules: PruneRules, now: datetime) -> list[str]:
    """Return why an image is protected by itself, whatever else there is."""
    address = planned.address
    if address is None:
        return ["its address in SWR is unknown"]
    reasons = []
    if is_in_enterprise_registry(planned.image):
        reasons.append("is in an Enterprise registry")
    if glob := rules.protecting_glob(address):
        reasons.append(f"its address matches {glob!r} of protect")
    if rules.keeps_tag(address.tag):
        reasons.append(f"its tag {address.tag!r} matches keep_tags")
    if planned.created_at is not None and now - planned.created_at < rules.min_age:
        reasons.append(f"is younger than min_age, {rules.min_age}")
    return reasons


def use_reasons(planned: PlannedImage, uses: ImageUses | None) -> list[str]:
    """Return which notebooks use an image: by its id, its address or any tag of its content."""
    if uses is None:
        return []
    users = {*uses.of_image(planned.image.id, planned.address, planned.digest)}
    if planned.address is not None:
        for tag in planned.same_content:
            users.update(uses.of_image(None, replace(planned.address, tag=tag), planned.digest))
    return [f"{USED}{user}" for user in sorted(users)]


def registry_reasons(planned: PlannedImage, domains: Collection[str]) -> list[str]:
    """
    Return why an image is kept if its content is where nothing was read, or nothing.

    An Enterprise registry may have any domain, and a record need not name its instance.

    :param domains: those of the tags that were read.
    """
    if planned.address is None or not planned.address.is_elsewhere(domains):
        return []
    return [f"its registry {planned.address.registry} is not the one whose tags SWR shows"]


def content_reasons(
    planned: PlannedImage,
    kept_contents: Mapping[tuple[str, str], str],
    rules: PruneRules,
) -> list[str]:
    """
    Return why an image's content is kept, by whichever of its tags.

    :param kept_contents: of :func:`contents_of` the images that are kept.
    """
    if planned.content is None:
        return []  # its tag is gone: only its record is left
    if not planned.digest:
        return ["the digest of its tag is unknown"]
    of_record = planned.address.digest if planned.address else None
    if of_record and of_record.lower() != planned.digest.lower():
        return ["its tag names other content than its record"]
    reasons = [
        f"its content has the tag {tag!r}, which matches keep_tags"
        for tag in planned.same_content
        if rules.keeps_tag(tag)
    ]
    if kept := kept_contents.get((planned.repository, planned.digest)):
        reasons.append(f"its content is that of the tag {kept!r}, which is kept")
    return reasons


def contents_of(images: Iterable[PlannedImage]) -> dict[tuple[str, str], str]:
    """Return the contents of images, by repository and digest, each with one of its tags."""
    return {
        (image.repository, image.digest): image.tag
        for image in images
        if image.digest and image.may_have_content
    }
