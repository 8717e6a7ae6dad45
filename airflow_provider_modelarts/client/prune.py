"""
Removes the images that a policy does not keep.

Images, notebooks and tags are read, a plan is made of them, and the plan is stored before the first deletion.
The notebooks are read again while the deletions take their time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from typing import Any

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.image_address import ImageAddress
from airflow_provider_modelarts.client.image_deletion import (
    OF_ALL_IMAGES,
    USES_TTL,
    delete_record,
    delete_tag,
    has_own_tag,
    is_of_one_image,
    is_own_refusal,
    read_uses,
    show_image,
)
from airflow_provider_modelarts.client.image_protection import use_reasons
from airflow_provider_modelarts.client.image_uses import ImageUses
from airflow_provider_modelarts.client.left_tags import (
    LeftTags,
    plan_left_tags,
    read_entries,
    stored_entry,
    stored_ids,
)
from airflow_provider_modelarts.client.models import Image, Page
from airflow_provider_modelarts.client.notebooks import DatedResponse
from airflow_provider_modelarts.client.planned_image import PlannedImage, Tags
from airflow_provider_modelarts.client.prune_plan import plan_prune
from airflow_provider_modelarts.client.prune_rules import PruneRules
from airflow_provider_modelarts.client.repository_tags import read_tags
from airflow_provider_modelarts.client.retention import MAX_CLOCK_DIFFERENCE
from airflow_provider_modelarts.exceptions import (
    AccountSuspendedError,
    AuthenticationError,
    ImageInUseError,
    InvalidConnectionError,
    ModelArtsError,
    NotFoundError,
)

MAX_FAILURES = 3
"""Deletions in a row that may fail before the others are left to a retry."""

Stored = list[dict[str, Any]]
"""What a try stores for the next one, as plain JSON."""

log = logging.getLogger(__name__)


@dataclass
class PruneResult:
    """
    What a prune did.

    :param deleted: what was removed; in a report what would be.
    :param freed_bytes: an upper bound, because images share layers.
    :param notebooks_seen: how many notebooks there are; None if that is unknown, which a report accepts.
    :param tags_without_record: addresses of tags in SWR that no image of the workspace has.
    :param error: the last failure, or the one that ended the prune early; None without any.
    """

    mode: str
    kept: list[PlannedImage] = field(default_factory=list)
    deleted: list[PlannedImage] = field(default_factory=list)
    skipped: list[PlannedImage] = field(default_factory=list)
    failed: list[PlannedImage] = field(default_factory=list)
    freed_bytes: int = 0
    notebooks_seen: int | None = None
    tags_without_record: tuple[str, ...] = ()
    error: ModelArtsError | None = None

    @property
    def lists(self) -> dict[str, list[PlannedImage]]:
        """The images by what happened to them."""
        return {name: getattr(self, name) for name in ("kept", "deleted", "skipped", "failed")}

    def to_xcom(self) -> dict[str, Any]:
        """Return the result of the task, as plain JSON."""
        return {
            "mode": self.mode,
            **{name: [image.to_xcom() for image in images] for name, images in self.lists.items()},
            "freed_bytes": self.freed_bytes,
            "notebooks_seen": self.notebooks_seen,
        }


class Prune:
    """
    One prune of a workspace.

    :param workspace_id: of the images.
    :param own_notebooks_only: do not read other users' notebooks.
    :param earlier: what an earlier try of the same task stored.
    :param store: stores what the next try needs, before the first deletion.
    """

    def __init__(
        self,
        client: ModelArtsClient,
        rules: PruneRules,
        *,
        workspace_id: str,
        own_notebooks_only: bool = False,
        earlier: Iterable[object] = (),
        store: Callable[[Stored], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._rules = rules
        self._workspace_id = workspace_id
        self._own_notebooks_only = own_notebooks_only
        self._earlier = list(earlier)
        self._store = store
        self._uses: ImageUses | None = None
        self._tags: dict[str, Tags] = {}
        # The records of each tag, by their ids: one tag can be registered more than once.
        self._records: dict[tuple[str, str], set[str]] = {}

    async def run(self) -> PruneResult:
        """
        Prune, and return what was done.

        :raises ModelArtsError: the images or, unless it is a report, the notebooks cannot be listed, and
            nothing was deleted. What fails later is in the result.
        """
        rules = self._rules
        images, service_time = await self._list_images()
        try:
            self._uses = await self._read_uses()
        except ModelArtsError as error:
            if rules.mode != "report" or isinstance(error, (AuthenticationError, AccountSuspendedError)):
                raise
            log.warning("The report does not show which images are in use. %s", error)
        gone = await self._gone(images)
        now = self._present_time(service_time)
        plan_with = partial(
            plan_prune, images, rules, uses=self._uses, now=now, workspace_id=self._workspace_id
        )
        draft = plan_with(tags=None)
        kept = draft.kept if rules.mode == "report" else ()
        await self._read_repositories([*kept, *draft.deleted, *draft.skipped, *gone])
        # A retry removes nothing that the first try did not plan: nobody has seen the log of such a plan.
        planned = stored_ids(self._earlier) or None
        plan = plan_with(tags=self._tags, left=rules.max_deletions - len(gone), planned=planned)
        removed = {image.image.id for image in plan.deleted}
        left = plan_left_tags(
            gone, images, rules, uses=self._uses, tags=self._tags, now=now, removed_too=removed
        )
        result = PruneResult(rules.mode, [*plan.kept], [*left.nothing], [*left.kept, *plan.skipped])
        result.notebooks_seen = self._uses.notebooks if self._uses else None
        result.tags_without_record = plan.tags_without_record
        if rules.mode == "report":
            result.deleted += plan.deleted
        elif plan.deleted or left.removed:
            stored = partial(
                stored_entry,
                mode=rules.mode,
                project_id=self._client.project_id,
                workspace_id=self._workspace_id,
            )
            self._store([stored(image) for image in (*gone, *plan.deleted)])
            await self._remove(left, plan.deleted, result)
        if rules.mode != "unregister":
            result.freed_bytes = self._freed(result.deleted)
        return result

    async def _list_images(self) -> tuple[list[Image], float | None]:
        """Return the images, and the service's time in epoch seconds, if its responses have one."""
        listing = operations.list_images(workspace_id=self._workspace_id)
        dates: list[float] = []

        def parse(data: Any) -> Page[Image]:
            dated = DatedResponse.model_validate(data if isinstance(data, dict) else {})
            dates.extend([] if dated.service_time is None else [dated.service_time / 1000])
            return listing.parse(data)

        images = await self._client.list_all(replace(listing, parse=parse))
        for image in map(PlannedImage.of, images):
            if image.may_have_content:
                self._records.setdefault((image.repository, image.tag), set()).add(image.image.id)
        return images, max(dates, default=None)

    def _present_time(self, service_time: float | None) -> datetime:
        """
        Return the present time by the clock of this machine, or by the service's if this one is far ahead.

        A clock that is ahead would make every image older than min_age.
        """
        now = self._client.time()
        if service_time is not None and now - service_time > MAX_CLOCK_DIFFERENCE.total_seconds():
            log.warning(
                "The clock of this machine is %.0f s ahead of ModelArts, whose time is used for the age of "
                "images. Set the clock",
                now - service_time,
            )
            now = service_time
        return datetime.fromtimestamp(now, timezone.utc)

    async def _read_uses(self) -> ImageUses:
        return await read_uses(self._client, own_notebooks_only=self._own_notebooks_only)

    async def _gone(self, images: list[Image]) -> list[PlannedImage]:
        """Return the images whose records an earlier try deleted."""
        listed = {image.id.lower() for image in images}
        earlier = read_entries(
            self._earlier, project_id=self._client.project_id, workspace_id=self._workspace_id
        )
        missing = [image for image in earlier if image.image.id.lower() not in listed]
        # Lists may lag: only ShowImage proves that a record is gone.
        return [image for image in missing if await show_image(self._client, image.image.id) is None]

    async def _read_repositories(self, planned: list[PlannedImage]) -> None:
        """Read the tags of repositories, each once, and warn of SWR's own retention rules."""
        addresses = {image.repository: image.address for image in planned if image.address}
        rules_are_read = True
        for repository, address in sorted(addresses.items()):
            try:
                # In an empty list none of keep_tags would be found.
                self._tags[repository] = await read_tags(
                    self._client, address, may_be_empty=not self._rules.keep_tags
                )
            except ModelArtsError as error:
                if isinstance(error, self._ends_reading_tags):
                    raise
                self._tags[repository] = None
                log.warning("The tags of %s cannot be read, so none is deleted: %s", repository, error)
            if rules_are_read:
                rules_are_read = await self._warn_of_retention(address)

    @property
    def _ends_reading_tags(self) -> tuple[type[ModelArtsError], ...]:
        """The errors that the tags of every other repository would get too."""
        if self._rules.mode == "report":
            return ()
        of_caller = (AuthenticationError, AccountSuspendedError)
        # The last one names the field that is missing: no tag at all could be deleted.
        return (*of_caller, InvalidConnectionError) if self._rules.mode == "delete" else of_caller

    async def _warn_of_retention(self, address: ImageAddress) -> bool:
        """Warn of SWR's own retention rules, and return whether those of other repositories can be read."""
        try:
            found = await self._client.call(
                operations.list_retention_rules(address.namespace, address.repository)
            )
        except ModelArtsError as error:
            log.info(
                "SWR's own retention rules for %s cannot be read; check in its console that they spare the "
                "images of notebooks: %s",
                *(address.path, error),
            )
            return isinstance(error, NotFoundError)
        if found:
            log.warning(
                "SWR has a retention rule of its own for %s: it %s, whatever uses them. Remove it in the "
                "console of SWR, or exempt the tags of notebooks' images",
                *(address.path, "; ".join(rule.describe() for rule in found)),
            )
        return True

    async def _remove(self, left: LeftTags, planned: Iterable[PlannedImage], result: PruneResult) -> None:
        """Remove what an earlier try left and then what is planned, each oldest first."""
        rest = [(image, False) for image in left.removed] + [(image, True) for image in planned]
        failures = 0
        while rest and failures < MAX_FAILURES:
            image, has_record = rest.pop(0)
            try:
                skipped = await self._remove_one(image, has_record=has_record)
            except ModelArtsError as error:
                if is_own_refusal(error):
                    result.skipped.append(image.because(error.message))
                    failures = 0
                    continue
                log.warning("Image %s was not removed: %s", image.image.id, error)
                result.error = error
                result.failed.append(image.because(f"failed: {error}"))
                # Another deletion would be refused too.
                failures = MAX_FAILURES if isinstance(error, OF_ALL_IMAGES) else failures + 1
                continue
            failures = 0
            if skipped:
                result.skipped.append(image.because(*skipped))
            else:
                result.deleted.append(image)
                log.info("Removed image %s: %s", image.image.id, image.image.swr_path)
        result.failed += [image.because("not tried, because others failed") for image, _ in rest]

    async def _remove_one(self, image: PlannedImage, *, has_record: bool) -> list[str]:
        """
        Remove an image, and return why ModelArts refuses that; nothing if it is removed.

        :raises ImageInUseError: a notebook uses it by now.
        :raises TagConflictError: its tag names other content by now.
        :raises ModelArtsError: its record or its tag is still there, or that is unknown.
        """
        # Without a tag that was read, there is none, or it must stay. One that another record has too goes
        # with the last of them, which may yet be used, refused or left to the next run.
        records = self._records.get((image.repository, image.tag), set())
        is_shared = bool(records - {image.image.id})
        has_tag = self._rules.mode == "delete" and image.content is not None and not is_shared
        # The flag of DeleteImage deletes whatever the tag names by then.
        forces = await self._check(image, reads_tag=has_record and has_tag)
        if has_record:
            try:
                await delete_record(
                    self._client,
                    image.image.id,
                    delete_swr_image=forces,
                    before_retry=partial(self._check, image, reads_tag=forces),
                )
            except ModelArtsError as error:
                if not is_of_one_image(error):
                    raise
                return [f"ModelArts refuses to delete it: {error}"]
            records.discard(image.image.id)
        if has_tag and image.address:
            refuse_used = partial(self._refuse_used, image, "its record is gone; ")
            await delete_tag(self._client, image.address, image.digest, before_retry=refuse_used)
        return []

    async def _check(self, image: PlannedImage, *, reads_tag: bool) -> bool:
        """
        Return whether an image that may still be removed has its tag in SWR; False if that is not read.

        :raises ModelArtsError: it may not be removed, or that is unknown.
        """
        await self._refuse_used(image)
        if not reads_tag or image.address is None:
            return False
        # Last, because other content may get the tag while the notebooks are read.
        has_tag = await has_own_tag(self._client, image.address, image.digest)
        if self._is_current:
            return has_tag
        await self._refuse_used(image)
        return await has_own_tag(self._client, image.address, image.digest)

    @property
    def _is_current(self) -> bool:
        """Whether what notebooks use was read a short time ago."""
        return self._uses is not None and 0 <= self._client.time() - self._uses.read_at <= USES_TTL

    async def _refuse_used(self, image: PlannedImage, what: str = "") -> None:
        """Refuse to remove an image that is in use, by a list of notebooks that is not too old."""
        if not self._is_current:
            self._uses = await self._read_uses()
        if reasons := use_reasons(image, self._uses):
            raise ImageInUseError(what + "; ".join(reasons))

    def _freed(self, deleted: list[PlannedImage]) -> int:
        """Return the bytes of contents that no other tag of their repository names."""
        ids = {image.image.id for image in deleted}
        kept = {tag for tag, records in self._records.items() if records - ids}
        gone = {(image.repository, image.tag) for image in deleted} - kept
        sizes = {
            (image.repository, image.digest): image.content.size_bytes or 0
            for image in deleted
            if image.content
        }
        for repository, tags in self._tags.items():
            for tag, content in (tags or {}).items():
                if (repository, tag) not in gone:
                    sizes.pop((repository, content.digest or ""), None)
        return sum(sizes.values())
