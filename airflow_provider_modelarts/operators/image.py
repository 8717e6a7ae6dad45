"""Saving a notebook as an image."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator, conf

from airflow_provider_modelarts.client.errors import InvalidConnection, InvalidRequest, TagTaken
from airflow_provider_modelarts.links.console import ImageLink, NotebookLink
from airflow_provider_modelarts.operators.memory import recall, remember

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_modelarts.client.models import Image
    from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook


class CreateNotebookImageOperator(BaseOperator):
    """
    Save a running notebook as a container image.

    While it is saved, for minutes, the notebook is unavailable to its user; nothing can cancel that.
    Afterwards the notebook runs the saved image. Without ``wait_for_completion`` the task ends when
    ModelArts has accepted the save, which costs one request: let a ``NotebookImageSensor`` wait.

    XCom: ``image_id``, ``swr_path`` and, as ``return_value``, a dict with both and with
    ``notebook_id``, ``adopted`` (whether the image was there already), ``status``, ``name``,
    ``namespace``, ``tag``, ``workspace_id``, ``arch``, ``size``, ``created_at``, ``updated_at`` as far
    as ModelArts tells them.

    One run of the task saves once, whatever dies: the image bears a mark of dag, task, run, map index
    and notebook in its description, by which a retry, or a doubt about a lost reply, finds it again.

    Which fields are mandatory, how long they may be and what they may hold is the cloud's rule; a
    value that breaks one fails the task before anything is sent.

    :param notebook_id: the notebook to save; it must be running. (templated)
    :param name: of the image, its repository in SWR. Mandatory on Huawei Cloud. (templated)
    :param namespace: the SWR organization that the image goes to. Mandatory on Huawei Cloud. (templated)
    :param tag: of the image; a name and tag that exist are never overwritten. By default one that is
        derived from the run. (templated)
    :param description: of the image; the task's mark, of 26 characters, is put behind it, and both
        together may have 512. (templated)
    :param workspace_id: the ModelArts workspace; by default the connection's, then ``0``. (templated)
    :param swr_instance_id: an Enterprise registry, on Huawei Cloud. (templated)
    :param swr_instance_domain: the Enterprise registry's domain, on Huawei Cloud. (templated)
    :param if_exists: when the name and tag are taken, ``fail`` or ``adopt`` the image that has them, as
        long as it is ACTIVE or still being saved. (templated)
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
        "if_exists",
        "modelarts_conn_id",
    )
    operator_extra_links = (NotebookLink(), ImageLink())
    ui_color = "#cfe5f7"

    def __init__(
        self,
        *,
        notebook_id: str,
        name: str | None = None,
        namespace: str | None = None,
        tag: str | None = None,
        description: str | None = None,
        workspace_id: str | None = None,
        swr_instance_id: str | None = None,
        swr_instance_domain: str | None = None,
        if_exists: str = "fail",
        wait_for_completion: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float | timedelta = 15,
        timeout: float | timedelta = 3600,
        modelarts_conn_id: str = "modelarts_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.notebook_id = notebook_id
        self.name = name
        self.namespace = namespace
        self.tag = tag
        self.description = description
        self.workspace_id = workspace_id
        self.swr_instance_id = swr_instance_id
        self.swr_instance_domain = swr_instance_domain
        self.if_exists = if_exists
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = _seconds("poll_interval", poll_interval)
        self.timeout = _seconds("timeout", timeout)
        self.modelarts_conn_id = modelarts_conn_id
        self._image_id: str | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Save the notebook and, if asked to, wait."""
        from airflow_provider_modelarts.triggers.wait import hand_on

        ti = context["ti"]
        try:
            ti.xcom_push(key=NotebookLink.xcom_key, value=self._hook.settings.notebooks_url)
            image, adopted = self._save(context)
        except (InvalidRequest, InvalidConnection, TagTaken) as error:
            raise AirflowFailException(str(error)) from error
        self._image_id = image.id
        ti.xcom_push(key=ImageLink.xcom_key, value=self._hook.settings.images_url)
        carry = {"notebook_id": self.notebook_id, "adopted": adopted}
        # Before any wait: whatever becomes of this task, the id of what it started is known.
        result = hand_on(context, {**image.summary(), **carry})
        if self.wait_for_completion:
            return hand_on(context, {**self._wait(image, carry).summary(), **carry})
        return result

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Go on when the trigger has seen the end."""
        from airflow_provider_modelarts.triggers.wait import resume

        return resume(self, context, event)

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
        from airflow_provider_modelarts.client.saving import Mark

        if self.if_exists not in ("fail", "adopt"):
            raise InvalidRequest(f"if_exists must be 'fail' or 'adopt', not {self.if_exists!r}")
        ti = context["ti"]
        map_index = -1 if ti.map_index is None else ti.map_index
        is_retry = ti.try_number > 1
        image, adopted = self._hook.save_once(
            Mark(self.notebook_id, ti.dag_id, ti.task_id, ti.run_id, map_index),
            look_first=is_retry,
            known_id=recall(context) if is_retry else None,
            if_exists=self.if_exists,
            deadline=time.time() + self.execution_timeout.total_seconds() if self.execution_timeout else None,
            name=self.name,
            namespace=self.namespace,
            tag=self.tag,
            description=self.description,
            workspace_id=self.workspace_id,
            swr_instance_id=self.swr_instance_id,
            swr_instance_domain=self.swr_instance_domain,
        )
        remember(context, image.id)
        self.log.info("Notebook %s. %s: %s", self.notebook_id, image.describe(), image.swr_path)
        return image, adopted

    def _wait(self, image: Image, carry: dict[str, Any]) -> Image:
        """Return the image when it is ACTIVE, or defer until then."""
        from airflow_provider_modelarts.client.calls import show_image

        if self.deferrable:
            # A look before every deferral: a save that is over already never visits the triggerer.
            seen = self._hook.peek_image(image.id)
            if seen is not None and not seen.raise_for_status().is_pending:
                return seen
            from airflow_provider_modelarts.triggers.wait import defer_until_active

            defer_until_active(self, image_id=image.id, poll_interval=self.poll_interval, carry=carry)
        return self._hook.watch(
            show_image(image.id),
            is_over=lambda image: not image.is_pending,
            poll_interval=self.poll_interval,
            deadline=time.time() + self.timeout,
        ).raise_for_status()

    @cached_property
    def _hook(self) -> ModelArtsHook:
        from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook

        return ModelArtsHook(self.modelarts_conn_id)


def _seconds(argument: str, value: float | timedelta) -> float:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if not isinstance(seconds, (int, float)) or seconds <= 0:
        raise ValueError(f"{argument} must be a number of seconds above 0 or a timedelta, not {value!r}")
    return seconds
