"""Steps whose requests are turned away, or of whose permissions one is missing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_modelarts.client.notebook_steps import NotebookSteps, Step, StopRule
from airflow_provider_modelarts.client.notebooks import Notebook
from airflow_provider_modelarts.exceptions import PermissionDeniedError, StopRefusedError
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.client.test_notebook_steps import add_snapshot, on_first, sent, step
from tests.transports import TransportRunner

HOURS = timedelta(hours=2)


def renew(transport: TransportRunner, simulator: Simulator) -> Notebook:
    return transport.run(simulator, lambda m: NotebookSteps(m, simulator.notebook_id).renew(HOURS))


def restart(simulator: Simulator) -> None:
    simulator.notebook().stop()
    simulator.notebook().start()


@pytest.mark.parametrize("kind", ["throttle", "busy"])
def test_stop_is_checked_again_before_each_retry(transport: TransportRunner, kind: str) -> None:
    """Somebody restarts the notebook while a request that was turned away waits."""
    with on_first("StopNotebook", restart) as simulator:
        begun_at = int((simulator.now() - 1200) * 1000)
        marker = f"[airflow:0123456789abcdef notebook:{simulator.notebook_id}]"
        simulator.add_image(status="ACTIVE", description=marker, create_at=begun_at)
        simulator.notebook().set_lease(seconds=None)  # which proves no start, until somebody restarts it
        given = {"throttle": {"retry_after": 60}, "busy": {"status": 400, "code": "ModelArts.6355"}}[kind]
        simulator.inject(Fault("throttle" if kind == "throttle" else "error", "StopNotebook", **given))  # type: ignore[arg-type]
        with pytest.raises(StopRefusedError, match="began before the notebook was started"):
            step(transport, simulator, "stop", StopRule())
        assert simulator.notebook().stops == 0
    assert sent(simulator) == ["StopNotebook"]


def test_stop_that_was_turned_away_is_sent_again(transport: TransportRunner) -> None:
    with Simulator() as simulator:
        add_snapshot(simulator)
        simulator.inject(Fault("throttle", "StopNotebook"))
        found: Step = step(transport, simulator, "stop", StopRule())
        assert (found.changed, simulator.notebook().stops) == (True, 1)


@pytest.mark.parametrize("code", ["ModelArts.0108", "ModelArts.6357"])
def test_renewal_is_read_with_notebook_where_lease_is_refused(transport: TransportRunner, code: str) -> None:
    """It took effect; the task must not fail, and its next try must not renew again."""
    with Simulator() as simulator:
        simulator.notebook().set_lease(seconds=600)
        status = 403 if code == "ModelArts.0108" else 400
        simulator.inject(Fault("error", "ShowLease", times=None, status=status, code=code))
        found = renew(transport, simulator)
        assert found.lease is not None
        assert found.lease.left(int(simulator.now() * 1000)) == pytest.approx(HOURS, abs=timedelta(minutes=1))
    assert sent(simulator) == ["RenewLease"]


def test_renewal_without_permission_changes_nothing(transport: TransportRunner) -> None:
    with Simulator() as simulator:
        simulator.notebook().set_lease(seconds=600)
        before = simulator.notebook().lease
        simulator.inject(Fault("error", "RenewLease", times=None, status=403, code="ModelArts.0108"))
        with pytest.raises(PermissionDeniedError):
            renew(transport, simulator)
        assert simulator.notebook().lease == before
