"""``ModelArtsHook`` in a worker and in a trigger."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import AuthenticationError, NotFoundError
from airflow_provider_modelarts.hooks import pool
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Fault, Simulator

pytestmark = pytest.mark.usefixtures("quick_polls")


def test_hook_does_nothing_before_first_call() -> None:
    """DAG parsing and triggers create hooks, perhaps without a connection."""
    hook = ModelArtsHook("no_such_connection")

    assert hook.modelarts_conn_id == "no_such_connection"
    assert ModelArtsHook().modelarts_conn_id == ModelArtsHook.default_conn_name == "modelarts_default"


@pytest.mark.usefixtures("connection")
def test_hook_has_method_for_each_operation(simulator: Simulator) -> None:
    hook = ModelArtsHook()

    image = hook.create_image(simulator.notebook_id, name="research", namespace="team", tag="nightly")
    old = simulator.add_image(name="research", namespace="team", tag="old")
    simulator.set_image_status(image.id, "ACTIVE")

    assert hook.get_image(image.id).is_active
    assert {i.id for i in hook.list_images(name="research", namespace="team")} == {image.id, old}
    assert hook.get_notebook(simulator.notebook_id).image is not None
    assert [n.id for n in hook.list_notebooks(status="RUNNING")] == [simulator.notebook_id]
    hook.delete_image(old)
    with pytest.raises(NotFoundError):
        hook.get_image(old)
    assert simulator.connections == 1


@pytest.mark.usefixtures("connection")
def test_acall_sends_any_operation_in_trigger(simulator: Simulator) -> None:
    image_id = simulator.add_image(name="research", namespace="team", tag="nightly")

    image = asyncio.run(ModelArtsHook().acall(operations.show_image(image_id)))

    assert image.is_active


def change_connection(monkeypatch: pytest.MonkeyPatch, simulator: Simulator, **extra: Any) -> None:
    changed = {**simulator.connection, "extra": {**simulator.connection["extra"], **extra}}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(changed))


async def wait(image_id: str, timeout: float = 30) -> Image:
    import time

    return await ModelArtsHook().awatch(
        operations.show_image(image_id),
        is_done=lambda image: image.is_active,
        poll_interval=0.05,
        deadline=time.time() + timeout,
    )


@pytest.mark.usefixtures("connection")
def test_concurrent_waits_share_one_connection_lookup(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = simulator.add_image(name="research", namespace="team", tag="nightly")

    async def one_after_the_other() -> None:
        async with pool.connection_cache.use("modelarts_default") as cache:
            first = await cache.settings()
            change_connection(monkeypatch, simulator, read_timeout=5)
            await asyncio.gather(*(wait(image_id) for _ in range(20)))
            assert await cache.settings() is first

    asyncio.run(one_after_the_other())


@pytest.mark.usefixtures("connection")
def test_edited_connection_is_used_after_cache_expires(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while some wait uses the old one."""

    async def some_minutes_later() -> None:
        async with pool.connection_cache.use("modelarts_default") as cache:
            first = await cache.settings()
            change_connection(monkeypatch, simulator, read_timeout=5)
            monkeypatch.setattr(pool, "CONNECTION_TTL", 0.0)
            second = await cache.settings()
            assert (first.transport_config.read_timeout, second.transport_config.read_timeout) == (60, 5)

    asyncio.run(some_minutes_later())


@pytest.mark.usefixtures("connection")
def test_changed_key_is_read_once_when_old_one_is_refused(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = simulator.add_image(name="research", namespace="team", tag="nightly", status="CREATING")

    async def rotate() -> Image:
        waiting = asyncio.create_task(wait(image_id))
        while not (simulator.journal or waiting.done()):
            await asyncio.sleep(0.01)
        change_connection(monkeypatch, simulator, read_timeout=5)
        simulator.set_image_status(image_id, "ACTIVE")
        simulator.inject(Fault("error", "ShowImage", status=401, code="APIGW.0301"))
        return await waiting

    assert asyncio.run(rotate()).is_active
    assert [entry.status for entry in simulator.journal if entry.status != 200] == [401]


@pytest.mark.usefixtures("connection")
def test_wrong_key_is_not_retried(simulator: Simulator) -> None:
    """Five wrong signatures lock it."""
    simulator.inject(Fault("error", "ShowImage", times=None, status=401, code="APIGW.0301"))

    with pytest.raises(AuthenticationError):
        asyncio.run(wait("i"))

    assert len(simulator.journal) == 1


def test_plain_http_to_another_host_logs_warning(
    monkeypatch: pytest.MonkeyPatch, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    there = {**simulator.connection, "host": "http://modelarts.example.com", "port": None}
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(there))

    with caplog.at_level(logging.WARNING):
        ModelArtsHook().get_conn()

    assert "http://modelarts.example.com uses plain HTTP" in caplog.text


@pytest.mark.usefixtures("connection")
def test_hook_logs_no_secret(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    simulator.inject(Fault("error", "ShowImage", status=500), Fault("reset", "ShowImage"))
    image_id = simulator.add_image(name="research", namespace="team", tag="nightly")

    with caplog.at_level(logging.DEBUG):
        asyncio.run(wait(image_id))
        ModelArtsHook().get_notebook(simulator.notebook_id)

    assert caplog.records
    assert simulator.connection["password"] not in caplog.text
    assert "Signature=" not in caplog.text
