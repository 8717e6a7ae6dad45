"""
Links to the consoles of the two clouds.

The address is an XCom that the task pushed before it began to wait, so the link is there while the
task is deferred and still there when it has failed. Nothing is asked of ModelArts or of a connection.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom


class _ConsoleLink(BaseOperatorLink):
    """A link whose address is the XCom ``xcom_key``: Airflow 3 reads it there by itself."""

    def get_link(self, operator: Any, *, ti_key: Any, dttm: Any = None) -> str:  # noqa: ARG002
        """Return the address, or nothing when the task did not get as far."""
        return XCom.get_value(key=self.xcom_key, ti_key=ti_key) or ""


class NotebookLink(_ConsoleLink):
    """The notebooks in ModelArts' console."""

    name = "ModelArts notebooks"
    xcom_key = "modelarts_notebook_url"


class ImageLink(_ConsoleLink):
    """The images in SWR's console."""

    name = "SWR images"
    xcom_key = "modelarts_image_url"
