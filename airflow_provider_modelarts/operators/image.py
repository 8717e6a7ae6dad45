"""Saving a notebook as an image."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowTaskTimeout,
    BaseOperator,
    conf,
)

from airflow_provider_modelarts.arguments import (
    check_conn_id,
    check_execution_timeout,
    given,
    refuse_nothing,
    seconds,
)
from airflow_provider_modelarts.exceptions import (
    PERMANENT,
    FieldViolation,
    ModelArtsError,
    NotFoundError,
    RequestValidationError,
)
from airflow_provider_modelarts.links.console import ImageLink, NotebookLink
from airflow_provider_modelarts.templates import TextTemplates

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from typing_extensions import Unpack

    from airflow_provider_modelarts.airflow_arguments import OperatorArguments, Templated
    from airflow_provider_modelarts.client.models import Image
    from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook

IMAGE_ID_KEY = "image_id"

log = logging.getLogger(__name__)


class CreateNotebookImageOperator(TextTemplates, BaseOperator):
    """
    Save a running notebook as a container image.

    While it is saved, for minutes, the notebook is unavailable to its user; nothing can cancel that.
    Afterwards the notebook runs the saved image. Without ``wait_for_completion`` the task ends when
    ModelArts has accepted the save, which costs one request: let a ``NotebookImageSensor`` wait.

    XCom: ``image_id``, ``swr_path`` and, as ``return_value``, a dict with both and with
    ``notebook_id``, ``adopted`` (whether the image was there already), ``status``, ``name``,
    ``namespace``, ``tag``, ``workspace_id``, ``arch``, ``size``, ``created_at``, ``updated_at`` as far
    as ModelArts tells them.

    One run of the task saves once, whatever dies: the image has a marker in its description, such as
    ``[airflow:0123456789abcdef notebook:6fa459ea-ee8a-3ca4-894e-db77e160355e]``, of the task's identity and
    of the notebook. By it a retry, or a doubt about a lost reply, finds the image again.

    Clearing the task reuses the image of its run, on every Airflow. With ``on_clear="save_again"`` each clear
    saves once more: under a derived tag of its own, or under the given tag, with ``-`` and Airflow's
    ``max_tries`` behind it where the image of an earlier clear has the tag. The retries of a cleared run
    reuse the image that was saved since the clear.

    Which fields are mandatory, how long they may be and what they may hold is the cloud's rule; a
    value that breaks one fails the task before anything is sent. What no retry can mend, such as that or a
    missing permission, is not retried.

    A template always renders to text here. Where it renders to nothing, to blanks or to the word ``None``,
    an optional argument counts as not given; ``notebook_id``, ``name`` and ``namespace`` are refused then.

    :param notebook_id: the notebook to save; it must be running. (templated)
    :param name: of the image, its repository in SWR. Mandatory on Huawei Cloud. (templated)
    :param namespace: the SWR organization that the image goes to. Mandatory on Huawei Cloud. (templated)
    :param tag: of the image; a name and tag that exist are never overwritten. By default one that is
        derived from the run. (templated)
    :param description: of the image; the marker, of 72 characters, is put behind it after a space, and all
        together may have 512: 439 are left. (templated)
    :param workspace_id: the ModelArts workspace; by default the connection's, then ``0``. (templated)
    :param swr_instance_id: an Enterprise registry, on Huawei Cloud. (templated)
    :param swr_instance_domain: the Enterprise registry's domain, on Huawei Cloud. (templated)
    :param if_exists: when the name and tag are taken, ``fail`` or ``adopt`` the image that has them, as
        long as it is ACTIVE or still being saved and its marker names no other notebook.
    :param on_clear: when the task is cleared, ``adopt`` the image of its run, or ``save_again``.
    :param wait_for_completion: wait until the image is ACTIVE.
    :param deferrable: wait in the triggerer instead of a worker slot.
    :param poll_interval: seconds between looks.
    :param timeout: seconds to wait; the save goes on when they are over.
    :param modelarts_conn_id: the Airflow connection to use. (templated)
    """

    template_fields: Sequence[str] = (
        "notebook_id",
        "name",
        "namespace",
        "tag",
        "description",
        "workspace_id",
        "swr_instance_id",
        "swr_instance_domain",
        "modelarts_conn_id",
    )
    text_fields = template_fields
    operator_extra_links = (NotebookLink(), ImageLink())
    ui_color = "#cfe5f7"

    def __init__(
        self,
        *,
        notebook_id: Templated,
        name: Templated | None = None,
        namespace: Templated | None = None,
        tag: Templated | None = None,
        description: Templated | None = None,
        workspace_id: Templated | None = None,
        swr_instance_id: Templated | None = None,
        swr_instance_domain: Templated | None = None,
        if_exists: Literal["fail", "adopt"] = "fail",
        on_clear: Literal["adopt", "save_again"] = "adopt",
        wait_for_completion: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | timedelta = 15,
        timeout: float | timedelta = 3600,
        modelarts_conn_id: Templated = "modelarts_default",
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(**kwargs)
        check_execution_timeout(self.execution_timeout)
        self.notebook_id = notebook_id
        self.name = name
        self.namespace = namespace
        self.tag = tag
        self.description = description
        self.workspace_id = workspace_id
        self.swr_instance_id = swr_instance_id
        self.swr_instance_domain = swr_instance_domain
        self.if_exists = if_exists
        self.on_clear = on_clear
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = seconds("poll_interval", poll_interval)
        self.timeout = seconds("timeout", timeout)
        self.modelarts_conn_id: Any = modelarts_conn_id  # a string once it is rendered
        self._image_id: str | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Save the notebook and, if asked to, wait."""
        try:
            return self._save_and_wait(context)
        except PERMANENT as error:
            raise AirflowFailException(str(error)) from error

    def _save_and_wait(self, context: Context) -> dict[str, Any]:
        from airflow_provider_modelarts.results import push_image_xcoms

        check_conn_id(self.modelarts_conn_id)
        refuse_nothing(notebook_id=self.notebook_id, name=self.name, namespace=self.namespace)
        ti = context["ti"]
        ti.xcom_push(key=NotebookLink.xcom_key, value=self.hook.settings.notebooks_url)
        image, adopted = self._save(context)
        self._image_id = image.id
        ti.xcom_push(key=ImageLink.xcom_key, value=self.hook.settings.images_url)
        passthrough = {"notebook_id": self.notebook_id, "adopted": adopted}
        # Before any wait: whatever becomes of this task, the id of what it started is known.
        result = push_image_xcoms(context, {**image.to_xcom(), **passthrough})
        if self.wait_for_completion:
            return push_image_xcoms(context, {**self._wait(image, passthrough).to_xcom(), **passthrough})
        return result

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Go on when the trigger has seen the end."""
        from airflow_provider_modelarts.triggers.events import complete

        try:
            return complete(self, context, event)
        except PERMANENT as error:
            raise AirflowFailException(str(error)) from error

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after the wait, and name it where it is Airflow that ended it."""
        from airflow_provider_modelarts.triggers.deferral import ENDED_BY_AIRFLOW

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowException as error:
            if next_method != ENDED_BY_AIRFLOW:
                raise
            waited = f"Waiting in the triggerer for the image of notebook {self.notebook_id} ended"
            raise type(error)(f"{waited} (up to {self.timeout:.0f} s were given): {error}") from error

    def on_kill(self) -> None:
        """Say what goes on: nothing can cancel a save."""
        known = f"image {self._image_id}" if self._image_id else "its image, if it was accepted"
        self.log.warning(
            "The save of notebook %s cannot be cancelled and goes on as %s; the next try adopts it",
            self.notebook_id,
            known,
        )

    def _save(self, context: Context) -> tuple[Image, bool]:
        """Return the image, and whether it was there already."""
        from airflow_provider_modelarts.client.marker import IdempotencyKey

        if self.on_clear not in ("adopt", "save_again"):
            raise RequestValidationError(
                [FieldViolation("on_clear", "must be 'adopt' or 'save_again'", self.on_clear)]
            )
        ti = context["ti"]
        map_index = -1 if ti.map_index is None else ti.map_index
        is_retry = ti.try_number > 1
        image, adopted = self.hook.create_image_once(
            # Not compared with the task's retries, which may be edited between two tries.
            IdempotencyKey(
                *(ti.dag_id, ti.task_id, ti.run_id, map_index),
                max_tries=ti.max_tries if self.on_clear == "save_again" else None,
            ),
            given(self.notebook_id),
            check_existing=is_retry,
            image_id_hint=load_image_id(context) if is_retry else None,
            if_exists=self.if_exists,
            deadline=time.time() + self.execution_timeout.total_seconds() if self.execution_timeout else None,
            name=given(self.name),
            namespace=given(self.namespace),
            tag=given(self.tag),
            description=given(self.description),
            workspace_id=given(self.workspace_id),
            swr_instance_id=given(self.swr_instance_id),
            swr_instance_domain=given(self.swr_instance_domain),
        )
        store_image_id(context, image.id)
        self.log.info("Notebook %s. %s: %s", self.notebook_id, image.describe(), image.swr_path)
        return image, adopted

    def _wait(self, image: Image, passthrough: dict[str, Any]) -> Image:
        """Return the image when it is ACTIVE, or defer until then."""
        if self.deferrable:
            return self._poll_or_defer(image, passthrough)
        last = image

        def on_poll(polled: Image) -> None:
            nonlocal last
            last = polled

        began = time.monotonic()
        try:
            return self.hook.wait_for_image(
                image.id, poll_interval=self.poll_interval, timeout=self.timeout, on_poll=on_poll
            )
        except AirflowTaskTimeout as error:
            raise AirflowTaskTimeout(
                f"execution_timeout: Timed out after {time.monotonic() - began:.0f} s waiting for image "
                f"{image.id}: last status {last.status}. {error}"
            ) from error

    def _poll_or_defer(self, image: Image, passthrough: dict[str, Any]) -> Image:
        """Return the image if it is ACTIVE at the first poll: such a save never visits the triggerer."""
        retry_after = None
        try:
            polled = self.hook.try_get_image(image.id)
        except ModelArtsError as error:
            # What the service reads may lag behind, so an image that is not found may only be new.
            if not (error.is_transient or isinstance(error, NotFoundError)):
                raise
            self.log.warning("Poll failed, the triggerer will retry: %s", error)
            retry_after = error.retry_after
        else:
            if not polled.is_pending:
                return polled
        from airflow_provider_modelarts.triggers.deferral import defer_until_active

        return defer_until_active(
            self,
            image_id=image.id,
            poll_interval=self.poll_interval,
            retry_after=retry_after,
            passthrough=passthrough,
        )

    @cached_property
    def hook(self) -> ModelArtsHook:
        """The hook of ``modelarts_conn_id``."""
        from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook

        return ModelArtsHook(self.modelarts_conn_id)


# What a task remembers from one try to the next, where Airflow keeps it: the task state store of 3.3 and
# later. Until 3.4 it outlives a clear, so what is remembered is a hint and no proof; and a task must not fail
# for want of it.


def load_image_id(context: Context) -> str | None:
    """Return the id of the image that an earlier try left, if one is remembered."""
    store = context.get("task_state_store")
    if store is None:
        return None
    try:
        known = store.get(IMAGE_ID_KEY)
    except Exception as error:  # noqa: BLE001 - whatever Airflow raises, the image can still be looked for
        log.warning("The task state store cannot be read, so the image is looked for: %s", error)
        return None
    return known if isinstance(known, str) else None


def store_image_id(context: Context, image_id: str) -> None:
    """Keep the id of the image that this try left."""
    store = context.get("task_state_store")
    if store is None:
        return
    try:
        store.set(IMAGE_ID_KEY, image_id)
    except Exception as error:  # noqa: BLE001 - whatever Airflow raises, the image has its marker
        log.warning("Image %s is not remembered in the task state store: %s", image_id, error)
