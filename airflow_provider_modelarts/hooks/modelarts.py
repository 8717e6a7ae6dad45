"""The hook: one conversation with ModelArts, for workers and for triggers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import cached_property
from typing import Any, TypeVar

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_modelarts.client import calls
from airflow_provider_modelarts.client.errors import DeadlinePassed, ModelArtsError, NotAuthenticated
from airflow_provider_modelarts.client.modelarts import ONCE, ModelArts, Watched
from airflow_provider_modelarts.client.models import CreateImageRequest, Image, Notebook
from airflow_provider_modelarts.client.saving import Mark, Saving
from airflow_provider_modelarts.client.wire import Call
from airflow_provider_modelarts.hooks.connection import Settings, settings_of
from airflow_provider_modelarts.hooks.conversation import (
    conversations,
    converse,
    look_ups,
    lookup_errors,
)
from airflow_provider_modelarts.hooks.diagnosis import diagnose, probe
from airflow_provider_modelarts.hooks.form import behaviour, widgets
from airflow_provider_modelarts.transport import BlockingTransport, block_on

T = TypeVar("T")
Seen = TypeVar("Seen", bound=Watched)

DEADLINE_GRACE = 15.0
"""Seconds after its deadline at which a wait in a trigger ends, whatever hangs."""
CANCEL_GRACE = 1.0
"""Seconds that what is cancelled has to clean up."""


class ModelArtsHook(BaseHook):
    """
    Talk to ModelArts on Huawei Cloud or Open Telekom Cloud.

    Nothing happens before the first call: no connection is looked up and no socket is opened.
    Every operation of :mod:`airflow_provider_modelarts.client.calls` goes through :meth:`call` in a
    worker and :meth:`acall` in a trigger; the methods below them are short cuts for DAG authors.

    :param modelarts_conn_id: the Airflow connection to use.
    """

    conn_name_attr = "modelarts_conn_id"
    default_conn_name = "modelarts_default"
    conn_type = "modelarts"
    hook_name = "ModelArts"

    def __init__(self, modelarts_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.modelarts_conn_id = modelarts_conn_id

    @cached_property
    def settings(self) -> Settings:
        """
        What the connection says.

        :raises InvalidConnection: everything that is missing, unknown or contradictory.
        :raises ConnectionLookupError: Airflow did not give the connection.
        """
        with lookup_errors(self.modelarts_conn_id):
            return settings_of(self.get_connection(self.modelarts_conn_id))

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

    def get_conn(self) -> ModelArts:
        """Return the conversation itself."""
        return self._modelarts

    @cached_property
    def _modelarts(self) -> ModelArts:
        return converse(self.settings, BlockingTransport(self.settings.route))

    def call(self, call: Call[T], *, deadline: float | None = None) -> T:
        """
        Make one call from a worker; what fails and is safe to repeat is tried again for two minutes.

        :param deadline: epoch seconds after which it is not tried again.
        :raises ModelArtsError: the class says what a caller can do about it.
        """
        return block_on(self._modelarts.call(call, deadline=deadline))

    async def acall(self, call: Call[T], *, deadline: float | None = None) -> T:
        """Make one call from a trigger; see :meth:`call`."""
        return await self._ashared(lambda modelarts: modelarts.call(call, deadline=deadline), deadline)

    def watch(
        self,
        call: Call[Seen],
        *,
        is_over: Callable[[Seen], bool],
        poll_interval: float,
        deadline: float,
    ) -> Seen:
        """
        Look from a worker until it is over, and return what was seen last.

        :param poll_interval: seconds between looks.
        :param deadline: epoch seconds of the last look.
        :raises DeadlinePassed: it was not over by then.
        """
        return block_on(
            self._modelarts.watch(call, is_over=is_over, poll_interval=poll_interval, deadline=deadline)
        )

    async def awatch(
        self,
        call: Call[Seen],
        *,
        is_over: Callable[[Seen], bool],
        poll_interval: float,
        deadline: float,
    ) -> Seen:
        """
        Look from a trigger until it is over; see :meth:`watch`. A process's triggers share one session.

        :raises DeadlinePassed: it was not over by then; some seconds later at most, whatever hangs.
        """
        last: Seen | None = None

        def is_over_now(seen: Seen) -> bool:
            nonlocal last
            last = seen
            return is_over(seen)

        began = time.monotonic()
        waiting = self._ashared(
            lambda modelarts: modelarts.watch(
                call, is_over=is_over_now, poll_interval=poll_interval, deadline=deadline
            ),
            deadline,
        )
        try:
            return await _bounded(waiting, max(0.0, deadline - time.time()) + DEADLINE_GRACE)
        except _StillRunningError:
            state = last.describe() if last else "nothing, because no poll succeeded"
            raise DeadlinePassed(
                f"Timed out after {time.monotonic() - began:.0f} s in {call.operation} ({call.method} "
                f"{call.path}). Last seen: {state}. The last step did not end: the connection's lookup, a "
                "login, a thread or the network hangs"
            ) from None

    async def _ashared(self, talk: Callable[[ModelArts], Awaitable[T]], deadline: float | None = None) -> T:
        """Talk through what this process shares; look the connection up again if its key was changed."""
        began = time.monotonic()
        async with look_ups.use(self.modelarts_conn_id) as look_up:
            settings = await look_up.settings(deadline=deadline)
            while True:
                async with conversations.use(settings) as modelarts:
                    try:
                        return await talk(modelarts)
                    except NotAuthenticated:
                        # Others may have looked it up for the same reason already: once is enough.
                        after = max(began, modelarts.refused_at)
                        found = await look_up.settings(after=after, deadline=deadline)
                        if found == settings:
                            raise
                settings = found

    def create_image(self, notebook_id: str, **fields: str | None) -> Image:
        """
        Save a running notebook as an image.

        The notebook is unavailable while it is saved, and nothing can cancel that.

        :param notebook_id: the notebook's id, a UUID.
        :param fields: ``name``, ``namespace``, ``tag``, ``description``, ``workspace_id``,
            ``swr_instance_id``, ``swr_instance_domain``; which are mandatory is the cloud's rule.
        :raises InvalidRequest: a value breaks a rule of the cloud's page; nothing was sent.
        """
        return self.call(calls.create_image(notebook_id, self._image_request(notebook_id, fields)))

    def _image_request(self, notebook_id: str, fields: dict[str, str | None]) -> CreateImageRequest:
        given = self._in_workspace(fields)
        return CreateImageRequest.for_cloud(self.settings.cloud, notebook_id=notebook_id, **given)

    def _in_workspace(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the fields with the connection's workspace where they name none; a blank name is refused."""
        named = fields.get("workspace_id")
        return {**fields, "workspace_id": self.settings.workspace_id if named is None else named}

    def save_once(
        self,
        mark: Mark,
        *,
        look_first: bool,
        known_id: str | None = None,
        if_exists: str = "fail",
        deadline: float | None = None,
        **fields: str | None,
    ) -> tuple[Image, bool]:
        """
        Save a notebook as :meth:`create_image` does, but never twice for one mark.

        :param mark: of the task that saves; it goes into the description, and names the tag if none is given.
        :param look_first: an earlier try may have saved already.
        :param known_id: of the image that an earlier try is remembered to have left; it is checked.
        :param if_exists: when the tag is somebody else's, ``fail`` or ``adopt``.
        :param deadline: epoch seconds after which no call is tried again.
        :return: the image, and whether it was there already.
        :raises NotebookNotReady: the notebook is stopped or busy; a later try may succeed.
        :raises TagTaken: the tag is somebody else's.
        """
        tag = mark.tag() if fields.get("tag") is None else fields["tag"]
        request = self._image_request(mark.notebook_id, {**fields, "tag": tag})
        marked = request.model_copy(update={"description": mark.describe(request.description)})
        saving = Saving(self._modelarts, marked, mark, if_exists=if_exists, deadline=deadline)
        return block_on(saving.save(look_first=look_first, known_id=known_id))

    def get_image(self, image_id: str) -> Image:
        """Look at an image."""
        return self.call(calls.show_image(image_id))

    def peek_image(self, image_id: str) -> Image | None:
        """Look at an image once, before a longer wait; None when that failed in a way that passes."""
        try:
            return self.call(calls.show_image(image_id), deadline=ONCE)
        except ModelArtsError as error:
            if not error.is_transient:
                raise
            self.log.warning("This look failed, the next one may not: %s", error)
            return None

    def list_images(self, **filters: Any) -> list[Image]:
        """
        List all images that pass the filters.

        :param filters: of :func:`airflow_provider_modelarts.client.calls.list_images`; without
            ``workspace_id`` the connection's, as in :meth:`create_image`.
        """
        return block_on(self._modelarts.collect(calls.list_images(**self._in_workspace(filters))))

    def delete_image(self, image_id: str, *, delete_swr_image: bool = True) -> None:
        """
        Delete an image.

        :param delete_swr_image: also delete its tag in SWR, which otherwise stays and goes on costing.
        """
        self.call(calls.delete_image(image_id, delete_swr_image=delete_swr_image))

    def get_notebook(self, notebook_id: str) -> Notebook:
        """Look at a notebook."""
        return self.call(calls.show_notebook(notebook_id))

    def list_notebooks(self, **filters: Any) -> list[Notebook]:
        """
        List all notebooks that pass the filters.

        :param filters: of :func:`airflow_provider_modelarts.client.calls.list_notebooks`.
        """
        return block_on(self._modelarts.collect(calls.list_notebooks(**filters)))


class _StillRunningError(Exception):
    """What was to be done by now is not."""


async def _bounded(coroutine: Coroutine[Any, Any, T], seconds: float) -> T:
    """
    Return what a coroutine returns, if it does so in time.

    Not :func:`asyncio.wait_for`, which waits for what it cancels: that may be what hangs.
    """
    task = asyncio.ensure_future(coroutine)
    task.add_done_callback(
        lambda task: task.cancelled() or task.exception()
    )  # is looked at, even if too late
    try:
        done, _ = await asyncio.wait([task], timeout=seconds)
        if done:
            return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=CANCEL_GRACE)
    raise _StillRunningError
