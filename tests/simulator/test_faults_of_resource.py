"""A fault with a resource happens only to requests about this notebook or image."""

from __future__ import annotations

import json

import pytest

from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import AtOnce, Fault, Simulator
from airflow_provider_modelarts.simulator.faults import FaultQueue


@pytest.mark.parametrize("kind", ["error", "torn"])
def test_fault_of_resource_leaves_other_requests_alone(kind: str) -> None:
    queue = FaultQueue()
    fault = Fault(kind, "ShowNotebook", times=2, skip=1, resource_id="n-1")
    queue.add(fault)
    taken = [
        queue.take(operation, resource_id) is not None
        for operation, resource_id in [
            ("ShowNotebook", "n-2"),
            ("CreateImage", "n-1"),
            ("ListNotebooks", ""),
            ("ShowNotebook", "n-1"),
            ("ShowNotebook", "n-2"),
            ("ShowNotebook", "n-1"),
            ("ShowNotebook", "n-1"),
            ("ShowNotebook", "n-1"),
        ]
    ]
    assert taken == [False, False, False, False, False, True, True, False]


def test_save_of_one_notebook_fails_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    with Simulator(save=AtOnce()) as simulator:
        monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))
        hook = ModelArtsHook()
        broken = simulator.add_notebook()
        simulator.inject(Fault("save_fails", times=None, resource_id=broken))
        statuses = [
            hook.get_image(hook.create_image(notebook_id, name="n", namespace="team", tag=tag).id).status
            for tag, notebook_id in (("a", broken), ("b", simulator.notebook_id), ("c", broken))
        ]
    assert statuses == ["CREATE_FAILED", "ACTIVE", "CREATE_FAILED"]
