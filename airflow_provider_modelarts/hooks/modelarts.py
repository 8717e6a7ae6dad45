"""The hook: one client of ModelArts, for workers and for triggers."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_modelarts.hooks.image_methods import ImageMethods
from airflow_provider_modelarts.hooks.imports import import_in_thread
from airflow_provider_modelarts.hooks.notebook_methods import NotebookMethods
from airflow_provider_modelarts.hooks.registry_methods import RegistryMethods
from airflow_provider_modelarts.hooks.retention_methods import RetentionMethods

if TYPE_CHECKING:
    from airflow_provider_modelarts.client.client import ModelArtsClient, Pollable
    from airflow_provider_modelarts.client.http_types import Operation
    from airflow_provider_modelarts.client.models import Image
    from airflow_provider_modelarts.client.notebooks import Notebook
    from airflow_provider_modelarts.hooks.blocking_client import BlockingClient
    from airflow_provider_modelarts.hooks.connection import Settings

T = TypeVar("T")
PollableT = TypeVar("PollableT", bound="Pollable")

# DAG files import the hook, so its own imports are few. These take some tens of milliseconds.
_IMPORTS = (
    "airflow_provider_modelarts.client.polled_resources",
    "airflow_provider_modelarts.hooks.poller_pool",
)
"""What a call or a wait on an event loop needs."""


class ModelArtsHook(ImageMethods, NotebookMethods, RegistryMethods, RetentionMethods, BaseHook):
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
        from airflow_provider_modelarts.hooks.clients import lookup_errors
        from airflow_provider_modelarts.hooks.connection import parse_connection

        with lookup_errors(self.modelarts_conn_id):
            return parse_connection(self.get_connection(self.modelarts_conn_id))

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the form's labels for Airflow 2.11 to 3.1; later versions read the provider info."""
        from airflow_provider_modelarts.hooks.connection_form import behaviour

        return behaviour()

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's fields for Airflow 2.11 to 3.1; later versions read the provider info."""
        from airflow_provider_modelarts.hooks.connection_form import widgets

        return widgets()

    def test_connection(self) -> tuple[bool, str]:
        """
        Test the connection by listing one image; changes nothing and takes some seconds at most.

        :return: whether it works, and a sentence with the result or with the cause and the remedy.
        """
        from airflow_provider_modelarts.exceptions import ModelArtsError
        from airflow_provider_modelarts.hooks.connection_test import SentRequests, diagnose, probe

        settings, sent = None, SentRequests()
        try:
            settings = self.settings
            probe(settings, sent)
        except ModelArtsError as error:
            return False, diagnose(error, settings, sent)
        return True, f"Connected to ModelArts at {settings.endpoint}; credentials accepted"

    def get_conn(self) -> BlockingClient:
        """Return the client of this connection, whose methods block: the hook itself."""
        _ = self._modelarts  # a wrong connection raises here, not at the first call
        return self

    @cached_property
    def _modelarts(self) -> ModelArtsClient:
        from airflow_provider_modelarts.hooks.clients import create_client, thread_lock
        from airflow_provider_modelarts.transport import BlockingTransport

        settings = self.settings
        transport = BlockingTransport(settings.transport_config)
        return create_client(settings, transport, lock=thread_lock(settings.identity))

    async def acall(self, operation: Operation[T], *, deadline: float | None = None) -> T:
        """
        Send one request from a trigger and return what the response is parsed to; see :meth:`call`.

        :param deadline: epoch seconds after which the request is not retried.
        """
        await import_in_thread(*_IMPORTS)
        from airflow_provider_modelarts.hooks.pool import run_shared

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
        Poll from a trigger until a resource is done; see :meth:`watch`. All triggers share one session.

        :param is_done: whether a response ends the wait.
        :param poll_interval: seconds between two polls.
        :param deadline: epoch seconds of the last poll.
        :param not_before: epoch seconds before which nothing is polled.
        :raises WaitTimeoutError: the deadline passed first; raised some seconds later, whatever hangs.
        """
        await import_in_thread(*_IMPORTS)
        from airflow_provider_modelarts.hooks.pool import watch_shared

        return await watch_shared(
            self.modelarts_conn_id,
            operation,
            is_done=is_done,
            poll_interval=poll_interval,
            deadline=deadline,
            not_before=not_before,
        )

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

        :param poll_interval: seconds between two polls.
        :param timeout: seconds until the last poll.
        :param deadline: epoch seconds of the last poll, in place of ``timeout``.
        :param not_before: epoch seconds before which nothing is polled.
        :param workspace_id: the workspace whose list contains the image; by default the connection's.
        :raises ImageFailedError: the image has failed.
        :raises WaitTimeoutError: the deadline passed first.
        """
        await import_in_thread(*_IMPORTS)
        from airflow_provider_modelarts.client.polled_resources import IMAGES
        from airflow_provider_modelarts.hooks.poller_pool import await_resource

        image = await await_resource(
            *(self.modelarts_conn_id, IMAGES, image_id),
            is_done=lambda image: not image.is_pending,
            workspace_id=workspace_id,
            poll_interval=poll_interval,
            deadline=time.time() + timeout if deadline is None else deadline,
            not_before=not_before,
        )
        return image.raise_for_status()

    async def await_verification(
        self, image: Image, *, poll_interval: float = 10, deadline: float, workspace_id: str | None = None
    ) -> dict[str, Any]:
        """
        Verify from a trigger that an image is in SWR; see :meth:`verify_image`.

        Transient errors are retried until the deadline.

        :param poll_interval: seconds after an error until the next try.
        :param deadline: epoch seconds.
        :param workspace_id: the workspace of the image, if its record has none.
        :raises WaitTimeoutError: the deadline passed first; raised some seconds later, whatever hangs.
        """
        await import_in_thread("airflow_provider_modelarts.hooks.verification")
        from airflow_provider_modelarts.hooks.verification import await_verification

        return await await_verification(
            self.modelarts_conn_id,
            image,
            workspace_id=workspace_id,
            poll_interval=poll_interval,
            deadline=deadline,
        )

    async def await_notebook(
        self,
        notebook_id: str,
        statuses: Collection[str] = ("RUNNING",),
        *,
        poll_interval: float = 10,
        timeout: float = 3600,
        deadline: float | None = None,
        not_before: float | None = None,
        workspace_id: str | None = None,
    ) -> Notebook:
        """
        Poll from a trigger until a notebook has one of some statuses; see :meth:`wait_for_notebook`.

        All waits for notebooks share one poll.

        :param poll_interval: seconds between two polls.
        :param timeout: seconds until the last poll.
        :param deadline: epoch seconds of the last poll, in place of ``timeout``.
        :param not_before: epoch seconds before which nothing is polled.
        :param workspace_id: the workspace whose list contains the notebook; by default the connection's.
        :raises NotebookFailedError: the notebook ended in another status.
        :raises WaitTimeoutError: the deadline passed first.
        """
        await import_in_thread(*_IMPORTS)
        from airflow_provider_modelarts.client.polled_resources import NOTEBOOKS
        from airflow_provider_modelarts.hooks.poller_pool import await_resource

        notebook = await await_resource(
            *(self.modelarts_conn_id, NOTEBOOKS, notebook_id),
            is_done=lambda notebook: notebook.ends_wait_for(statuses),
            workspace_id=workspace_id,
            poll_interval=poll_interval,
            deadline=time.time() + timeout if deadline is None else deadline,
            not_before=not_before,
        )
        return notebook.raise_unless_in(statuses)
