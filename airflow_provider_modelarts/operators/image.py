"""The operator that saves a notebook as an image."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import conf

from airflow_provider_modelarts.arguments import (
    check_conn_id,
    check_execution_timeout,
    given,
    refuse_nothing,
    seconds,
)
from airflow_provider_modelarts.exceptions import (
    FieldViolation,
    ModelArtsError,
    NotFoundError,
    RequestValidationError,
)
from airflow_provider_modelarts.links.console import (
    ImageLink,
    ImageListLink,
    NotebookLink,
    NotebookListLink,
    push_image_links,
    push_notebook_links,
)
from airflow_provider_modelarts.tasks.failures import name_execution_timeout
from airflow_provider_modelarts.tasks.operator import ModelArtsOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from typing_extensions import Unpack

    from airflow_provider_modelarts.airflow_arguments import OperatorArguments, Templated
    from airflow_provider_modelarts.client.models import Image

IMAGE_ID_KEY = "image_id"

log = logging.getLogger(__name__)


class CreateNotebookImageOperator(ModelArtsOperator):
    """
    Save a running ModelArts notebook as a container image in SWR.

    Without ``wait_for_completion`` the task ends as soon as ModelArts has accepted the create-image request,
    which is one request; a ``NotebookImageSensor`` can wait for the image::

        save = CreateNotebookImageOperator(
            task_id="save",
            notebook_id="6fa459ea-ee8a-3ca4-894e-db77e160355e",
            name="research-environment",
            namespace="my-organization",
        )
        wait = NotebookImageSensor(task_id="wait", image_id=save.output["image_id"], deferrable=True)

    While it is being saved, for minutes, the notebook is unavailable to its user, and ModelArts cannot cancel
    a save. Afterwards the notebook runs the saved image.

    **One save per run.** The image's description ends with a marker, such as
    ``[airflow:0123456789abcdef notebook:6fa459ea-ee8a-3ca4-894e-db77e160355e]``: a digest of DAG, task, run,
    map index and notebook, and the notebook's id. A retry, or a try that got no usable response to
    create-image, finds its image by the marker and reuses it instead of saving again.

    **Clearing** the task reuses the image of its run, on every Airflow. With ``on_clear="save_again"`` each
    clear saves once more: under a derived tag of its own, or under the given tag, with ``-`` and Airflow's
    ``max_tries`` appended if the image of an earlier clear has the tag. Retries of a cleared run reuse the
    image that was saved since the clear.

    **Validation.** The cloud decides which fields are mandatory, how long they may be and which characters
    they may contain. A value that breaks a rule fails the task before anything is sent. Templates always
    render to text. If one renders to nothing, to blanks or to the word ``None``, an optional argument counts
    as not given; ``notebook_id``, ``name`` and ``namespace`` are refused.

    **XCom.** ``image_id``, ``swr_path`` and, as ``return_value``, a dict with ``image_id``, ``swr_path``,
    ``notebook_id``, ``adopted`` (whether the image already existed), and, as far as ModelArts returns them,
    ``status``, ``name``, ``namespace``, ``tag``, ``workspace_id``, ``arch``, ``size`` (KB), ``created_at``
    and ``updated_at`` (ISO 8601, UTC).

    **Assets.** With ``wait_for_completion`` the events of ``outlets`` that are the image's repository
    (``swr://registry/namespace/name``) or an AssetAlias get the image as ``extra``. Without it a ``swr://``
    outlet is refused, as the event would be sent too early.

    :param notebook_id: id of the notebook to save; it must be running. (templated)
    :param name: image name, which is the repository in SWR. Mandatory on Huawei Cloud. (templated)
    :param namespace: SWR organization of the image. Mandatory on Huawei Cloud. (templated)
    :param tag: image tag. An existing name and tag is never overwritten. Default: derived from the run.
        (templated)
    :param description: image description, at most 439 characters: ModelArts allows 512, of which a space
        and the marker take 73. (templated)
    :param workspace_id: ModelArts workspace of the image. Default: the connection's, else ``0``. (templated)
    :param swr_instance_id: id of an SWR Enterprise instance, on Huawei Cloud. (templated)
    :param swr_instance_domain: domain of that instance, on Huawei Cloud. (templated)
    :param if_exists: if another image has the name and tag, ``fail``, or ``adopt`` that image, provided that
        it is ACTIVE or being saved and its marker names no other notebook.
    :param on_clear: after the task was cleared, ``adopt`` the image of its run, or ``save_again``.
    :param wait_for_completion: wait until the image is ACTIVE.
    :param deferrable: wait in the triggerer instead of a worker slot.
    :param poll_interval: seconds between polls, or a timedelta.
    :param timeout: seconds to wait, or a timedelta. The save continues after a timeout.
    :param modelarts_conn_id: id of the Airflow connection. (templated)
    :raises ValueError: in the constructor: ``poll_interval``, ``timeout`` or ``execution_timeout`` is out of
        range.
    :raises AirflowFailException: no retry can help, so Airflow does not retry: an argument or the connection
        is invalid, the credentials or a permission is refused, the notebook does not exist, another image
        has the tag, or the account is suspended (:data:`~airflow_provider_modelarts.exceptions.PERMANENT`).
    :raises NotebookNotReadyError: the notebook is stopped or busy. Airflow retries, like all below.
    :raises ModelArtsError: any other error of ModelArts, of the network or of the connection lookup.
    :raises ImageFailedError: with ``wait_for_completion``: the image failed. A retry saves again.
    :raises WaitTimeoutError: with ``wait_for_completion``: ``timeout`` is over. A retry reuses the image.
    :raises AirflowTaskTimeout: ``execution_timeout`` is over.
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
    operator_extra_links = (NotebookLink(), NotebookListLink(), ImageLink(), ImageListLink())
    ui_color = "#cfe5f7"
    ended_with: dict[str, Any] | None = None

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
        poll_interval: float | timedelta = 10,
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

    def _run_task(self, context: Context) -> dict[str, Any]:
        """Save the notebook and, with ``wait_for_completion``, wait until the image is ACTIVE."""
        from airflow_provider_modelarts.metrics import measure_save, measure_wait
        from airflow_provider_modelarts.results import (
            end_with_image,
            push_image_xcoms,
            refuse_outlets_without_wait,
        )

        ti = context["ti"]
        with measure_save(context) as save:
            check_conn_id(self.modelarts_conn_id)
            refuse_nothing(notebook_id=self.notebook_id, name=self.name, namespace=self.namespace)
            if not self.wait_for_completion:
                refuse_outlets_without_wait(context, self.outlets)
            push_notebook_links(ti, self.hook.settings)
            image, adopted = self._save(context)
            save.outcome = "adopted" if adopted else "created"
        self._image_id = image.id
        push_image_links(ti, self.hook.settings, image.swr_path)
        passthrough = {"notebook_id": self.notebook_id, "adopted": adopted}
        if self.wait_for_completion:
            # Before the wait, so that the image id is in XCom even if the task is killed.
            push_image_xcoms(context, image.to_xcom())
            with measure_wait(context):
                image = self._wait(image, passthrough)
        return end_with_image(self, context, {**image.to_xcom(), **passthrough})

    def _continue_task(self, context: Context, event: Any) -> dict[str, Any]:
        """Return the result of the wait in the triggerer, or raise its error."""
        from airflow_provider_modelarts.tasks.completion import complete

        return complete(self, context, event)

    @property
    def _lost_wait(self) -> str:
        """What to say of a wait in the triggerer that ended without a result."""
        return (
            f"Waiting in the triggerer for the image of notebook {self.notebook_id} ended without a "
            f"result (timeout {self.timeout:.0f} s; a retry reuses the image)"
        )

    def _count_lost_wait(self, context: Context) -> None:
        """Count a wait that Airflow itself ended."""
        from airflow_provider_modelarts.metrics import count_lost_wait

        count_lost_wait(context)

    def get_openlineage_facets_on_complete(self, ti: Any) -> Any:
        """Return notebook and image as lineage; the OpenLineage provider calls this after the task."""
        from airflow_provider_modelarts.assets.lineage import image_lineage

        return image_lineage(self, ti)

    def on_kill(self) -> None:
        """Log that the save continues: ModelArts cannot cancel one."""
        image = f"image {self._image_id}" if self._image_id else "a new image if it was accepted"
        self.log.warning(
            "ModelArts cannot cancel the save of notebook %s; it continues as %s. A retry will reuse it",
            self.notebook_id,
            image,
        )

    def _save(self, context: Context) -> tuple[Image, bool]:
        """Return the image, and whether it already existed."""
        from airflow_provider_modelarts.client.marker import IdempotencyKey

        if self.on_clear not in ("adopt", "save_again"):
            raise RequestValidationError(
                [FieldViolation("on_clear", "must be 'adopt' or 'save_again'", self.on_clear)]
            )
        ti = context["ti"]
        map_index = -1 if ti.map_index is None else ti.map_index
        is_retry = ti.try_number > 1
        image, adopted = self.hook.create_image_once(
            # max_tries as stored: the task's retries may be edited between two tries.
            IdempotencyKey(
                *(ti.dag_id, ti.task_id, ti.run_id, map_index),
                max_tries=ti.max_tries if self.on_clear == "save_again" else None,
            ),
            given(self.notebook_id),
            check_existing=is_retry,
            image_id_hint=load_image_id(context) if is_retry else None,
            if_exists=self.if_exists,
            deadline=time.time() + self.execution_timeout.total_seconds() if self.execution_timeout else None,
            on_notebook=lambda notebook: push_notebook_links(ti, self.hook.settings, notebook.url),
            name=given(self.name),
            namespace=given(self.namespace),
            tag=given(self.tag),
            description=given(self.description),
            workspace_id=given(self.workspace_id),
            swr_instance_id=given(self.swr_instance_id),
            swr_instance_domain=given(self.swr_instance_domain),
        )
        store_image_id(context, image.id)
        self.log.info("Notebook %s: %s. SWR address: %s", self.notebook_id, image.describe(), image.swr_path)
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
        with name_execution_timeout(lambda: f"image {image.id}: last status {last.status}"):
            active = self.hook.wait_for_image(
                image.id, poll_interval=self.poll_interval, timeout=self.timeout, on_poll=on_poll
            )
        self._log_wait(active, time.monotonic() - began)
        return active

    def _log_wait(self, image: Image, waited: float) -> None:
        from airflow_provider_modelarts.results import describe_wait

        log.info("%s", describe_wait(image.id, image.swr_path, waited))

    def _poll_or_defer(self, image: Image, passthrough: dict[str, Any]) -> Image:
        """Return the image if it is ACTIVE at the first poll, else defer."""
        retry_after = None
        try:
            polled = self.hook.try_get_image(image.id)
        except ModelArtsError as error:
            # Reads of the service may lag behind its writes: a new image may not be found yet.
            if not (error.is_transient or isinstance(error, NotFoundError)):
                raise
            self.log.warning("Poll failed, the triggerer will retry: %s", error)
            retry_after = error.retry_after
        else:
            if not polled.is_pending:
                self._log_wait(polled, 0)
                return polled
        from airflow_provider_modelarts.triggers.deferral import defer_until_done
        from airflow_provider_modelarts.triggers.image import NotebookImageTrigger

        return defer_until_done(
            self,
            NotebookImageTrigger,
            image_id=image.id,
            poll_interval=self.poll_interval,
            retry_after=retry_after,
            passthrough=passthrough,
            workspace_id=image.workspace_id or given(self.workspace_id),
        )


# Airflow 3.3 and later keep values from one try to the next in the task state store. Before 3.4 the store
# survives a clear, so a stored id is only a hint; and no task may fail because the store does.


def load_image_id(context: Context) -> str | None:
    """Return the image id that an earlier try stored in the task state store, or None."""
    store = context.get("task_state_store")
    if store is None:
        return None
    try:
        image_id = store.get(IMAGE_ID_KEY)
    except Exception as error:  # noqa: BLE001 - whatever Airflow raises, the image is found by its marker
        log.warning(
            "Cannot read the image id of an earlier try from the task state store (%s); searching the "
            "images for the marker of this task instead",
            error,
        )
        return None
    return image_id if isinstance(image_id, str) else None


def store_image_id(context: Context, image_id: str) -> None:
    """Store the image id for a later try of this task."""
    store = context.get("task_state_store")
    if store is None:
        return
    try:
        store.set(IMAGE_ID_KEY, image_id)
    except Exception as error:  # noqa: BLE001 - whatever Airflow raises, the image has its marker
        log.warning(
            "Cannot write the id of image %s to the task state store: %s. A retry will find it by its marker",
            image_id,
            error,
        )
