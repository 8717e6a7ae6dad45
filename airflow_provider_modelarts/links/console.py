"""
Extra links of tasks to their notebook and image, and to the lists in the consoles of ModelArts and SWR.

A link's address is an XCom that the task pushes before it waits, so that the link works while the task is
deferred and after it failed. Rendering a link reads neither ModelArts nor the connection. A link without an
address is not shown (Airflow 2: disabled).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

if TYPE_CHECKING:
    from airflow_provider_modelarts.hooks.connection import Settings


_PARAMETERS = re.compile(r";|%(?:3B|3F|23)", re.IGNORECASE)
"""What begins parameters within a path: ``;``, or an encoded ``;``, ``?`` or ``#``."""


class _ConsoleLink(BaseOperatorLink):
    """A link whose address is the XCom ``xcom_key``, which Airflow 3 reads by itself."""

    def get_link(self, operator: Any, *, ti_key: Any, dttm: Any = None) -> str:  # noqa: ARG002
        """Return the address; empty if the task pushed none."""
        return XCom.get_value(key=self.xcom_key, ti_key=ti_key) or ""


class NotebookLink(_ConsoleLink):
    """Link to the notebook itself; only a task that read the notebook has its address."""

    name = "ModelArts notebook"
    xcom_key = "modelarts_notebook_url"


class NotebookListLink(_ConsoleLink):
    """Link to the list of notebooks in the ModelArts console."""

    name = "ModelArts notebooks (list)"
    xcom_key = "modelarts_notebooks_url"


class ImageLink(_ConsoleLink):
    """Link to the image's repository in the SWR console, whose address needs the name of the account."""

    name = "SWR image"
    xcom_key = "modelarts_image_url"


class ImageListLink(_ConsoleLink):
    """Link to the list of images in the SWR console."""

    name = "SWR images (list)"
    xcom_key = "modelarts_images_url"


def push_notebook_links(ti: Any, settings: Settings, url: str | None = None) -> None:
    """
    Push the addresses of the links to the notebook and to the list of notebooks.

    :param url: the notebook's own, as ModelArts returned it; it may contain a token, which is left out.
    """
    ti.xcom_push(key=NotebookListLink.xcom_key, value=settings.notebooks_url)
    if address := without_token(url):
        ti.xcom_push(key=NotebookLink.xcom_key, value=address)


def push_image_links(ti: Any, settings: Settings, swr_path: str | None = None) -> None:
    """
    Push the addresses of the links to the image and to the list of images.

    :param swr_path: the image's, if it is known.
    """
    ti.xcom_push(key=ImageListLink.xcom_key, value=settings.images_url)
    if address := settings.image_url(swr_path):
        ti.xcom_push(key=ImageLink.xcom_key, value=address)


def without_token(url: str | None) -> str:
    """Return an address without user, query and fragment, or nothing if it is no address of a web page."""
    try:
        parts = urlsplit(url or "")
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host:
        return ""
    return f"{parts.scheme}://{host}{port}{_PARAMETERS.split(parts.path, maxsplit=1)[0]}"
