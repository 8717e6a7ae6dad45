"""The list in which a task searches for the image that it saved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.fields import flatten
from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.marker import IdempotencyKey
from airflow_provider_modelarts.client.models import CreateImageRequest, Image, Page


def list_same_name(
    request: CreateImageRequest, key: IdempotencyKey, notebook_id: str
) -> Operation[Page[Image]]:
    """
    Return the list of the images of the requested name; without a name, of all private images.

    Records that cannot be parsed are left out of a page, but not one with the marker of the task: such a page
    is refused as unreadable, as a task that misses its image would save again.
    """
    operation = operations.list_images(
        name=request.name, namespace=request.namespace, workspace_id=request.workspace_id
    )

    def count_in(value: Any) -> int:
        return key.count_in(flatten(value), notebook_id)

    def parse(data: Any) -> Page[Image]:
        page = operation.parse(data)
        is_short = page.records > len(page.data)
        if is_short and count_in(data) > sum(count_in(image.description) for image in page.data):
            raise ValueError("a record with this task's marker cannot be parsed")
        return page

    return replace(operation, parse=parse)
