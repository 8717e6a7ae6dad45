"""
Extra links of tasks to the ModelArts and SWR consoles.

A link's address is an XCom that the task pushes before it waits, so that the link works while the task is
deferred and after it failed. Rendering a link reads neither ModelArts nor the connection.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom


class _ConsoleLink(BaseOperatorLink):
    """A link whose address is the XCom ``xcom_key``, which Airflow 3 reads by itself."""

    def get_link(self, operator: Any, *, ti_key: Any, dttm: Any = None) -> str:  # noqa: ARG002
        """Return the address; empty if the task failed before it pushed one."""
        return XCom.get_value(key=self.xcom_key, ti_key=ti_key) or ""


class NotebookLink(_ConsoleLink):
    """Link to the list of notebooks in the ModelArts console."""

    name = "ModelArts notebooks"
    xcom_key = "modelarts_notebook_url"


class ImageLink(_ConsoleLink):
    """Link to the list of images in the SWR console."""

    name = "SWR images"
    xcom_key = "modelarts_image_url"
