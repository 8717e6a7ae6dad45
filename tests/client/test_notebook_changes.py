"""Starts, stops, renewals and updates: never twice, whatever happens to the response."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.notebook_changes import move_notebook, renew_lease, update_image
from airflow_provider_modelarts.client.notebooks import START, STOP, Move
from airflow_provider_modelarts.exceptions import (
    ApiError,
    BadRequestError,
    InvalidResponseError,
    ModelArtsError,
    NotebookFailedError,
    NotebookNotReadyError,
    NotFoundError,
    RateLimitError,
    ServerError,
    TransportError,
)
from airflow_provider_modelarts.simulator import Fault, NotebookBehaviour, Simulator
from tests.transports import TransportRunner

OTHER_IMAGE = "00000000-0000-4000-8000-000000000002"
HOURS = timedelta(hours=2)
Code = tuple[int, str]

START_OF = operations.start_notebook
STOP_OF = operations.stop_notebook


def move(transport: TransportRunner, simulator: Simulator, wanted: Move) -> tuple[str | None, bool]:
    """Start or stop the notebook; return its status and whether that changed it."""
    operation: Any = {START: START_OF, STOP: STOP_OF}[wanted](simulator.notebook_id)

    async def scenario(modelarts: ModelArtsClient) -> tuple[str | None, bool]:
        notebook, changed = await move_notebook(modelarts, simulator.notebook_id, wanted, operation)
        return notebook.status, changed

    return transport.run(simulator, scenario)


def sent(simulator: Simulator) -> list[str]:
    return [entry.operation for entry in simulator.journal]


@pytest.mark.parametrize(
    ("wanted", "status", "outcome"),
    [
        (START, "STOPPED", ("STARTING", True)),
        (START, "STARTING", ("STARTING", False)),
        (START, "RUNNING", ("RUNNING", False)),
        (STOP, "RUNNING", ("STOPPING", True)),
        (STOP, "STOPPING", ("STOPPING", False)),
        (STOP, "STOPPED", ("STOPPED", False)),
    ],
)
def test_move_notebook_sends_nothing_if_it_is_done_already(
    simulator: Simulator, transport: TransportRunner, wanted: Move, status: str, outcome: tuple[str, bool]
) -> None:
    simulator.notebook().set_status(status)

    assert move(transport, simulator, wanted) == outcome

    notebook = simulator.notebook()
    assert notebook.starts + notebook.stops == outcome[1]
    assert len(simulator.journal) == 1 + outcome[1]


@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [
        (START, "STOPPING", "ModelArts.6308"),
        (START, "SNAPSHOTTING", "ModelArts.6357"),
        (STOP, "STARTING", "ModelArts.6306"),
        (STOP, "SNAPSHOTTING", "ModelArts.6357"),
    ],
)
def test_move_notebook_reports_busy_notebook(
    simulator: Simulator, transport: TransportRunner, wanted: Move, status: str, code: str
) -> None:
    simulator.notebook().set_status(status)
    with pytest.raises(NotebookNotReadyError, match=code):
        move(transport, simulator, wanted)
    assert simulator.notebook().status == status


@pytest.mark.parametrize("status", ["START_FAILED", "ERROR", "DELETED", "FROZEN"])
@pytest.mark.parametrize("wanted", [START, STOP], ids=["start", "stop"])
def test_move_notebook_sends_nothing_to_failed_notebook(
    simulator: Simulator, transport: TransportRunner, wanted: Move, status: str
) -> None:
    simulator.notebook().set_status(status, "no resources")
    with pytest.raises(NotebookFailedError, match=f"is {status}: no resources"):
        move(transport, simulator, wanted)
    assert sent(simulator) == ["ShowNotebook"]


LOST: dict[str, dict[str, Any]] = {
    "reset": {"kind": "reset_after"},
    "truncated": {"kind": "torn"},
    "500": {"kind": "error", "status": 500, "takes_effect": True},
    "empty": {"kind": "empty", "status": 200, "takes_effect": True},
    "another code": {"kind": "error", "status": 500, "code": "ModelArts.6102", "takes_effect": True},
}


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("wanted", [START, STOP], ids=["start", "stop"])
def test_move_notebook_finds_effect_of_lost_response(
    simulator: Simulator, transport: TransportRunner, wanted: Move, fault: str
) -> None:
    simulator.notebook().set_status("STOPPED" if wanted is START else "RUNNING")
    name = "StartNotebook" if wanted is START else "StopNotebook"
    simulator.inject(Fault(operation=name, **LOST[fault]))

    assert move(transport, simulator, wanted) == (wanted.through, True)

    assert sent(simulator) == ["ShowNotebook", name, "ShowNotebook"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("reset"), TransportError),
        (Fault("html", status=502), ServerError),
        (Fault("redirect", location="http://127.0.0.1:9/"), InvalidResponseError),
        (Fault("error", status=400, code="ModelArts.9999"), ApiError),
        (Fault("error", status=400, code="ModelArts.6357"), NotebookNotReadyError),
    ],
    ids=str,
)
def test_move_notebook_is_not_sent_again_without_effect(
    simulator: Simulator, transport: TransportRunner, fault: Fault, error: type[ModelArtsError]
) -> None:
    """It may still be processed: the next try checks first whether the stop is allowed."""
    simulator.inject(replace(fault, operation="StopNotebook"))
    with pytest.raises(error):
        move(transport, simulator, STOP)
    assert sent(simulator) == ["ShowNotebook", "StopNotebook", "ShowNotebook"]


@pytest.mark.parametrize("fault", [Fault("throttle", "StopNotebook"), Fault("throttle", "ShowNotebook")])
def test_move_notebook_is_sent_again_if_surely_not_processed(
    simulator: Simulator, transport: TransportRunner, fault: Fault
) -> None:
    simulator.inject(fault)
    assert move(transport, simulator, STOP) == ("STOPPING", True)
    assert simulator.notebook().stops == 1


@pytest.mark.parametrize("code", ["ModelArts.6307", "ModelArts.6357"])
def test_move_notebook_accepts_stop_by_another(transport: TransportRunner, code: str) -> None:
    """It was RUNNING when it was read, and somebody stopped it a moment later."""
    with Simulator(notebooks=NotebookBehaviour(stopped_code=code)) as simulator:
        simulator.inject(Fault("document", "ShowNotebook", body=running(simulator)))
        simulator.notebook().stop()
        assert move(transport, simulator, STOP) == ("STOPPED", False)
        assert simulator.notebook().stops == 0


def running(simulator: Simulator) -> str:
    return f'{{"id": "{simulator.notebook_id}", "status": "RUNNING"}}'


def test_move_notebook_raises_first_error_if_check_fails(
    simulator: Simulator, transport: TransportRunner
) -> None:
    simulator.inject(
        Fault("reset_after", "StopNotebook"),
        Fault("error", "ShowNotebook", status=403, skip=1, code="ModelArts.0108"),
    )
    with pytest.raises(TransportError):
        move(transport, simulator, STOP)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ModelArts.6797", NotFoundError),
        ("ModelArts.6349", BadRequestError),
        ("ModelArts.6404", NotFoundError),
    ],
)
def test_move_notebook_reads_nothing_after_permanent_refusal(
    simulator: Simulator, transport: TransportRunner, code: str, error: type[ModelArtsError]
) -> None:
    simulator.notebook().stop()
    simulator.inject(Fault("error", "StartNotebook", status=400, code=code))
    with pytest.raises(error):
        move(transport, simulator, START)
    assert sent(simulator) == ["ShowNotebook", "StartNotebook"]


# Leases


def renew(transport: TransportRunner, simulator: Simulator, **given: Any) -> Any:
    async def scenario(modelarts: ModelArtsClient) -> Any:
        return await renew_lease(modelarts, simulator.notebook_id, HOURS, **given)

    return transport.run(simulator, scenario)


@pytest.mark.parametrize("response", ["echo", "lease", "empty"])
@pytest.mark.parametrize("cloud", ["huaweicloud", "otc"])
def test_renew_lease_returns_lease_as_read_again(
    transport: TransportRunner, cloud: str, response: str
) -> None:
    with Simulator(cloud=cloud, notebooks=NotebookBehaviour(renewal_response=response)) as simulator:
        simulator.advance(100_000)
        lease = renew(transport, simulator)
        left = lease.left(int(simulator.now() * 1000))
        assert abs(left - HOURS) < timedelta(minutes=1)
        assert lease.model_dump(include={"create_at", "duration", "enable", "type", "update_at"}) == (
            simulator.notebook().lease
        )
        assert sent(simulator) == ["RenewLease", "ShowLease"]


def test_renew_lease_of_idle_lease_stays_idle(simulator: Simulator, transport: TransportRunner) -> None:
    simulator.notebook().set_lease(seconds=3600, type="IDLE")
    assert renew(transport, simulator, type="idle").is_idle


@pytest.mark.parametrize("fault", LOST)
def test_renew_lease_finds_effect_of_lost_response(
    simulator: Simulator, transport: TransportRunner, fault: str
) -> None:
    simulator.notebook().set_lease(seconds=3600)
    simulator.inject(Fault(operation="RenewLease", **LOST[fault]))
    assert renew(transport, simulator).is_timed
    assert sum(entry.effect for entry in simulator.journal) == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("reset", "RenewLease"), TransportError),
        (Fault("error", "RenewLease", status=400, code="ModelArts.9999"), ApiError),
        (Fault("document", "RenewLease", body="{}"), InvalidResponseError),
        (Fault("throttle", "RenewLease", times=None), RateLimitError),
    ],
    ids=str,
)
def test_renew_lease_without_effect_is_an_error(
    simulator: Simulator, transport: TransportRunner, fault: Fault, error: type[ModelArtsError]
) -> None:
    """An accepted renewal proves nothing."""
    simulator.notebook().set_lease(seconds=3600)
    before = simulator.notebook().lease
    simulator.inject(fault)
    with pytest.raises(error):
        renew(transport, simulator)
    assert simulator.notebook().lease == before


@pytest.mark.parametrize("code", ["ModelArts.6327", "ModelArts.6958"])
def test_renew_lease_of_stopped_notebook_is_an_error(transport: TransportRunner, code: str) -> None:
    with Simulator(notebooks=NotebookBehaviour(not_running_code=code)) as simulator:
        simulator.notebook().stop()
        with pytest.raises(NotebookNotReadyError, match=code):
            renew(transport, simulator)


# Images


def update(transport: TransportRunner, simulator: Simulator, image_id: str = OTHER_IMAGE) -> Any:
    async def scenario(modelarts: ModelArtsClient) -> Any:
        return await update_image(modelarts, simulator.notebook_id, image_id)

    return transport.run(simulator, scenario)


@pytest.mark.parametrize("partial", [True, False])
def test_update_image_returns_notebook_as_read_again(transport: TransportRunner, partial: bool) -> None:
    with Simulator(notebooks=NotebookBehaviour(partial_update=partial)) as simulator:
        simulator.notebook().stop()
        notebook = update(transport, simulator)
        assert (notebook.status, notebook.image_id) == ("STOPPED", OTHER_IMAGE)


@pytest.mark.parametrize("fault", LOST)
def test_update_image_finds_effect_of_lost_response(
    simulator: Simulator, transport: TransportRunner, fault: str
) -> None:
    simulator.notebook().stop()
    simulator.inject(Fault(operation="UpdateNotebook", **LOST[fault]))
    assert update(transport, simulator).image_id == OTHER_IMAGE


Before = Callable[[Simulator], object]


@pytest.mark.parametrize(
    ("before", "image_id", "error", "text"),
    [
        (lambda s: s.notebook().stop(), "unknown", NotFoundError, r"ModelArts\.6797"),
        (lambda _: None, OTHER_IMAGE, NotebookNotReadyError, r"ModelArts\.6347"),
        (
            lambda s: (s.notebook().stop(), s.inject(Fault("document", "UpdateNotebook", body="{}"))),
            OTHER_IMAGE,
            InvalidResponseError,
            "still has the image",
        ),
    ],
    ids=["no such image", "a running notebook", "no effect"],
)
def test_update_image_without_effect_is_an_error(
    simulator: Simulator,
    transport: TransportRunner,
    before: Before,
    image_id: str,
    error: type[ModelArtsError],
    text: str,
) -> None:
    before(simulator)
    with pytest.raises(error, match=text):
        update(transport, simulator, image_id)
    assert simulator.notebook().image_id != OTHER_IMAGE
