"""The links of a task, made of what the task pushed."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperatorLink

from airflow_provider_modelarts.links.console import (
    ImageLink,
    ImageListLink,
    NotebookLink,
    NotebookListLink,
    push_image_links,
    push_notebook_links,
    without_token,
)
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.provider_info import get_provider_info
from airflow_provider_modelarts.sensors.image import NotebookImageSensor
from tests.hooks.connections import settings


@pytest.mark.parametrize(
    ("link", "name", "xcom_key"),
    [
        (NotebookLink(), "ModelArts notebook", "modelarts_notebook_url"),
        (NotebookListLink(), "ModelArts notebooks (list)", "modelarts_notebooks_url"),
        (ImageLink(), "SWR image", "modelarts_image_url"),
        (ImageListLink(), "SWR images (list)", "modelarts_images_url"),
    ],
)
def test_link_is_read_from_xcom_of_its_name(link: BaseOperatorLink, name: str, xcom_key: str) -> None:
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


CONSOLE = "https://console-intl.huaweicloud.com"
PATH = "swr.cn-north-4.myhuaweicloud.com/research/environment:nightly"


class TaskInstance:
    def __init__(self) -> None:
        self.xcom: dict[str, str] = {}

    def xcom_push(self, *, key: str, value: str) -> None:
        self.xcom[key] = value


@pytest.mark.parametrize(
    ("extra", "swr_path", "page"),
    [
        pytest.param({"domain_name": "my account"}, PATH, "my%20account/research/environment", id="account"),
        pytest.param(
            {"domain_name": "me", "agency_name": "a", "agency_domain_name": "other"},
            PATH,
            "other/research/environment",
            id="account of the agency",
        ),
        pytest.param({"domain_name": "me"}, PATH.partition(":")[0], "me/research/environment", id="no tag"),
        pytest.param({"domain_name": "me"}, f"{PATH}@sha256:0f", "me/research/environment", id="digest"),
        pytest.param({}, PATH, None, id="no account"),
        pytest.param({"domain_name": "me"}, None, None, id="no address"),
        pytest.param({"domain_name": "me"}, "swr.x/research/a/b:t", None, id="name with a slash"),
        pytest.param({"domain_name": "me"}, "my.registry.example/r/e:t", None, id="Enterprise registry"),
        pytest.param({"domain_name": "me", "region": "eu-de"}, PATH, None, id="page not known on OTC"),
    ],
)
def test_image_links_name_repository_only_where_page_is_known(
    extra: dict[str, Any], swr_path: str | None, page: str | None
) -> None:
    ti = TaskInstance()

    push_image_links(ti, settings(extra={"region": "cn-north-4", **extra}), swr_path)

    assert "#/swr/warehouse/list/private" in ti.xcom["modelarts_images_url"]
    wanted = page and f"{CONSOLE}/swr/?region=cn-north-4#/swr/warehouse/detail/{page}/tag"
    assert ti.xcom.get("modelarts_image_url") == wanted


@pytest.mark.parametrize("url", [None, "https://notebook.example.com/6b1c/lab?token=a-secret#x"])
def test_notebook_links_have_notebook_without_token_only_if_it_was_read(url: str | None) -> None:
    ti = TaskInstance()

    push_notebook_links(ti, settings(extra={"region": "cn-north-4"}), url)

    assert ti.xcom["modelarts_notebooks_url"] == f"{CONSOLE}/modelarts/?region=cn-north-4#/dev-container"
    assert ti.xcom.get("modelarts_notebook_url") == (url and "https://notebook.example.com/6b1c/lab")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/lab?token=s", "https://h/lab"),
        ("https://user:s@h:8443/lab", "https://h:8443/lab"),
        ("https://h/lab;token=s", "https://h/lab"),
        ("HTTPS://H/lab", "https://h/lab"),
        ("javascript:alert(1)", ""),
        ("//h/lab", ""),
        ("https://[h/lab", ""),
        ("https://h:port/lab", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_without_token_keeps_host_and_path_of_web_address(url: str | None, shown: str) -> None:
    assert without_token(url) == shown
