"""The hook's methods about images."""

from __future__ import annotations

import inspect
from typing import Any
from urllib.parse import parse_qsl

import pytest

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.marker import IdempotencyKey
from airflow_provider_modelarts.exceptions import RequestValidationError
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Simulator

LISTINGS = (ModelArtsHook.list_images, operations.list_images)

pytestmark = pytest.mark.usefixtures("connection")


@pytest.mark.parametrize(("arguments", "force"), [({}, "false"), ({"delete_swr_image": True}, "true")])
def test_delete_image_keeps_swr_tag_by_default(
    arguments: dict[str, Any], force: str, simulator: Simulator
) -> None:
    image_id = simulator.add_image(name="research", namespace="team", tag="old")

    ModelArtsHook().delete_image(image_id, **arguments)

    assert dict(parse_qsl(simulator.journal[-1].query))["force"] == force


@pytest.mark.parametrize("notebook_id", [None, 7, ["n"], b"n", "\udc80"], ids=ascii)
def test_create_image_once_checks_notebook_id_before_deriving_tag(
    notebook_id: Any, simulator: Simulator
) -> None:
    key = IdempotencyKey("dag", "task", "run", -1)

    with pytest.raises(RequestValidationError, match="notebook_id"):
        ModelArtsHook().create_image_once(
            key, notebook_id, check_existing=True, name="research", namespace="team"
        )

    assert simulator.journal == ()


def test_list_images_has_page_size_of_operation() -> None:
    """A literal, as parsing a DAG must not import the operations."""
    defaults = [inspect.signature(method).parameters["limit"].default for method in LISTINGS]

    assert defaults == [operations.IMAGES_PER_PAGE] * 2
