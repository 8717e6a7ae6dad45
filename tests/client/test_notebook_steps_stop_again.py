"""A stop that is sent again, some time after the first request: what was read before that one is old."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_modelarts.client.http_types import Request
from airflow_provider_modelarts.client.notebook_steps import NotebookSteps, StopRule
from airflow_provider_modelarts.exceptions import StopRefusedError
from airflow_provider_modelarts.simulator import AtOnce, Fault, Simulator, exchange, lifecycle
from airflow_provider_modelarts.transport import block_on
from tests.in_process import in_process_client


def _delete(simulator: Simulator) -> None:
    (image,) = simulator.images
    simulator.set_image_status(image["id"], "DELETED")


def _start_again(simulator: Simulator) -> None:
    simulator.notebook().stop()
    simulator.notebook().start()
    simulator.notebook().install("precious")


def _nothing(_: Simulator) -> None:
    pass


def stop(meanwhile: Callable[[Simulator], None]) -> Simulator:
    """Save a notebook and stop it an hour later; something happens after the first request is throttled."""
    simulator = Simulator(save=AtOnce())
    simulator.freeze()
    simulator.notebook().install("numpy")
    marker = f"[airflow:0123456789abcdef notebook:{simulator.notebook_id}]"
    fields = {"name": "research", "namespace": "team", "tag": "v1", "description": marker}
    store: Any = simulator._projects.home
    store.start_save(simulator.notebook_id, fields)
    assert [image["status"] for image in simulator.images] == ["ACTIVE"]
    assert simulator.notebook().status == "RUNNING"
    simulator.advance(3600)
    simulator.inject(Fault("throttle", "StopNotebook", retry_after=50))
    requests: list[str] = []

    def before(request: Request) -> None:
        if requests and requests[-1].endswith("/stop"):
            meanwhile(simulator)
        requests.append(request.url)

    steps = NotebookSteps(in_process_client(simulator, before), simulator.notebook_id)
    try:
        block_on(steps.stop(StopRule()))
    finally:
        assert sum(url.endswith("/stop") for url in requests) == (2 if meanwhile is _nothing else 1)
    return simulator


def test_stop_is_sent_again_after_another_check() -> None:
    assert stop(_nothing).notebook().status == "STOPPING"


def test_stop_is_not_sent_again_if_snapshot_was_deleted_meanwhile() -> None:
    with pytest.raises(StopRefusedError, match="has no ACTIVE snapshot"):
        stop(_delete)


def test_stop_is_not_sent_again_if_lease_shows_start_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only ShowLease shows the start, as the notebook's own response has no lease."""
    respond = exchange.json_reply

    def without_lease(status: int, document: Any) -> Any:
        given = {name: value for name, value in document.items() if name != "lease"}
        return respond(status, given)

    monkeypatch.setattr(lifecycle, "json_reply", without_lease)
    with pytest.raises(StopRefusedError, match="began before the notebook was started or renewed"):
        stop(_start_again)
