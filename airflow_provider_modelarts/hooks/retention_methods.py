"""The hook's methods that remove, tag and register images, for workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from airflow_provider_modelarts.hooks.blocking_client import BlockingClient

if TYPE_CHECKING:
    from airflow_provider_modelarts.client.image_changes import TaggedImage
    from airflow_provider_modelarts.client.image_removal import Removal
    from airflow_provider_modelarts.client.models import Image
    from airflow_provider_modelarts.client.prune import PruneResult
    from airflow_provider_modelarts.client.prune_rules import PruneRules

Store = Callable[[list[dict[str, Any]]], None]


def _store_nothing(_: list[dict[str, Any]]) -> None:
    """Do nothing, for callers that have no next try."""


class RetentionMethods(BlockingClient):
    """Methods about what becomes of images; each blocks until the response has arrived."""

    def prune_images(
        self,
        rules: PruneRules,
        *,
        workspace_id: str | None = None,
        own_notebooks_only: bool = False,
        earlier: Iterable[object] = (),
        store: Store = _store_nothing,
    ) -> PruneResult:
        """
        Remove the images that a policy does not keep.

        :param rules: which images, and what is kept.
        :param workspace_id: of the images; by default the connection's, else ``0``.
        :param own_notebooks_only: do not read other users' notebooks.
        :param earlier: what an earlier try of the same task stored.
        :param store: stores what the next try needs, before the first deletion.
        :raises ModelArtsError: images or notebooks cannot be listed; nothing was deleted. What fails later is
            in the result.
        """
        from airflow_provider_modelarts.client.models import DEFAULT_WORKSPACE
        from airflow_provider_modelarts.client.prune import Prune
        from airflow_provider_modelarts.transport import block_on

        prune = Prune(
            self._modelarts,
            rules,
            workspace_id=self._workspace(workspace_id) or DEFAULT_WORKSPACE,
            own_notebooks_only=own_notebooks_only,
            earlier=earlier,
            store=store,
        )
        return block_on(prune.run())

    def remove_image(
        self,
        image_id: str,
        *,
        delete_swr_image: bool = False,
        own_notebooks_only: bool = False,
        earlier: Iterable[object] = (),
        store: Store = _store_nothing,
    ) -> Removal:
        """
        Delete an image unless a notebook uses it; one that is gone is a success.

        :param image_id: the image's id, a UUID.
        :param delete_swr_image: also delete its tag in SWR, for good.
        :param own_notebooks_only: do not read other users' notebooks.
        :param earlier: what an earlier try of the same task stored.
        :param store: stores what the next try needs, before the first deletion.
        :raises ImageInUseError: a notebook uses it.
        :raises TagConflictError: its tag got other content while its deletion was delayed.
        """
        from airflow_provider_modelarts.client.image_removal import remove_image
        from airflow_provider_modelarts.client.models import DEFAULT_WORKSPACE
        from airflow_provider_modelarts.transport import block_on

        removal = remove_image(
            self._modelarts,
            image_id,
            workspace_id=self._workspace(None) or DEFAULT_WORKSPACE,
            delete_swr_image=delete_swr_image,
            own_notebooks_only=own_notebooks_only,
            earlier=earlier,
            store=store,
        )
        return block_on(removal)

    def tag_image(self, image_id: str, new_tag: str, *, override: bool = True) -> TaggedImage:
        """
        Give an ACTIVE image one more tag in its repository, on Huawei Cloud.

        :param image_id: the image's id, a UUID.
        :param override: whether to move the tag if another image has it; that of another snapshot never is.
        :raises RequestValidationError: the cloud has no such operation; nothing was sent.
        :raises TagConflictError: another image has the tag, and it may not be moved.
        """
        from airflow_provider_modelarts.client.image_changes import tag_image
        from airflow_provider_modelarts.transport import block_on

        tagged = tag_image(
            self._modelarts,
            self.settings.cloud,
            image_id,
            new_tag,
            override=override,
            workspace_id=self._workspace(None),
        )
        return block_on(tagged)

    def register_image_once(
        self,
        swr_path: str,
        *,
        description: str | None = None,
        arch: str | None = None,
        workspace_id: str | None = None,
    ) -> tuple[Image, bool]:
        """
        Register an image that is in SWR; return its record, and whether there was one already.

        :param swr_path: the image's address, with its tag.
        :param description: the image's description.
        :param arch: ``X86_64`` (the service's default) or ``AARCH64``.
        :param workspace_id: the ModelArts workspace; by default the connection's.
        :raises NotFoundError: there is no such image in SWR.
        """
        from airflow_provider_modelarts.client.image_changes import register_once
        from airflow_provider_modelarts.transport import block_on

        registered = register_once(
            self._modelarts,
            swr_path,
            description=description,
            arch=arch,
            workspace_id=self._workspace(workspace_id),
        )
        return block_on(registered)
