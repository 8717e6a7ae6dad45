"""The hook's methods that save, read and delete images, for workers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from airflow_provider_modelarts.hooks.blocking_client import BlockingClient

if TYPE_CHECKING:
    from airflow_provider_modelarts.client.marker import IdempotencyKey
    from airflow_provider_modelarts.client.models import Image
    from airflow_provider_modelarts.client.notebook_save import Saved, SaveRules
    from airflow_provider_modelarts.client.notebooks import Notebook

log = logging.getLogger(__name__)


class ImageMethods(BlockingClient):
    """Methods about images; each blocks until the response has arrived."""

    def wait_for_image(
        self,
        image_id: str,
        *,
        poll_interval: float = 10,
        timeout: float = 3600,
        deadline: float | None = None,
        on_poll: Callable[[Image], None] | None = None,
    ) -> Image:
        """
        Poll from a worker until an image is ACTIVE, and return it.

        :param poll_interval: seconds between polls.
        :param timeout: seconds to wait.
        :param deadline: epoch seconds of the last poll, in place of ``timeout``.
        :param on_poll: called with the image after each successful poll.
        :raises ImageFailedError: the image failed or was deleted.
        :raises WaitTimeoutError: the image was not ACTIVE in time.
        """
        from airflow_provider_modelarts.client import operations

        def is_done(image: Image) -> bool:
            if on_poll is not None:
                on_poll(image)
            return not image.is_pending

        return self.watch(
            operations.show_image(image_id),
            is_done=is_done,
            poll_interval=poll_interval,
            deadline=time.time() + timeout if deadline is None else deadline,
        ).raise_for_status()

    def try_get_image(self, image_id: str) -> Image:
        """
        Return an image that is pending or ACTIVE, with one request and no retry.

        :raises ImageFailedError: the image failed or was deleted.
        """
        from airflow_provider_modelarts.client import operations
        from airflow_provider_modelarts.client.client import NO_RETRY

        return self.call(operations.show_image(image_id), deadline=NO_RETRY).raise_for_status()

    def create_image(
        self,
        notebook_id: str,
        *,
        name: str | None = None,
        namespace: str | None = None,
        tag: str | None = None,
        description: str | None = None,
        workspace_id: str | None = None,
        swr_instance_id: str | None = None,
        swr_instance_domain: str | None = None,
    ) -> Image:
        """
        Save a running notebook as an image.

        The notebook is unavailable during the save, which cannot be cancelled. Which arguments are
        mandatory depends on the cloud.

        :param notebook_id: the notebook's id, a UUID.
        :param name: the image's name, which is its repository in SWR.
        :param namespace: the SWR organization of the image.
        :param tag: the image's tag; an existing name and tag are never overwritten.
        :param description: the image's description.
        :param workspace_id: the ModelArts workspace; by default the connection's.
        :param swr_instance_id: the id of an Enterprise registry, on Huawei Cloud.
        :param swr_instance_domain: the Enterprise registry's domain, on Huawei Cloud.
        :raises RequestValidationError: a value breaks a rule of the cloud; nothing was sent.
        """
        from airflow_provider_modelarts.client import operations
        from airflow_provider_modelarts.client.models import CreateImageRequest

        request = CreateImageRequest.for_cloud(
            self.settings.cloud,
            notebook_id=notebook_id,
            name=name,
            namespace=namespace,
            tag=tag,
            description=description,
            workspace_id=self._workspace(workspace_id),
            swr_instance_id=swr_instance_id,
            swr_instance_domain=swr_instance_domain,
        )
        return self.call(operations.create_image(notebook_id, request))

    def create_image_once(
        self,
        key: IdempotencyKey,
        notebook_id: str,
        *,
        check_existing: bool,
        image_id_hint: str | None = None,
        if_exists: Literal["fail", "adopt"] = "fail",
        deadline: float | None = None,
        on_notebook: Callable[[Notebook], None] | None = None,
        name: str | None = None,
        namespace: str | None = None,
        tag: str | None = None,
        description: str | None = None,
        workspace_id: str | None = None,
        swr_instance_id: str | None = None,
        swr_instance_domain: str | None = None,
    ) -> tuple[Image, bool]:
        """
        Save a notebook with the fields of :meth:`create_image`, but never twice for one key.

        :param key: of the task that saves; source of the marker, and of the tag if none is given.
        :param check_existing: check for the image of an earlier try before the first create-image request.
        :param image_id_hint: the id that an earlier try stored; it is checked before it is used.
        :param if_exists: if another image has the tag, ``fail`` or ``adopt`` that image.
        :param deadline: epoch seconds after which no call is retried.
        :param on_notebook: called with the notebook if it is read, which only some errors make necessary.
        :return: the image, and whether an existing one is reused.
        :raises NotebookNotReadyError: the notebook is stopped or busy; a later try may succeed.
        :raises TagConflictError: another image has the tag.
        """
        from airflow_provider_modelarts.client.notebook_save import SaveRules

        saved = self.save_notebook(
            key,
            notebook_id,
            SaveRules(),
            check_existing=check_existing,
            image_id_hint=image_id_hint,
            if_exists=if_exists,
            deadline=deadline,
            on_notebook=on_notebook,
            name=name,
            namespace=namespace,
            tag=tag,
            description=description,
            workspace_id=workspace_id,
            swr_instance_id=swr_instance_id,
            swr_instance_domain=swr_instance_domain,
        )
        assert saved.image is not None  # noqa: S101 - only a rule skips a notebook
        return saved.image, saved.is_adopted

    def save_notebook(
        self,
        key: IdempotencyKey,
        notebook_id: str,
        rules: SaveRules,
        *,
        check_existing: bool,
        image_id_hint: str | None = None,
        if_exists: Literal["fail", "adopt"] = "fail",
        deadline: float | None = None,
        on_notebook: Callable[[Notebook], None] | None = None,
        workspace_id: str | None = None,
        **fields: str | None,
    ) -> Saved:
        """
        Save a notebook as :meth:`create_image_once` does, by the rules of a task; see :class:`NotebookSave`.

        :param rules: of which some need the notebook before the first create-image request.
        :param deadline: epoch seconds after which no request is retried.
        :param fields: of :meth:`create_image`.
        :return: the image, or why there is none, and the facts of the save.
        """
        from airflow_provider_modelarts.client.idempotent_create import IdempotentCreate
        from airflow_provider_modelarts.client.notebook_save import NotebookSave
        from airflow_provider_modelarts.transport import block_on

        creation = IdempotentCreate(
            self._modelarts,
            self.settings.cloud,
            notebook_id,
            key,
            if_exists=if_exists,
            deadline=deadline,
            on_notebook=on_notebook,
            **{**fields, "workspace_id": self._workspace(workspace_id)},
        )
        log.info(
            "Saving notebook %s as %s in %s (%s)",
            *(
                notebook_id,
                creation.request.describe(),
                self.settings.cloud.display_name,
                self.settings.endpoint,
            ),
        )
        save = NotebookSave(
            self._modelarts,
            creation,
            notebook_id,
            rules,
            workspace_id=self.settings.workspace_id,
            deadline=deadline,
            on_notebook=on_notebook,
        )
        return block_on(save.save(check_existing=check_existing, image_id_hint=image_id_hint))

    def get_image(self, image_id: str) -> Image:
        """
        Return an image, of any status.

        :param image_id: the image's id, a UUID.
        """
        from airflow_provider_modelarts.client import operations

        return self.call(operations.show_image(image_id))

    def list_images(
        self,
        *,
        name: str | None = None,
        name_fuzzy_match: bool = False,
        namespace: str | None = None,
        service_type: Literal["COMMON", "INFERENCE", "TRAIN", "DEV", "UNKNOWN"] | None = None,
        type: Literal["DEDICATED", "BUILD_IN"] = "DEDICATED",  # noqa: A002 - the API's word
        workspace_id: str | None = None,
        sort_dir: Literal["ASC", "DESC"] | None = None,
        sort_key: str | None = None,
        show_name: str | None = None,
        show_tag: str | None = None,
        limit: int = 200,
    ) -> list[Image]:
        """
        Return all images that match the filters, from all pages.

        :param name: the images' name.
        :param name_fuzzy_match: also match names that contain ``name``.
        :param namespace: the SWR organization.
        :param service_type: ``COMMON``, ``INFERENCE``, ``TRAIN``, ``DEV`` or ``UNKNOWN``.
        :param type: ``DEDICATED`` for saved and registered images, ``BUILD_IN`` for the service's own.
        :param workspace_id: the ModelArts workspace; by default the connection's.
        :param sort_dir: ``ASC`` or ``DESC``.
        :param sort_key: the field to sort by.
        :param show_name: passed to the API as it is.
        :param show_tag: passed to the API as it is.
        :param limit: images per page, at most; the result is not limited.
        """
        from airflow_provider_modelarts.client import operations

        return self.list_all(
            operations.list_images(
                name=name,
                name_fuzzy_match=name_fuzzy_match,
                namespace=namespace,
                service_type=service_type,
                type=type,
                workspace_id=self._workspace(workspace_id),
                sort_dir=sort_dir,
                sort_key=sort_key,
                show_name=show_name,
                show_tag=show_tag,
                limit=limit,
            )
        )

    def list_snapshots(self, notebook_id: str, *, workspace_id: str | None = None) -> list[Image]:
        """
        Return the images whose marker names a notebook, newest first; those of unknown age are last.

        :param notebook_id: the notebook's id.
        :param workspace_id: the ModelArts workspace; by default the connection's.
        :raises RequestValidationError: the id is not one that a marker can contain; nothing was sent.
        """
        from airflow_provider_modelarts.client.marker import check_notebook_id, snapshots_of

        check_notebook_id(notebook_id)
        return snapshots_of(notebook_id, self.list_images(workspace_id=workspace_id))

    def delete_image(self, image_id: str, *, delete_swr_image: bool = False) -> None:
        """
        Delete an image's record in ModelArts, whatever uses it; :meth:`remove_image` checks that first.

        :param image_id: the image's id, a UUID.
        :param delete_swr_image: also delete the tag in SWR, for good. Else it stays and can be registered.
        """
        from airflow_provider_modelarts.client import operations

        self.call(operations.delete_image(image_id, delete_swr_image=delete_swr_image))

    def register_image(
        self,
        swr_path: str,
        *,
        description: str | None = None,
        arch: str | None = None,
        workspace_id: str | None = None,
    ) -> Image:
        """
        Register an image that is in SWR, and return its new record.

        :param swr_path: the image's address, with its tag.
        :param description: the image's description.
        :param arch: ``X86_64`` (the service's default) or ``AARCH64``.
        :param workspace_id: the ModelArts workspace; by default the connection's.
        :raises NotFoundError: there is no such image in SWR.
        """
        from airflow_provider_modelarts.client import operations

        return self.call(
            operations.register_image(
                swr_path,
                description=description,
                arch=arch,
                workspace_id=self._workspace(workspace_id),
            )
        )
