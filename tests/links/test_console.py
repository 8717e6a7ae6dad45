"""The links of a task, made of what the task pushed."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.links.console import ImageLink, NotebookLink
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.provider_info import get_provider_info
from airflow_provider_modelarts.sensors.image import NotebookImageSensor


@pytest.mark.parametrize(
    ("link", "name", "xcom_key"),
    [
        (NotebookLink(), "ModelArts notebooks", "modelarts_notebook_url"),
        (ImageLink(), "SWR images", "modelarts_image_url"),
    ],
)
def test_link_is_read_from_xcom_of_its_name(link: NotebookLink | ImageLink, name: str, xcom_key: str) -> None:
    """Airflow 3 reads the XCom itself, also for deferred and failed tasks."""
    assert (link.name, link.xcom_key) == (name, xcom_key)


def test_provider_info_lists_every_link() -> None:
    """Airflow 2.11's web server imports only those."""
    used = {
        f"{type(link).__module__}.{type(link).__name__}"
        for task in (CreateNotebookImageOperator, NotebookImageSensor)
        for link in task.operator_extra_links
    }

    assert used == set(get_provider_info()["extra-links"])
