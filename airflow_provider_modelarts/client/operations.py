"""
The operations of the ModelArts API: each function returns an :class:`Operation`, which a client sends.

Adding an operation touches this file only.
"""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import quote

from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.models import (
    CreateImageRequest,
    Image,
    ImagePage,
    Notebook,
    NotebookPage,
    Page,
    text_rule,
)
from airflow_provider_modelarts.exceptions import FieldViolation, RequestValidationError

IMAGES_PER_PAGE = 200
"""Images of the first page, unless the caller sets a limit."""
MIN_IMAGES_PER_PAGE = 20
"""Images of the smallest page that is requested after one that was too large."""
NOTEBOOK_PAGES = (50, 20, 10)
"""The only values of ``limit`` that the API accepts for notebooks."""
MAX_PAGE_BYTES = 1024 * 1024
"""Bytes of the largest page that is read: 200 records of 5 KiB, more than their fields can hold."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def create_image(notebook_id: str, request: CreateImageRequest) -> Operation[Image]:
    """
    Save a running notebook as an image; every repetition saves it again.

    https://support.huaweicloud.com/intl/en-us/api-modelarts/CreateImage.html
    https://docs.otc.t-systems.com/modelarts/api-ref/development_environment_management/saving_a_running_instance_as_a_container_image.html

    :raises RequestValidationError: the notebook's id cannot stand in a path.
    """

    def parse(data: Any) -> Image:
        image = Image.model_validate(data)
        for returned, requested in ((image.name, request.name), (image.tag, request.tag)):
            if returned and requested and returned != requested:
                raise ValueError(f"it is about image {image.name}:{image.tag}")
        return image

    path = f"/notebooks/{_path_segment('notebook_id', notebook_id)}/create-image"
    return Operation("CreateImage", "POST", path, parse, body=request.body())


def show_image(image_id: str) -> Operation[Image]:
    """
    Return one image.

    https://docs.otc.t-systems.com/modelarts/api-ref/development_environment_management/querying_details_about_an_image.html

    :raises RequestValidationError: the id cannot stand in a path.
    """

    def parse(data: Any) -> Image:
        image = Image.model_validate(data)
        if image.id.lower() != image_id.lower():
            raise ValueError(f"it is about image {image.id}")
        return image

    path = f"/images/{_path_segment('image_id', image_id)}"
    return Operation("ShowImage", "GET", path, parse, subject=f"image {image_id}")


def list_images(
    *,
    name: str | None = None,
    name_fuzzy_match: bool = False,
    namespace: str | None = None,
    service_type: Literal["COMMON", "INFERENCE", "TRAIN", "DEV", "UNKNOWN"] | None = None,
    type: Literal["DEDICATED", "BUILD_IN"] = "DEDICATED",  # noqa: A002 - the API's name
    workspace_id: str | None = None,
    sort_dir: Literal["ASC", "DESC"] | None = None,
    sort_key: str | None = None,
    show_name: str | None = None,
    show_tag: str | None = None,
    limit: int = IMAGES_PER_PAGE,
) -> Operation[Page[Image]]:
    """
    List images, one page per call.

    https://docs.otc.t-systems.com/modelarts/api-ref/development_environment_management/querying_supported_images.html

    ``type`` and ``name_fuzzy_match`` are always sent, because the API's defaults (built-in images, names that
    contain the text) hide saved images. There is no filter by tag or status.

    :param name_fuzzy_match: whether ``name`` may be a part of the name.
    :param limit: images of a page; fewer are requested if a page is too large.
    :raises RequestValidationError: a filter is blank or has another type.
    """
    query = {
        "name": name,
        "name_fuzzy_match": _flag("name_fuzzy_match", name_fuzzy_match),
        "namespace": namespace,
        "service_type": service_type,
        "type": type,
        "workspace_id": workspace_id,
        "sort_dir": sort_dir,
        "sort_key": sort_key,
        "show_name": show_name,
        "show_tag": show_tag,
        "limit": str(limit),
    }
    return Operation(
        "ListImages",
        "GET",
        "/images",
        ImagePage.model_validate,
        query=_given(query),
        max_bytes=MAX_PAGE_BYTES,
        page_sizes=_halves(limit),
    )


def delete_image(image_id: str, *, delete_swr_image: bool = False) -> Operation[None]:
    """
    Delete an image of ModelArts.

    https://docs.otc.t-systems.com/modelarts/api-ref/development_environment_management/deleting_an_image.html

    The page has ``force`` in the query, the official SDK ``is_force`` in the body: both are sent.

    :param delete_swr_image: whether to delete its tag in SWR too, which cannot be undone. Without it, the tag
        can be registered as an image again.
    :raises RequestValidationError: the id cannot stand in a path.
    """
    path = f"/images/{_path_segment('image_id', image_id)}"
    force = _flag("delete_swr_image", delete_swr_image)
    body = {"is_force": delete_swr_image}
    return Operation("DeleteImage", "DELETE", path, lambda _: None, query={"force": force}, body=body)


def show_notebook(notebook_id: str) -> Operation[Notebook]:
    """
    Return one notebook.

    https://docs.otc.t-systems.com/modelarts/api-ref/development_environment_management/querying_details_about_a_notebook_instance.html

    :raises RequestValidationError: the id cannot stand in a path.
    """

    def parse(data: Any) -> Notebook:
        notebook = Notebook.model_validate(data)
        if notebook.id.lower() != notebook_id.lower():
            raise ValueError(f"it is about notebook {notebook.id}")
        return notebook

    return Operation(
        "ShowNotebook",
        "GET",
        f"/notebooks/{_path_segment('notebook_id', notebook_id)}",
        parse,
        subject=f"notebook {notebook_id}",
    )


def list_notebooks(
    *,
    feature: Literal["NOTEBOOK", "DEFAULT"] = "NOTEBOOK",
    name: str | None = None,
    owner: str | None = None,
    pool_id: str | None = None,
    status: str | None = None,
    workspace_id: str | None = None,
    sort_dir: Literal["ASC", "DESC"] | None = None,
    sort_key: str | None = None,
    all_users: bool = False,
    limit: Literal[10, 20, 50] = 50,
) -> Operation[Page[Notebook]]:
    """
    List notebooks, one page per call.

    https://docs.otc.t-systems.com/modelarts/api-ref/development_environment_management/querying_notebook_instances.html

    :param name: a part of the name, as this filter is always fuzzy.
    :param all_users: whether to list all users' notebooks, which needs
        ``modelarts:notebook:listAllNotebooks``.
    :param limit: notebooks of a page; fewer are requested if a page is too large.
    :raises RequestValidationError: a filter is blank or has another type.
    """
    query = {
        "feature": feature,
        "name": name,
        "owner": owner,
        "pool_id": pool_id,
        "status": status,
        # Huawei Cloud's SDK and Open Telekom Cloud's page spell it differently: both are sent.
        "workspace_id": workspace_id,
        "workspaceId": workspace_id,
        "sort_dir": sort_dir,
        "sort_key": sort_key,
        "limit": str(limit),
    }
    path = "/notebooks/all" if _flag("all_users", all_users) == "true" else "/notebooks"
    return Operation(
        "ListNotebooks",
        "GET",
        path,
        NotebookPage.model_validate,
        query=_given(query),
        max_bytes=MAX_PAGE_BYTES,
        page_sizes=_notebook_pages(limit),
    )


def _halves(limit: int) -> tuple[int, ...]:
    """Return the page sizes of a list of images: the limit and its halves, down to the minimum."""
    if type(limit) is not int or limit < 1:
        raise RequestValidationError([FieldViolation("limit", "must be a whole number from 1", limit)])
    sizes = [limit]
    while sizes[-1] > MIN_IMAGES_PER_PAGE:
        sizes.append(max(MIN_IMAGES_PER_PAGE, sizes[-1] // 2))
    return tuple(sizes)


def _notebook_pages(limit: int) -> tuple[int, ...]:
    """Return the page sizes of a list of notebooks: the limit and the smaller ones."""
    if type(limit) is not int or limit not in NOTEBOOK_PAGES:
        raise RequestValidationError([FieldViolation("limit", "must be 10, 20 or 50", limit)])
    return NOTEBOOK_PAGES[NOTEBOOK_PAGES.index(limit) :]


def _given(query: dict[str, str | None]) -> dict[str, str]:
    """Return the filters that are not None; a blank one is refused, as it would match everything."""
    given = {key: value for key, value in query.items() if value is not None}
    violations = [
        FieldViolation(key, rule, value) for key, value in given.items() if (rule := text_rule(value))
    ]
    if violations:
        raise RequestValidationError(violations)
    return given


def _flag(field: str, value: bool) -> str:
    """Return a boolean as a query value; text is refused, as ``"false"`` would count as true."""
    if not isinstance(value, bool):
        raise RequestValidationError([FieldViolation(field, "must be True or False", value)])
    return "true" if value else "false"


def _path_segment(field: str, value: str) -> str:
    """Return a value as one path segment, a UUID in lower case; one that would change the path is refused."""
    if isinstance(value, str) and _UUID.fullmatch(value):
        return value.lower()
    rule = text_rule("" if value is None else value)
    if not rule and (
        value.startswith(".") or any(c in "/\\?#%;" or c.isspace() or not c.isprintable() for c in value)
    ):
        rule = "must be one id, without slash, percent sign, white space or leading period"
    if rule:
        raise RequestValidationError([FieldViolation(field, rule, value)])
    return quote(value, safe="")
