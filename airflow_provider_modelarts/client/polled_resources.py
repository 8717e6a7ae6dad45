"""The kinds of resources that a shared poll can wait for."""

from __future__ import annotations

from typing import Any

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.models import Image, Page
from airflow_provider_modelarts.client.poll_plan import PolledResource


def _list_images(*, workspace_id: str, offset: int, limit: int, newest_first: bool) -> Operation[Page[Image]]:
    order: dict[str, Any] = {"sort_dir": "DESC", "sort_key": "create_at"} if newest_first else {}
    page = operations.list_images(workspace_id=workspace_id, limit=limit, **order)
    return page.with_query(offset=str(offset))


IMAGES: PolledResource[Image] = PolledResource(
    name="image",
    show=operations.show_image,
    list_page=_list_images,
    page_sizes=(20, 50, 100, 200, 300, 400, 500),
    rank=lambda image: 0 if image.status == "INIT" else 1 if image.is_pending else 2,
    state=lambda image: image.status,  # a message may differ in each response
    lacks_status=lambda image: not image.status,
    lacks_details=lambda image: image.has_failed and not image.status_message,
)
