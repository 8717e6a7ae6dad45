"""The sensor that waits until an image is ACTIVE."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import conf

from airflow_provider_modelarts.arguments import check_flags, image_id_of
from airflow_provider_modelarts.exceptions import PERMANENT, ImageFailedError
from airflow_provider_modelarts.links.console import ImageLink, ImageListLink, push_image_links
from airflow_provider_modelarts.tasks.sensor import WaitingSensor

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from typing_extensions import Unpack

    from airflow_provider_modelarts.airflow_arguments import SensorArguments, Templated
    from airflow_provider_modelarts.client.models import Image

log = logging.getLogger(__name__)


class NotebookImageSensor(WaitingSensor["Image"]):
    """
    Wait until a ModelArts image is ACTIVE.

    Example, for one save and for a mapped one::

        NotebookImageSensor(task_id="wait", image_id=save.output["image_id"], deferrable=True)
        NotebookImageSensor.partial(task_id="wait").expand(image_id=mapped_save.output)

    With ``deferrable=True`` the task polls once before deferring and does not defer if the image is already
    finished. A poll that fails in a way that may pass (timeout, connection reset, 429, 5xx) is retried until
    ``timeout`` is over. With ``soft_fail`` a timeout skips the task. A failed image always fails the task at
    once, even with ``soft_fail``, ``never_fail`` or ``silent_fail``.

    **XCom.** ``image_id``, ``swr_path`` and, as ``return_value``, a dict with ``image_id``, ``swr_path``,
    ``status`` and, as far as ModelArts returns them, ``name``, ``namespace``, ``tag``, ``workspace_id``,
    ``arch``, ``size`` (KB), ``created_at`` and ``updated_at`` (ISO 8601, UTC).

    **Verified in the registry.** With ``verify_in_registry=True`` the task ends only when SWR lists the
    image's tag, and its result has ``digest``, ``size_bytes`` and ``layers`` (their number), as far as SWR
    returns them, and ``unchanged``: whether the newest earlier ACTIVE snapshot of the same notebook in the
    same repository has the same digest. Without permission to list the tags there is one warning and none of
    these keys. The extra of asset events has the same keys.

    **Assets.** The events of ``outlets`` that are the image's repository (``swr://registry/namespace/name``)
    or an AssetAlias get the image as ``extra``.

    :param image_id: the image to wait for: its id, or the result of the task that saves it. Templates always
        render to text; one that renders to nothing or to the word ``None`` is refused, because the save
        failed or was skipped. (templated)
    :param verify_in_registry: also wait until SWR lists the image's tag.
    :param poke_interval: seconds between polls, or a timedelta; longer if ModelArts sends ``Retry-After``.
        Default: 10 seconds; 60 with ``mode="reschedule"``, where each poll starts a process.
    :param timeout: seconds to wait, or a timedelta.
    :param deferrable: wait in the triggerer instead of a worker slot; ``mode`` then has no effect.
    :param modelarts_conn_id: id of the Airflow connection. (templated)
    :raises ValueError: in the constructor: ``poke_interval``, ``timeout`` or ``execution_timeout`` is out of
        range.
    :raises AirflowFailException: no retry can help, so Airflow does not retry: the image failed or was not
        found, ``image_id`` or the connection is invalid, or the credentials or a permission is refused
        (:data:`~airflow_provider_modelarts.exceptions.PERMANENT`).
    :raises AirflowSensorTimeout: ``timeout`` is over. Airflow does not retry.
    :raises AirflowSkipException: the same, with ``soft_fail``.
    :raises AirflowTaskTimeout: ``execution_timeout`` is over. Airflow retries.
    :raises ImageNotInRegistryError: with ``verify_in_registry``: the image is ACTIVE, but three checks, five
        seconds apart, did not find its tag. Airflow retries.
    :raises ConnectionLookupError: Airflow could not read the connection. Airflow retries.
    """

    template_fields: Sequence[str] = ("image_id", "modelarts_conn_id")
    text_fields = template_fields
    operator_extra_links = (ImageLink(), ImageListLink())
    ui_color = "#d9efe4"
    ended_with: dict[str, Any] | None = None
    non_retryable = (ImageFailedError, *PERMANENT)

    def __init__(
        self,
        *,
        image_id: Templated | dict[str, Any],
        verify_in_registry: bool = False,
        poke_interval: float | timedelta | None = None,
        timeout: float | timedelta = 3600,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        modelarts_conn_id: Templated = "modelarts_default",
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(
            poke_interval=poke_interval,
            timeout=timeout,
            deferrable=deferrable,
            modelarts_conn_id=modelarts_conn_id,
            **kwargs,
        )
        self.image_id = image_id
        self.verify_in_registry = verify_in_registry
        self._content: dict[str, Any] = {}

    @property
    def _subject(self) -> str:
        """The image, for messages."""
        return f"image {image_id_of(self.image_id)}"

    def _check_arguments(self, context: Context) -> None:
        """
        Validate the image id and push the link to the list.

        :raises RequestValidationError: it is invalid.
        :raises InvalidConnectionError: the connection lacks the address of SWR that this task needs.
        """
        image_id_of(self.image_id)
        check_flags(verify_in_registry=self.verify_in_registry)
        if self.verify_in_registry:
            self.hook.settings.require_swr_endpoint()
        push_image_links(context["ti"], self.hook.settings)

    def _push_links(self, context: Context, resource: Image) -> None:
        """Push the link to the image, whose address contains its repository."""
        push_image_links(context["ti"], self.hook.settings, resource.swr_path)

    def _read(self) -> Image:
        """Return the image, which is verified if it is ACTIVE; no request is retried."""
        image = self.hook.try_get_image(image_id_of(self.image_id))
        if self.verify_in_registry and image.is_active:
            from airflow_provider_modelarts.client.client import NO_RETRY

            self._status = image.status  # which a timeout reports, even if SWR fails
            self._content = self.hook.verify_image(image, deadline=NO_RETRY)
        return image

    def _is_done(self, resource: Image) -> bool:
        """Whether the image is ACTIVE; one that failed raises when it is read."""
        return not resource.is_pending

    def _end(self, context: Context, resource: Image) -> dict[str, Any]:
        """Push the XComs, fill the events of outlets and return the result."""
        from airflow_provider_modelarts.results import describe_wait, end_with_image, source_notebook

        log.info("%s", describe_wait(resource.id, resource.swr_path, self._waited))
        result = {**resource.to_xcom(), **self._content}
        return end_with_image(self, context, result, notebook_id=source_notebook(resource))

    def _defer_wait(self, *, poll_interval: float, retry_after: float, workspace_id: str | None) -> NoReturn:
        """Move the wait to the triggerer."""
        from airflow_provider_modelarts.triggers.deferral import defer_until_done
        from airflow_provider_modelarts.triggers.image import NotebookImageTrigger

        defer_until_done(
            self,
            NotebookImageTrigger,
            image_id=image_id_of(self.image_id),
            poll_interval=poll_interval,
            retry_after=retry_after,
            workspace_id=workspace_id,
            verify_in_registry=self.verify_in_registry,
        )

    def _complete(self, context: Context, event: Any) -> dict[str, Any]:
        """Return the result of the wait in the triggerer, or raise its error."""
        from airflow_provider_modelarts.metrics import measure_wait
        from airflow_provider_modelarts.results import describe_wait, end_with_image
        from airflow_provider_modelarts.triggers.deferral import raise_execution_timeout
        from airflow_provider_modelarts.triggers.events import ImageEvent

        with raise_execution_timeout(self):
            with measure_wait(context) as wait:
                ended = ImageEvent.read(event)
                wait.since = ended.since
                image = self._read_last(ended)
                result = ended.result() if image is None else {}
            if image is not None:
                return self._end(context, image)
            waited = None if ended.since is None else time.time() - ended.since
            log.info("%s", describe_wait(result["image_id"], result["swr_path"], waited))
            return end_with_image(self, context, result, status="ACTIVE", notebook_id=ended.notebook_id)

    @contextmanager
    def _measure(self, context: Context, *, is_continued: bool) -> Iterator[None]:
        """Count the wait, and measure it if this process began it."""
        from airflow_provider_modelarts.metrics import measure_wait

        with measure_wait(context) as wait:
            if is_continued:
                wait.since = None
            yield

    def _count_lost_wait(self, context: Context) -> None:
        """Count a wait that Airflow itself ended."""
        from airflow_provider_modelarts.metrics import count_lost_wait

        count_lost_wait(context)

    def get_openlineage_facets_on_complete(self, ti: Any) -> Any:
        """Return notebook and image as lineage; the OpenLineage provider calls this after the task."""
        from airflow_provider_modelarts.assets.lineage import image_lineage

        return image_lineage(self, ti)
