"""The wait for an image, as the hook offers it to workers and triggers."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import ImageFailedError, NotFoundError, WaitTimeoutError
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import AfterReads, Fault, Simulator

pytestmark = pytest.mark.usefixtures("connection", "quick_polls")

Wait = Callable[..., Image]


def blocking(image_id: str, **arguments: Any) -> Image:
    return ModelArtsHook().wait_for_image(image_id, **arguments)


def awaiting(image_id: str, **arguments: Any) -> Image:
    return asyncio.run(ModelArtsHook().await_image(image_id, **arguments))


both = pytest.mark.parametrize("wait", [blocking, awaiting])


@both
@pytest.mark.parametrize("simulator", [AfterReads(3)], indirect=True, ids=["third poll"])
def test_wait_for_image_returns_the_active_image(wait: Wait, simulator: Simulator) -> None:
    hook = ModelArtsHook()
    image = hook.create_image(simulator.notebook_id, name="research", namespace="team", tag="nightly")

    assert wait(image.id, poll_interval=0.1).is_active


@both
@pytest.mark.parametrize("status", ["CREATE_FAILED", "ERROR"])
def test_wait_for_image_raises_if_the_image_failed(wait: Wait, status: str, simulator: Simulator) -> None:
    image_id = simulator.add_image(name="research", namespace="team", tag="nightly", status=status)

    with pytest.raises(ImageFailedError, match=image_id):
        wait(image_id, poll_interval=0.1)


@both
def test_wait_for_image_raises_at_its_timeout(wait: Wait, simulator: Simulator) -> None:
    image_id = simulator.add_image(name="research", namespace="team", tag="nightly", status="CREATING")

    with pytest.raises(WaitTimeoutError, match=rf"waiting for image {image_id}: last poll: .*CREATING"):
        wait(image_id, timeout=0)


def test_await_image_takes_a_deadline_in_place_of_the_timeout(simulator: Simulator) -> None:
    image_id = simulator.add_image(name="research", namespace="team", tag="nightly", status="CREATING")

    with pytest.raises(WaitTimeoutError, match=image_id):
        awaiting(image_id, timeout=3600, deadline=0)


def test_wait_for_image_calls_on_poll_after_each_successful_poll(simulator: Simulator) -> None:
    image_id = simulator.add_image(name="research", namespace="team", tag="nightly", status="CREATING")
    simulator.inject(Fault("error", "ShowImage", status=503))
    polled: list[str | None] = []

    def on_poll(image: Image) -> None:
        polled.append(image.status)
        simulator.set_image_status(image_id, "ACTIVE")

    ModelArtsHook().wait_for_image(image_id, poll_interval=0.1, on_poll=on_poll)

    assert polled == ["CREATING", "ACTIVE"]


@pytest.mark.parametrize("method", ["wait_for_image", "await_image"])
def test_wait_for_image_keeps_its_contract(method: str) -> None:
    parameters = inspect.signature(getattr(ModelArtsHook, method)).parameters

    assert {name: parameters[name].default for name in ("poll_interval", "timeout")} == {
        "poll_interval": 10,
        "timeout": 3600,
    }
    assert [p.name for p in parameters.values() if p.kind is not p.KEYWORD_ONLY] == ["self", "image_id"]


@pytest.mark.parametrize(
    ("status", "raises"),
    [("CREATING", None), ("ACTIVE", None), ("CREATE_FAILED", ImageFailedError), (None, NotFoundError)],
)
def test_try_get_image_sends_one_request(
    status: str | None, raises: type[Exception] | None, simulator: Simulator
) -> None:
    image_id = "1f0a6e0c-0000-4000-8000-000000000000"
    if status:
        image_id = simulator.add_image(name="research", namespace="team", tag="nightly", status=status)

    if raises:
        with pytest.raises(raises):
            ModelArtsHook().try_get_image(image_id)
    else:
        assert ModelArtsHook().try_get_image(image_id).status == status

    assert len(simulator.journal) == 1
