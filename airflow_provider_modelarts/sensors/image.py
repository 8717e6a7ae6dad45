"""Waiting for an image."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_modelarts.client.errors import (
    DeadlinePassed,
    ImageFailed,
    InvalidConnection,
    InvalidRequest,
    NotFound,
)
from airflow_provider_modelarts.links.console import ImageLink

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_modelarts.client.models import Image
    from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook

_HOPELESS = (ImageFailed, NotFound, InvalidRequest, InvalidConnection)
"""What a retry of the sensor cannot mend."""


class NotebookImageSensor(BaseSensorOperator):
    """
    Wait until an image is ACTIVE and hand on its id and SWR address.

    The image is looked at once before the task defers, so one that is ACTIVE already never visits
    the triggerer. A time-out fails the task, or skips it with ``soft_fail``; an image that failed
    always fails the task, at once and without a retry.

    XCom: ``image_id``, ``swr_path`` and, as ``return_value``, a dict with both and with ``status``,
    ``name``, ``namespace``, ``tag``, ``workspace_id``, ``arch``, ``size``, ``created_at``,
    ``updated_at`` as far as ModelArts tells them.

    :param image_id: the image to wait for. (templated)
    :param poke_interval: seconds between looks.
    :param timeout: seconds to wait.
    :param deferrable: wait in the triggerer instead of a worker slot; ``mode`` then has no effect.
    :param modelarts_conn_id: the Airflow connection to use. (templated)
    """

    template_fields: Sequence[str] = ("image_id", "modelarts_conn_id")
    operator_extra_links = (ImageLink(),)
    ui_color = "#d9efe4"

    def __init__(
        self,
        *,
        image_id: str,
        poke_interval: float | timedelta = 15,
        timeout: float | timedelta = 3600,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        modelarts_conn_id: str = "modelarts_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, timeout=timeout, **kwargs)
        self.image_id = image_id
        self.deferrable = deferrable
        self.modelarts_conn_id = modelarts_conn_id
        self._said: str | None = None

    def execute(self, context: Context) -> Any:
        """Wait, here or in the triggerer."""
        try:
            context["ti"].xcom_push(key=ImageLink.xcom_key, value=self._hook.settings.images_url)
            if not self.deferrable:
                return super().execute(context)
            # A look before every deferral: an image that is ACTIVE never visits the triggerer.
            if (seen := self.poke(context)).is_done:
                return seen.xcom_value
        except _HOPELESS as error:
            raise AirflowFailException(str(error)) from error
        from airflow_provider_modelarts.triggers.wait import defer_until_active

        return defer_until_active(self, image_id=self.image_id, poll_interval=self.poke_interval)

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        from airflow_provider_modelarts.triggers.wait import hand_on

        image = self._hook.peek_image(self.image_id)
        if image is None or image.raise_for_status().is_pending:
            self._say(image)
            return PokeReturnValue(is_done=False)
        self.log.info("%s: %s", image.describe(), image.swr_path)
        return PokeReturnValue(is_done=True, xcom_value=hand_on(context, image.summary()))

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Go on when the trigger has seen the end."""
        from airflow_provider_modelarts.triggers.wait import resume

        try:
            return resume(self, context, event)
        except DeadlinePassed as error:
            raise AirflowSensorTimeout(str(error)) from error

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume, and let ``soft_fail`` skip time-outs only: Airflow's own would skip a failed image too."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except _HOPELESS as error:
            raise AirflowFailException(str(error)) from error

    @cached_property
    def _hook(self) -> ModelArtsHook:
        from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook

        return ModelArtsHook(self.modelarts_conn_id)

    def _say(self, image: Image | None) -> None:
        """Log a change of status, not every look."""
        line = image.describe() if image else None
        if line and line != self._said:
            self.log.info("%s", line)
            self._said = line
