"""
The operations of ModelArts and SWR: each function returns an :class:`Operation`, which a client sends.

A new operation is one more function in the module of what it is about.
"""

from __future__ import annotations

from airflow_provider_modelarts.client.operations.images import (
    IMAGES_PER_PAGE,
    MIN_IMAGES_PER_PAGE,
    create_image,
    delete_image,
    list_images,
    register_image,
    show_image,
)
from airflow_provider_modelarts.client.operations.notebooks import (
    NOTEBOOK_PAGES,
    list_notebooks,
    list_notebooks_of_all_features,
    renew_lease,
    show_lease,
    show_notebook,
    start_notebook,
    stop_notebook,
    update_notebook,
)
from airflow_provider_modelarts.client.operations.registry import (
    MAX_TAGS_PER_PAGE,
    TAGS_PER_PAGE,
    create_tag,
    delete_tag,
    list_retention_rules,
    list_tags,
)
from airflow_provider_modelarts.client.operations.validation import MAX_PAGE_BYTES

__all__ = [
    "IMAGES_PER_PAGE",
    "MAX_PAGE_BYTES",
    "MAX_TAGS_PER_PAGE",
    "MIN_IMAGES_PER_PAGE",
    "NOTEBOOK_PAGES",
    "TAGS_PER_PAGE",
    "create_image",
    "create_tag",
    "delete_image",
    "delete_tag",
    "list_images",
    "list_notebooks",
    "list_notebooks_of_all_features",
    "list_retention_rules",
    "list_tags",
    "register_image",
    "renew_lease",
    "show_image",
    "show_lease",
    "show_notebook",
    "start_notebook",
    "stop_notebook",
    "update_notebook",
]
