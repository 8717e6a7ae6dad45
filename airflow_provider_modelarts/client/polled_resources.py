"""The kinds of resources that a shared poll can wait for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, cast

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.http_types import LastCall, Operation
from airflow_provider_modelarts.client.models import Image, Page
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.client.poll_plan import PolledResource


def _show_image(image_id: str) -> Operation[Image]:
    return replace(operations.show_image(image_id), last=LastCall())


def _list_images(*, workspace_id: str, offset: int, limit: int, newest_first: bool) -> Operation[Page[Image]]:
    order: dict[str, Any] = {"sort_dir": "DESC", "sort_key": "create_at"} if newest_first else {}
    page = operations.list_images(workspace_id=workspace_id, limit=limit, **order)
    return page.with_query(offset=str(offset))


IMAGES: PolledResource[Image] = PolledResource(
    name="image",
    show=_show_image,
    list_page=_list_images,
    page_sizes=(20, 50, 100, 200, 300, 400, 500),
    rank=lambda image: 0 if image.status == "INIT" else 1 if image.is_pending else 2,
    state=lambda image: image.status,  # a message may differ in each response
    lacks_status=lambda image: not image.status,
    lacks_details=lambda image: image.has_failed and not image.status_message,
)


def _list_notebooks(
    *,
    workspace_id: str,
    offset: int,
    limit: int,
    newest_first: bool,  # noqa: ARG001 - no page documents the keys to sort by
) -> Operation[Page[Notebook]]:
    page_size = cast("Literal[10, 20, 50]", limit)
    page = operations.list_notebooks(feature=None, workspace_id=workspace_id, limit=page_size)
    return page.with_query(offset=str(offset))


NOTEBOOKS: PolledResource[Notebook] = PolledResource(
    name="notebook",
    show=operations.show_notebook,
    list_page=_list_notebooks,
    page_sizes=(10, 20, 50),
    # A notebook is started and stopped again and again: no status comes after all others.
    rank=lambda _: 0,
    state=lambda notebook: (notebook.status, notebook.is_ready),
    lacks_status=lambda notebook: not notebook.status,
    lacks_details=lambda notebook: notebook.has_failed and not notebook.fail_reason,
)
"""The list has the notebooks of the connection's own user; those of others are shown one by one."""
