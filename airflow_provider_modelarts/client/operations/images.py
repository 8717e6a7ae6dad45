"""The operations on images."""

from __future__ import annotations

from typing import Any, Literal

from airflow_provider_modelarts.client.http_types import Operation
from airflow_provider_modelarts.client.models import CreateImageRequest, Image, ImagePage, Page
from airflow_provider_modelarts.client.operations.validation import (
    MAX_PAGE_BYTES,
    choice,
    flag,
    given,
    image_address,
    path_segment,
)
from airflow_provider_modelarts.exceptions import FieldViolation, RequestValidationError

IMAGES_PER_PAGE = 200
"""Images of the first page, unless the caller sets a limit."""
MIN_IMAGES_PER_PAGE = 20
"""Images of the smallest page that is requested after one that was too large."""


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

    path = f"/notebooks/{path_segment('notebook_id', notebook_id)}/create-image"
    return Operation("CreateImage", "POST", path, parse, body=request.body())


def show_image(image_id: str) -> Operation[Image]:
    """
    Return one image.

    https://docs.otc.t-systems.com/modelarts/api-ref/development_environment_management/obtaining_details_of_an_image.html

    :raises RequestValidationError: the id cannot stand in a path.
    """

    def parse(data: Any) -> Image:
        image = Image.model_validate(data)
        if image.id.lower() != image_id.lower():
            raise ValueError(f"it is about image {image.id}")
        return image

    path = f"/images/{path_segment('image_id', image_id)}"
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
        "name_fuzzy_match": flag("name_fuzzy_match", name_fuzzy_match),
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
        query=given(query),
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
    path = f"/images/{path_segment('image_id', image_id)}"
    force = flag("delete_swr_image", delete_swr_image)
    body = {"is_force": delete_swr_image}
    return Operation("DeleteImage", "DELETE", path, lambda _: None, query={"force": force}, body=body)


def register_image(
    swr_path: str,
    *,
    description: str | None = None,
    arch: str | None = None,
    workspace_id: str | None = None,
) -> Operation[Image]:
    """
    Register an image that is in SWR, and return its new record.

    https://support.huaweicloud.com/intl/en-us/api-modelarts/RegisterImage.html
    https://docs.otc.t-systems.com/modelarts/api-ref/development_environment_management/registering_a_custom_image.html

    :param swr_path: the image's address, with its tag.
    :param arch: ``X86_64`` or ``AARCH64``, in any case: lists return it in lower case, but only upper case is
        accepted. By default the service's, X86_64.
    :raises RequestValidationError: the address has no namespace or no tag, a text is blank, or ``arch`` is
        another one.
    """
    address = image_address("swr_path", swr_path)
    body = {
        "swr_path": address,
        "description": description,
        "arch": None if arch is None else choice("arch", arch, ("X86_64", "AARCH64")),
        "workspace_id": workspace_id,
    }

    def parse(data: Any) -> Image:
        image = Image.model_validate(data)
        # The registry's host may be written in another way, but not the name and tag.
        name, _, tag = address.rpartition("/")[2].rpartition(":")
        for returned, requested in ((image.swr_path, f"{name}:{tag}"), (image.name, name), (image.tag, tag)):
            if returned and returned.rpartition("/")[2] != requested:
                raise ValueError(f"it is about image {returned}")
        return image

    return Operation("RegisterImage", "POST", "/images", parse, body=given(body), subject=f"image {address}")


def _halves(limit: int) -> tuple[int, ...]:
    """Return the page sizes of a list of images: the limit and its halves, down to the minimum."""
    if type(limit) is not int or limit < 1:
        raise RequestValidationError([FieldViolation("limit", "must be a whole number from 1", limit)])
    sizes = [limit]
    while sizes[-1] > MIN_IMAGES_PER_PAGE:
        sizes.append(max(MIN_IMAGES_PER_PAGE, sizes[-1] // 2))
    return tuple(sizes)
