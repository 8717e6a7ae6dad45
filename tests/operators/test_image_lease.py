"""The operator's ``min_lease``: the lease lasts long enough before a save, and no save is outdated by it."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_modelarts.client import idempotent_create
from airflow_provider_modelarts.exceptions import NotebookNotReadyError
from airflow_provider_modelarts.simulator import AfterReads, AtOnce, Fault, NotebookBehaviour, Simulator
from tests.operators.saves import in_both, save, sent, warnings
from tests.recorder import TaskInstance

pytestmark = pytest.mark.usefixtures("quick_polls", "connection")
HOUR = 3600
WAITS_THERE = {"wait_for_completion": True, "deferrable": True}
ENDLESS: dict[str, dict[str, Any]] = {
    "disabled": {"seconds": 600, "enable": False},
    "unlimited": {"seconds": None},
    "idle": {"seconds": 600, "type": "IDLE"},
}


def seconds_left(simulator: Simulator) -> float:
    ends_at = simulator.notebook().lease_ends_at
    assert ends_at is not None
    return ends_at - simulator.now()


@pytest.mark.parametrize(
    ("left", "min_lease", "is_renewed"),
    [
        (600, "2h", True),
        (600, timedelta(hours=2), True),
        (600, " 1h30min ", True),
        (600, "15min", True),
        (10_000, "2h", False),
        (10_000, "1d", True),
    ],
    ids=str,
)
def test_lease_is_renewed_before_save_if_it_ends_too_soon(
    simulator: Simulator, left: int, min_lease: Any, is_renewed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    simulator.notebook().set_lease(seconds=left)

    result = save(simulator, min_lease=min_lease)

    renewal = ["RenewLease", "ShowLease"] if is_renewed else []
    assert sent(simulator) == ["ShowNotebook", *renewal, "CreateImage"]
    assert seconds_left(simulator) >= (HOUR - 60 if is_renewed else left - 60)
    assert [line for line in caplog.messages if "its lease ends at 20" in line], "until when"
    assert warnings(caplog) == []
    assert result["adopted"] is False
    assert simulator.saves == 1


@pytest.mark.parametrize(
    "simulator",
    [NotebookBehaviour(renewal_response=response) for response in ("lease", "empty")],
    indirect=True,
    ids=["lease", "204"],
)
def test_lease_is_renewed_whatever_the_response_has(simulator: Simulator) -> None:
    simulator.notebook().set_lease(seconds=600)
    save(simulator, min_lease="2h")
    assert seconds_left(simulator) > 7000


@pytest.mark.parametrize("how", [{}, {"wait_for_completion": True}, WAITS_THERE], ids=str)
@pytest.mark.parametrize("lease", ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize(
    "simulator", [NotebookBehaviour(touched_by=())], indirect=True, ids=["a save rewrites nothing"]
)
def test_lease_without_end_is_the_same_afterwards_as_a_whole(
    simulator: Simulator, lease: dict[str, Any], how: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    simulator.notebook().set_lease(**lease)
    before = simulator.notebook().lease

    save(simulator, min_lease="2h", **how)

    assert simulator.notebook().lease == before
    assert not {"RenewLease", "StartNotebook"} & set(sent(simulator))
    assert warnings(caplog) == []


@pytest.mark.parametrize("nothing", [None, "", "  \n", "None"], ids=repr)
def test_min_lease_that_renders_to_nothing_is_not_given(simulator: Simulator, nothing: Any) -> None:
    simulator.notebook().set_lease(seconds=600)
    save(simulator, min_lease=nothing)
    assert sent(simulator) == ["CreateImage"]


@pytest.mark.parametrize(
    "value", ["2m", "120", 7200, True, "soon", "0h", timedelta(0), timedelta(-1), "9999999d"]
)
def test_min_lease_that_is_no_duration_is_refused_before_anything_is_sent(
    simulator: Simulator, value: Any
) -> None:
    with pytest.raises(AirflowFailException, match="min_lease"):
        save(simulator, min_lease=value)
    assert simulator.journal == ()


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            Fault("error", "RenewLease", times=None, status=403, code="ModelArts.0108"), id="forbidden"
        ),
        pytest.param(
            Fault("error", "RenewLease", times=None, status=400, code="ModelArts.6349"), id="refused"
        ),
        pytest.param(
            Fault("error", "RenewLease", times=None, status=400, code="ModelArts.9999"), id="unknown"
        ),
        pytest.param(Fault("reset", "RenewLease"), id="lost request"),
        pytest.param(Fault("html", "RenewLease", status=502), id="gateway"),
    ],
)
def test_failed_renewal_is_a_warning_and_save_goes_on(
    simulator: Simulator, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.notebook().set_lease(seconds=600)
    simulator.inject(fault)

    assert save(simulator, min_lease="2h")["adopted"] is False

    failed, *others = warnings(caplog)[-2:]
    assert f"Renewing the lease of notebook {simulator.notebook_id} failed; its save goes on" in failed
    assert ["lease of notebook" in line and "ends at 20" in line for line in others] == [True]
    assert simulator.saves == 1


def test_renewal_whose_response_is_lost_counts(simulator: Simulator) -> None:
    simulator.notebook().set_lease(seconds=600)
    simulator.inject(Fault("reset_after", "RenewLease"))
    save(simulator, min_lease="2h")
    assert seconds_left(simulator) > 7000
    assert sent(simulator).count("RenewLease") == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            Fault("error", "ShowNotebook", times=None, status=403, code="ModelArts.0108"), id="forbidden"
        ),
        pytest.param(Fault("html", "ShowNotebook", times=None, status=403), id="403 without a code"),
        pytest.param(Fault("html", "ShowNotebook", times=None, status=404), id="404 without a code"),
        pytest.param(Fault("garbage", "ShowNotebook", times=None), id="half a response"),
    ],
)
@pytest.mark.parametrize("rule", [{"min_lease": "2h"}, {"if_not_running": "skip"}], ids=str)
def test_notebook_that_cannot_be_read_is_saved_with_a_warning(
    simulator: Simulator, fault: Fault, rule: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    simulator.notebook().set_lease(seconds=600)
    simulator.inject(fault)

    result = save(simulator, **rule)

    assert simulator.saves == 1
    assert "previous_image_id" not in result
    (line,) = warnings(caplog)
    assert f"Notebook {simulator.notebook_id} cannot be read before its save, which goes on" in line


@pytest.mark.parametrize("simulator", [AtOnce(), AfterReads(3)], indirect=True, ids=["ACTIVE", "pending"])
def test_retry_that_reuses_its_image_renews_nothing(simulator: Simulator) -> None:
    simulator.notebook().set_lease(seconds=600)
    save(simulator, TaskInstance(try_number=1), min_lease="2h")
    simulator.notebook().set_lease(seconds=600)
    before = simulator.notebook().lease

    result = save(simulator, TaskInstance(try_number=2), min_lease="2h")

    assert result["adopted"] is True
    assert simulator.notebook().lease == before
    assert sent(simulator).count("RenewLease") == 1


def test_retry_renews_lease_if_no_earlier_try_has_saved(simulator: Simulator) -> None:
    """Such as one whose worker died before it sent anything."""
    simulator.notebook().set_lease(seconds=600)
    save(simulator, TaskInstance(try_number=2), min_lease="2h")
    assert seconds_left(simulator) > 7000
    assert sent(simulator)[0] == "ListImages"


def test_retry_does_not_renew_lease_again_that_was_renewed_just_now(simulator: Simulator) -> None:
    simulator.notebook().set_lease(seconds=600)
    simulator.inject(Fault("error", "CreateImage", status=400, code="ModelArts.6306"))
    with pytest.raises(NotebookNotReadyError):
        save(simulator, TaskInstance(try_number=1), min_lease="2h")

    save(simulator, TaskInstance(try_number=2), min_lease="2h")

    assert sent(simulator).count("RenewLease") == 1
    assert simulator.saves == 1


@pytest.mark.parametrize("status", ["SNAPSHOTTING", "STARTING", "STOPPED", "STOPPING"])
def test_lease_of_notebook_that_does_not_run_is_left_alone(simulator: Simulator, status: str) -> None:
    simulator.notebook().set_lease(seconds=600)
    simulator.notebook().set_status(status)
    with pytest.raises(NotebookNotReadyError):
        save(simulator, min_lease="2h")
    assert "RenewLease" not in sent(simulator)


# The warning


@pytest.mark.parametrize(
    ("lease", "arguments", "is_warned"),
    [
        pytest.param({"seconds": 600}, {"wait_for_completion": True}, True, id="ends too soon"),
        pytest.param({"seconds": 600}, WAITS_THERE, True, id="ends too soon, triggerer"),
        pytest.param({"seconds": 9000}, WAITS_THERE, False, id="ends later, triggerer"),
        pytest.param({"seconds": 600}, {}, False, id="not known without a wait"),
        pytest.param({"seconds": 600}, {"if_not_running": "skip"}, True, id="read before the save"),
        pytest.param(
            {"seconds": 600}, {"if_not_running": "skip", "wait_for_completion": True}, True, id="once only"
        ),
        pytest.param({"seconds": 600}, {"wait_for_completion": True, "timeout": 300}, False, id="short save"),
        pytest.param({"seconds": 9000}, {"wait_for_completion": True}, False, id="ends later"),
        pytest.param(
            {"seconds": 9000}, {"wait_for_completion": True, "timeout": 20_000}, True, id="long save"
        ),
        pytest.param({"seconds": 600}, {"wait_for_completion": True, "min_lease": "1h"}, False, id="renewed"),
        *(
            pytest.param(
                lease, {"wait_for_completion": True, "if_not_running": how}, False, id=f"{name}, {how}"
            )
            for name, lease in ENDLESS.items()
            for how in ("fail", "skip")
            if how == "fail" or name == "idle"
        ),
    ],
)
def test_end_of_lease_is_a_warning_if_save_may_outlive_it(
    simulator: Simulator,
    lease: dict[str, Any],
    arguments: dict[str, Any],
    is_warned: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    simulator.notebook().set_lease(**lease)

    save(simulator, **arguments)

    lines = [line for line in warnings(caplog) if "The lease of notebook" in line]
    assert len(lines) == is_warned
    for line in lines:
        assert f"The lease of notebook {simulator.notebook_id} ends at 20" in line


@in_both
def test_save_does_not_fail_if_lease_cannot_be_read_for_the_warning(
    simulator: Simulator, deferrable: bool, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.notebook().set_lease(seconds=600)
    simulator.inject(Fault("html", "ShowNotebook", status=502))
    assert save(simulator, wait_for_completion=True, deferrable=deferrable)["status"] == "ACTIVE"
    assert warnings(caplog) == []


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "triggerer"])
def test_lost_response_of_save_keeps_lease_and_previous_image(
    simulator: Simulator, deferrable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotent_create, "LOOKUP_INTERVAL", 0.01)
    simulator.notebook().set_lease(seconds=600)
    before = simulator.notebook().image_id
    simulator.inject(Fault("reset_after", "CreateImage"))

    result = save(simulator, min_lease="2h", wait_for_completion=True, deferrable=deferrable)

    assert (result["adopted"], result["previous_image_id"]) == (False, before)
    assert result["duration_seconds"] >= 0
    assert sent(simulator).count("RenewLease") == simulator.saves == 1
