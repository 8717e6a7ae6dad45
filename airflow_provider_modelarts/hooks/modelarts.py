"""The hook: one conversation with ModelArts, for workers and for triggers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal, TypeVar

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient, Pollable
from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.idempotent_create import IdempotentCreate
from airflow_provider_modelarts.client.marker import IdempotencyKey, check_notebook_id, snapshots_of
from airflow_provider_modelarts.client.models import CreateImageRequest, Image, Notebook
from airflow_provider_modelarts.exceptions import ModelArtsError
from airflow_provider_modelarts.hooks.blocking import BlockingClient
from airflow_provider_modelarts.hooks.clients import create_client, lookup_errors, run_shared, watch_shared
from airflow_provider_modelarts.hooks.connection import Settings, parse_connection
from airflow_provider_modelarts.hooks.connection_form import behaviour, widgets
from airflow_provider_modelarts.hooks.connection_test import diagnose, probe
from airflow_provider_modelarts.transport import BlockingTransport, block_on

T = TypeVar("T")
PollableT = TypeVar("PollableT", bound=Pollable)


class ModelArtsHook(BaseHook):
    """
    Talk to ModelArts on Huawei Cloud or Open Telekom Cloud.

    Nothing happens before the first call: no connection is looked up and no socket is opened.
    Every operation of :mod:`airflow_provider_modelarts.client.operations` goes through :meth:`call` in a
    worker and :meth:`acall` in a trigger; the methods below them are short cuts for DAG authors.

    :param modelarts_conn_id: the Airflow connection to use.
    :param logger_name: Airflow's own, as every hook has it.
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
        What the connection says.

        :raises InvalidConnectionError: everything that is missing, unknown or contradictory.
        :raises ConnectionLookupError: Airflow did not give the connection.
        """
        with lookup_errors(self.modelarts_conn_id):
            return parse_connection(self.get_connection(self.modelarts_conn_id))

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return how Airflow 2.11 to 3.1 relabel the form; later ones read the provider info."""
        return behaviour()

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's own fields for Airflow 2.11 to 3.1; later ones read the provider info."""
        return widgets()

    def test_connection(self) -> tuple[bool, str]:
        """
        Try the connection by listing one image, and say what is wrong in one sentence.

        It changes nothing, and takes no longer than some seconds.
        """
        settings = None
        try:
            settings = self.settings
            probe(settings)
        except ModelArtsError as error:
            return False, diagnose(error, settings)
        return True, f"ModelArts answers at {settings.endpoint}, and knows who we are"

    def get_conn(self) -> BlockingClient:
        """Return the client of this connection, whose methods block."""
        return self._client

    @cached_property
    def _client(self) -> BlockingClient:
        return BlockingClient(self._modelarts)

    @cached_property
    def _modelarts(self) -> ModelArtsClient:
        return create_client(self.settings, BlockingTransport(self.settings.transport_config))

    def call(self, operation: Operation[T], *, deadline: float | None = None) -> T:
        """
        Make one call from a worker; what fails and is safe to repeat is tried again for two minutes.

        :param deadline: epoch seconds after which it is not tried again.
        :raises ModelArtsError: the class says what a caller can do about it.
        """
        return self._client.call(operation, deadline=deadline)

    async def acall(self, operation: Operation[T], *, deadline: float | None = None) -> T:
        """Make one call from a trigger; see :meth:`call`."""
        return await run_shared(
            self.modelarts_conn_id, lambda modelarts: modelarts.call(operation, deadline=deadline), deadline
        )

    def watch(
        self,
        operation: Operation[PollableT],
        *,
        is_done: Callable[[PollableT], bool],
        poll_interval: float,
        deadline: float,
        not_before: float | None = None,
    ) -> PollableT:
        """
        Poll from a worker until it is over, and return the last reply.

        :param poll_interval: seconds between polls.
        :param deadline: epoch seconds of the last poll.
        :param not_before: epoch seconds before which the service wants no poll.
        :raises WaitTimeoutError: it was not over by then.
        """
        return self._client.watch(
            operation, is_done=is_done, poll_interval=poll_interval, deadline=deadline, not_before=not_before
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
        Look from a trigger until it is over; see :meth:`watch`. A process's triggers share one session.

        :raises WaitTimeoutError: it was not over by then; some seconds later at most, whatever hangs.
        """
        return await watch_shared(
            self.modelarts_conn_id,
            operation,
            is_done=is_done,
            poll_interval=poll_interval,
            deadline=deadline,
            not_before=not_before,
        )

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

        The notebook is unavailable while it is saved, and nothing can cancel that. Which arguments are
        mandatory is the cloud's rule.

        :param notebook_id: the notebook's id, a UUID.
        :param name: of the image, its repository in SWR.
        :param namespace: the SWR organization that the image goes to.
        :param tag: of the image; a name and tag that exist are never overwritten.
        :param description: of the image.
        :param workspace_id: the ModelArts workspace; by default the connection's.
        :param swr_instance_id: an Enterprise registry, on Huawei Cloud.
        :param swr_instance_domain: the Enterprise registry's domain, on Huawei Cloud.
        :raises RequestValidationError: a value breaks a rule of the cloud's page; nothing was sent.
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
        """Return the connection's workspace where none is named; a blank name is refused later."""
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
        Save a notebook as :meth:`create_image` does, but never twice for one mark.

        :param key: of the task that saves; it goes into the description, and names the tag if none is given.
        :param notebook_id: as for :meth:`create_image`, like the fields.
        :param check_existing: an earlier try may have saved already.
        :param image_id_hint: of the image that an earlier try is remembered to have left; it is checked.
        :param if_exists: when the tag is somebody else's, ``fail`` or ``adopt``.
        :param deadline: epoch seconds after which no call is tried again.
        :param name: of the image, and so on.
        :return: the image, and whether it was there already.
        :raises NotebookNotReadyError: the notebook is stopped or busy; a later try may succeed.
        :raises TagConflictError: the tag is somebody else's.
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
        Return an image as it stands.

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
        Return all images that pass the filters, from all pages.

        :param name: of the images.
        :param name_fuzzy_match: whether the name may only contain ``name``.
        :param namespace: the SWR organization.
        :param service_type: ``COMMON``, ``INFERENCE``, ``TRAIN``, ``DEV`` or ``UNKNOWN``.
        :param type: ``DEDICATED`` for saved and registered images, ``BUILD_IN`` for the service's own.
        :param workspace_id: the ModelArts workspace; by default the connection's.
        :param sort_dir: ``ASC`` or ``DESC``.
        :param sort_key: the field to sort by.
        :param show_name: passed to the API as it is.
        :param show_tag: passed to the API as it is.
        :param limit: images on a page, at first; not of the result.
        """
        return self._client.list_all(
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
        Return a notebook's images, newest first; those of unknown age are last.

        They are known by the marker in their description, whichever task saved them, and are of any status.

        :param notebook_id: the notebook's id.
        :param workspace_id: the ModelArts workspace; by default the connection's.
        :raises RequestValidationError: no marker can hold this id; nothing was sent.
        """
        check_notebook_id(notebook_id)
        return snapshots_of(notebook_id, self.list_images(workspace_id=workspace_id))

    def delete_image(self, image_id: str, *, delete_swr_image: bool = False) -> None:
        """
        Delete an image's record in ModelArts.

        :param image_id: the image's id, a UUID.
        :param delete_swr_image: also delete its tag in SWR, which otherwise stays and goes on costing. That
            cannot be undone, while the record can be made again by registering the tag.
        """
        self.call(operations.delete_image(image_id, delete_swr_image=delete_swr_image))

    def get_notebook(self, notebook_id: str) -> Notebook:
        """
        Return a notebook as it stands.

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
        Return all notebooks that pass the filters, from all pages.

        :param feature: ``NOTEBOOK``, or ``DEFAULT`` for the free ones.
        :param name: part of the name: this filter is always fuzzy.
        :param owner: the id of the user that the notebook belongs to.
        :param pool_id: the dedicated resource pool.
        :param status: such as ``RUNNING``.
        :param workspace_id: the ModelArts workspace; by default the connection's.
        :param sort_dir: ``ASC`` or ``DESC``.
        :param sort_key: the field to sort by.
        :param all_users: everybody's notebooks; needs ``modelarts:notebook:listAllNotebooks``.
        :param limit: notebooks on a page, at first: 10, 20 or 50; not of the result.
        """
        return self._client.list_all(
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
