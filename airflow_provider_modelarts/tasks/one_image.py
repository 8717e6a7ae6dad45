"""Tasks about one image that exists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_modelarts.arguments import check_execution_timeout
from airflow_provider_modelarts.links.console import ImageLink, ImageListLink
from airflow_provider_modelarts.tasks.operator import ModelArtsOperator

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_provider_modelarts.airflow_arguments import OperatorArguments, Templated


class OneImageTask(ModelArtsOperator):
    """A task that deletes, tags or registers one image."""

    operator_extra_links = (ImageLink(), ImageListLink())
    ui_color = "#cfe5f7"

    def __init__(self, *, modelarts_conn_id: Templated, **kwargs: Unpack[OperatorArguments]) -> None:
        super().__init__(**kwargs)
        check_execution_timeout(self.execution_timeout)
        self.modelarts_conn_id: Any = modelarts_conn_id  # a string once it is rendered
        self.ended_with: dict[str, Any] | None = None
