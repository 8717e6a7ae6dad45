"""The client that ``get_conn()`` returns, and the shortcuts of the hook."""

from __future__ import annotations

import inspect
import json
import time
from urllib.parse import parse_qsl

import pytest

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.models import CreateImageRequest
from airflow_provider_modelarts.exceptions import NotFoundError, WaitTimeoutError
from airflow_provider_modelarts.hooks.blocking_client import BlockingClient
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import AfterReads, Simulator

pytestmark = pytest.mark.usefixtures("connection")
PUBLIC = (
    "create_image",
    "create_image_once",
    "list_images",
    "list_snapshots",
    "list_notebooks",
    "delete_image",
)


def test_call_sends_request_and_returns_result(simulator: Simulator) -> None:
    request = CreateImageRequest(name="research", namespace="team", tag="nightly")

    image = ModelArtsHook().get_conn().call(operations.create_image(simulator.notebook_id, request))

    assert simulator.saves == 1
    assert image.id == simulator.images[0]["id"]


def test_call_raises_error_of_service(simulator: Simulator) -> None:
    with pytest.raises(NotFoundError):
        ModelArtsHook().get_conn().call(operations.show_image("4e0d1854-63e5-4517-b683-a0ee97a692a1"))

    assert [entry.operation for entry in simulator.journal] == ["ShowImage"]


def test_list_all_returns_items_of_all_pages(simulator: Simulator) -> None:
    ids = {simulator.add_image(name="research", namespace="team", tag=f"t{n}") for n in range(5)}

    found = ModelArtsHook().get_conn().list_all(operations.list_images(limit=2))

    assert {image.id for image in found} == ids
    assert len(simulator.journal) == 3


@pytest.mark.parametrize("simulator", [AfterReads(2)], indirect=True, ids=["second poll"])
def test_watch_returns_when_done(simulator: Simulator) -> None:
    hook = ModelArtsHook()
    image = hook.create_image(simulator.notebook_id, name="research", namespace="team", tag="nightly")

    seen = hook.get_conn().watch(
        operations.show_image(image.id),
        is_done=lambda image: image.is_active,
        poll_interval=1,
        deadline=time.time() + 600,
    )

    assert seen.is_active


def test_watch_raises_at_deadline(simulator: Simulator) -> None:
    image_id = simulator.add_image(name="research", namespace="team", tag="nightly", status="CREATING")

    with pytest.raises(WaitTimeoutError, match=image_id):
        ModelArtsHook().get_conn().watch(
            operations.show_image(image_id),
            is_done=lambda image: image.is_active,
            poll_interval=1,
            deadline=0,
        )


def test_blocking_client_has_no_coroutine_method() -> None:
    methods = inspect.getmembers(BlockingClient, inspect.isfunction)

    assert {"call", "list_all", "watch"} <= {name for name, _ in methods}
    assert not any(inspect.iscoroutinefunction(method) for _, method in methods)


def test_get_conn_returns_same_client() -> None:
    hook = ModelArtsHook()

    assert hook.get_conn() is hook.get_conn()


@pytest.mark.parametrize("method", PUBLIC)
def test_hook_methods_name_and_document_their_arguments(method: str) -> None:
    parameters = inspect.signature(getattr(ModelArtsHook, method)).parameters.values()

    assert not [parameter for parameter in parameters if parameter.kind is inspect.Parameter.VAR_KEYWORD]
    document = inspect.getdoc(getattr(ModelArtsHook, method)) or ""
    named = [parameter.name for parameter in parameters if parameter.name != "self"]
    if method != "create_image_once":  # which refers to create_image for what both take
        assert [name for name in named if f":param {name}:" not in document] == []


@pytest.mark.parametrize(("listing", "path"), [("list_images", "/images"), ("list_notebooks", "/notebooks")])
@pytest.mark.parametrize(
    ("of_the_connection", "argument", "asked_for"),
    [("7", None, "7"), ("7", "8", "8"), (None, None, None), (None, "8", "8")],
)
def test_list_methods_use_workspace_of_connection(
    listing: str,
    path: str,
    of_the_connection: str | None,
    argument: str | None,
    asked_for: str | None,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extra = {**simulator.connection["extra"], "workspace_id": of_the_connection}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps({**simulator.connection, "extra": extra}))

    getattr(ModelArtsHook(), listing)(workspace_id=argument)

    (entry,) = simulator.journal
    assert entry.path.endswith(path)
    assert dict(parse_qsl(entry.query)).get("workspace_id") == asked_for
