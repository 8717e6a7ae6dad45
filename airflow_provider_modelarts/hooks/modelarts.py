"""The hook: one client of ModelArts, for workers and for triggers."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal, TypeVar

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import NO_RETRY, ModelArtsClient, Pollable
from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.idempotent_create import IdempotentCreate
from airflow_provider_modelarts.client.marker import IdempotencyKey, check_notebook_id, snapshots_of
from airflow_provider_modelarts.client.models import CreateImageRequest, Image, Notebook
from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.hooks.clients import BlockingClient, create_client, lookup_errors
from airflow_provider_modelarts.hooks.connection import Settings, parse_connection
from airflow_provider_modelarts.hooks.connection_form import behaviour, widgets
from airflow_provider_modelarts.hooks.connection_test import diagnose, probe
from airflow_provider_modelarts.hooks.pool import run_shared, watch_shared
from airflow_provider_modelarts.transport import BlockingTransport, block_on

T = TypeVar("T")
PollableT = TypeVar("PollableT", bound=Pollable)


class ModelArtsHook(BlockingClient, BaseHook):
    """
    Call ModelArts on Huawei Cloud or Open Telekom Cloud.

    Nothing happens before the first call: there is no connection lookup and no open socket.
    :meth:`call` (in a worker) and :meth:`acall` (in a trigger) take every operation of
    :mod:`airflow_provider_modelarts.client.operations`; the other methods are shortcuts.

    :param modelarts_conn_id: the Airflow connection to use.
    :param logger_name: the logger to use, as for every hook of Airflow.
    """

    conn_name_attr = "modelarts_conn_id"
    default_conn_name = "modelarts_default"
    conn_type = "modelarts"
    hook_name = "ModelArts"

    def __init__(self, modelarts_conn_id: str = default_conn_name, *, logger_name: str | None = None) -> None:
        super().__init__(logger_name)
        self.modelarts_conn_id = modelarts_conn_id

    @cached_property
    def settings(self) -> Settings:
        """
        The connection's checked fields; one lookup per hook.

        :raises InvalidConnectionError: fields are missing, unknown or contradictory; all are named.
        :raises ConnectionLookupError: Airflow did not return the connection.
        """
        with lookup_errors(self.modelarts_conn_id):
            return parse_connection(self.get_connection(self.modelarts_conn_id))

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the form's labels for Airflow 2.11 to 3.1; later versions read the provider info."""
        return behaviour()

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's fields for Airflow 2.11 to 3.1; later versions read the provider info."""
        return widgets()

    def test_connection(self) -> tuple[bool, str]:
        """
        Test the connection by listing one image; changes nothing and takes some seconds at most.

        :return: whether it works, and a sentence with the result or with the cause and the remedy.
        """
        settings = None
        try:
            settings = self.settings
            probe(settings)
        except ModelArtsError as error:
            return False, diagnose(error, settings)
        return True, f"Connected to ModelArts at {settings.endpoint}; credentials accepted"

    def get_conn(self) -> BlockingClient:
        """Return the client of this connection, whose methods block: the hook itself."""
        _ = self._modelarts  # a wrong connection raises here, not at the first call
        return self

    @cached_property
    def _modelarts(self) -> ModelArtsClient:
        return create_client(self.settings, BlockingTransport(self.settings.transport_config))

    async def acall(self, operation: Operation[T], *, deadline: float | None = None) -> T:
        """Make one call from a trigger; see :meth:`call`."""
        return await run_shared(
            self.modelarts_conn_id, lambda modelarts: modelarts.call(operation, deadline=deadline), deadline
        )

    async def awatch(
        self,
        operation: Operation[PollableT],
        *,
        is_done: Callable[[PollableT], bool],
        poll_interval: float,
        deadline: float,
        not_before: float | None = None,
    ) -> PollableT:
        """
        Poll from a trigger; see :meth:`watch`. The triggers of a process share one session.

        :raises WaitTimeoutError: the deadline passed first; raised some seconds later, whatever hangs.
        """
        return await watch_shared(
            self.modelarts_conn_id,
            operation,
            is_done=is_done,
            poll_interval=poll_interval,
            deadline=deadline,
            not_before=not_before,
        )

    def wait_for_image(
        self,
        image_id: str,
        *,
        poll_interval: float = 10,
        timeout: float = 3600,
        on_poll: Callable[[Image], None] | None = None,
    ) -> Image:
        """
        Poll from a worker until an image is ACTIVE, and return it.

        :param poll_interval: seconds between polls.
        :param timeout: seconds to wait.
        :param on_poll: called with the image after each successful poll.
        :raises ImageFailedError: the image failed or was deleted.
        :raises WaitTimeoutError: the image was not ACTIVE in time.
        """

        def is_done(image: Image) -> bool:
            if on_poll is not None:
                on_poll(image)
            return not image.is_pending

        return self.watch(
            operations.show_image(image_id),
            is_done=is_done,
            poll_interval=poll_interval,
            deadline=time.time() + timeout,
        ).raise_for_status()

    async def await_image(
        self,
        image_id: str,
        *,
        poll_interval: float = 10,
        timeout: float = 3600,
        deadline: float | None = None,
        not_before: float | None = None,
        workspace_id: str | None = None,
    ) -> Image:
        """
        Poll from a trigger until an image is ACTIVE; see :meth:`wait_for_image`. All waits share one poll.

        :param deadline: epoch seconds of the last poll, in place of ``timeout``.
        :param not_before: as for :meth:`watch`.
        :param workspace_id: the workspace whose list contains the image; by default the connection's.
        """
        from airflow_provider_modelarts.hooks.poller_pool import await_image

        end = time.time() + timeout if deadline is None else deadline
        target = self.modelarts_conn_id, image_id, workspace_id
        waiting = await_image(*target, poll_interval=poll_interval, deadline=end, not_before=not_before)
        return (await waiting).raise_for_status()

    def try_get_image(self, image_id: str) -> Image:
        """
        Return an image that is pending or ACTIVE, with one request and no retry.

        :raises ImageFailedError: the image failed or was deleted.
        """
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

    def _workspace(self, workspace_id: str | None) -> str | None:
        """Return the connection's workspace if none is given; a blank one is refused later."""
        return self.settings.workspace_id if workspace_id is None else workspace_id

    def create_image_once(
        self,
        key: IdempotencyKey,
        notebook_id: str,
        *,
        check_existing: bool,
        image_id_hint: str | None = None,
        if_exists: Literal["fail", "adopt"] = "fail",
        deadline: float | None = None,
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
        :return: the image, and whether an existing one is reused.
        :raises NotebookNotReadyError: the notebook is stopped or busy; a later try may succeed.
        :raises TagConflictError: another image has the tag.
        """
        creation = IdempotentCreate(
            self._modelarts,
            self.settings.cloud,
            notebook_id,
            key,
            if_exists=if_exists,
            deadline=deadline,
            name=name,
            namespace=namespace,
            tag=tag,
            description=description,
            workspace_id=self._workspace(workspace_id),
            swr_instance_id=swr_instance_id,
            swr_instance_domain=swr_instance_domain,
        )
        return block_on(creation.save(check_existing=check_existing, image_id_hint=image_id_hint))

    def get_image(self, image_id: str) -> Image:
        """
        Return an image, of any status.

        :param image_id: the image's id, a UUID.
        """
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
        limit: int = operations.IMAGES_PER_PAGE,
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
        check_notebook_id(notebook_id)
        return snapshots_of(notebook_id, self.list_images(workspace_id=workspace_id))

    def delete_image(self, image_id: str, *, delete_swr_image: bool = False) -> None:
        """
        Delete an image's record in ModelArts.

        :param image_id: the image's id, a UUID.
        :param delete_swr_image: also delete the tag in SWR, for good. Else it stays and can be registered.
        """
        self.call(operations.delete_image(image_id, delete_swr_image=delete_swr_image))

    def get_notebook(self, notebook_id: str) -> Notebook:
        """
        Return a notebook, of any status.

        :param notebook_id: the notebook's id, a UUID.
        """
        return self.call(operations.show_notebook(notebook_id))

    def list_notebooks(
        self,
        *,
        feature: Literal["NOTEBOOK", "DEFAULT"] = "NOTEBOOK",
        name: str | None = None,
        owner: str | None = None,
        pool_id: str | None = None,
        status: str | None = None,
        workspace_id: str | None = None,
        sort_dir: Literal["ASC", "DESC"] | None = None,
        sort_key: str | None = None,
        all_users: bool = False,
        limit: Literal[10, 20, 50] = 50,
    ) -> list[Notebook]:
        """
        Return all notebooks that match the filters, from all pages.

        :param feature: ``NOTEBOOK``, or ``DEFAULT`` for the free ones.
        :param name: part of the name; the API matches it anywhere in the name.
        :param owner: the id of the user who owns the notebook.
        :param pool_id: the dedicated resource pool.
        :param status: such as ``RUNNING``.
        :param workspace_id: the ModelArts workspace; by default the connection's.
        :param sort_dir: ``ASC`` or ``DESC``.
        :param sort_key: the field to sort by.
        :param all_users: list all users' notebooks; needs ``modelarts:notebook:listAllNotebooks``.
        :param limit: notebooks per page, at most: 10, 20 or 50; the result is not limited.
        """
        return self.list_all(
            operations.list_notebooks(
                feature=feature,
                name=name,
                owner=owner,
                pool_id=pool_id,
                status=status,
                workspace_id=self._workspace(workspace_id),
                sort_dir=sort_dir,
                sort_key=sort_key,
                all_users=all_users,
                limit=limit,
            )
        )
