"""When a lease is renewed, and what lease a start asks for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_modelarts.client.lease_plan import MAX_LEASE, LeaseTerms, plan_renewal, plan_start
from airflow_provider_modelarts.client.notebooks import NO_AUTO_STOP, Lease
from airflow_provider_modelarts.simulator import AtOnce, NotebookBehaviour, Simulator
from tests.transports import TransportRunner

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NOW = 1_784_948_034_829
HOUR_MS = 3_600_000


def lease(**fields: Any) -> Lease:
    """Return a lease of a notebook that is ten hours old, which was started two hours ago for three."""
    values = {
        "create_at": NOW - 10 * HOUR_MS,
        "update_at": NOW - 2 * HOUR_MS,
        "duration": 11 * HOUR_MS,
        "enable": True,
        "type": "TIMING",
    }
    return Lease.model_validate(values | fields)


@pytest.mark.parametrize(
    ("fields", "at_least", "terms"),
    [
        pytest.param({}, 2 * HOUR, LeaseTerms(2 * HOUR, "timing"), id="ends too soon"),
        pytest.param({}, HOUR + MINUTE, LeaseTerms(HOUR + MINUTE, "timing"), id="ends a little too soon"),
        pytest.param({}, HOUR, None, id="ends just in time"),
        pytest.param({}, 30 * MINUTE, None, id="ends later"),
        pytest.param(
            {"duration": 10 * HOUR_MS + 60_000},
            5 * MINUTE,
            LeaseTerms(HOUR, "timing"),
            id="never below an hour",
        ),
        pytest.param({"duration": HOUR_MS}, 5 * MINUTE, LeaseTerms(HOUR, "timing"), id="is over"),
        pytest.param({"type": "timing"}, 2 * HOUR, LeaseTerms(2 * HOUR, "timing"), id="in lower case"),
        pytest.param({"type": None}, 2 * HOUR, LeaseTerms(2 * HOUR, "timing"), id="without a type"),
        pytest.param({"update_at": None}, 2 * HOUR, LeaseTerms(2 * HOUR, "timing"), id="without its start"),
        pytest.param({"enable": False}, 2 * HOUR, None, id="disabled"),
        pytest.param({"type": "IDLE"}, 2 * HOUR, None, id="idle"),
        pytest.param({"duration": -1}, 2 * HOUR, None, id="unlimited"),
        pytest.param({"duration": 0}, 2 * HOUR, None, id="of no duration"),
        pytest.param({"duration": None}, 2 * HOUR, None, id="without a duration"),
        pytest.param({"create_at": None}, 2 * HOUR, None, id="without an end"),
    ],
)
def test_plan_renewal_renews_timed_lease_that_ends_too_soon(
    fields: dict[str, Any], at_least: timedelta, terms: LeaseTerms | None
) -> None:
    assert plan_renewal(lease(**fields), NOW, at_least) == terms


def test_plan_renewal_renews_nothing_without_lease() -> None:
    assert plan_renewal(None, NOW, 2 * HOUR) is None


@given(
    left=st.integers(-(10**9), 10**9),
    at_least=st.timedeltas(timedelta(0), timedelta(days=3)),
)
def test_plan_renewal_never_shortens_lease(left: int, at_least: timedelta) -> None:
    found = lease(duration=10 * HOUR_MS + left)
    terms = plan_renewal(found, NOW, at_least)
    if terms is None:
        assert not found.is_timed or timedelta(milliseconds=left) >= at_least
    else:
        assert terms.duration is not None
        assert terms.duration > timedelta(milliseconds=left)
        assert terms.duration >= max(at_least, HOUR)


@pytest.mark.parametrize(
    ("fields", "terms"),
    [
        pytest.param({}, LeaseTerms(3 * HOUR, "timing"), id="timed: the length last asked for"),
        pytest.param({"type": None}, LeaseTerms(3 * HOUR, "timing"), id="timed, without a type"),
        pytest.param(
            {"update_at": NOW + HOUR_MS - 60_000},
            LeaseTerms(HOUR, "timing"),
            id="timed, and the stop rewrote its start",
        ),
        pytest.param({"update_at": NOW + HOUR_MS}, LeaseTerms(HOUR, "timing"), id="timed, ended by itself"),
        pytest.param({"update_at": None}, LeaseTerms(HOUR, "timing"), id="timed, without its start"),
        pytest.param({"enable": False}, LeaseTerms(NO_AUTO_STOP, fallback=MAX_LEASE), id="disabled"),
        pytest.param(
            {"enable": False, "type": "IDLE"},
            LeaseTerms(NO_AUTO_STOP, fallback=MAX_LEASE),
            id="disabled, idle",
        ),
        pytest.param({"duration": -1}, LeaseTerms(NO_AUTO_STOP, fallback=MAX_LEASE), id="unlimited"),
        pytest.param({"duration": 0}, LeaseTerms(NO_AUTO_STOP, fallback=MAX_LEASE), id="of no duration"),
        pytest.param({"type": "idle"}, LeaseTerms(11 * HOUR, "idle"), id="idle"),
        pytest.param(
            {"type": "IDLE", "duration": 60_000}, LeaseTerms(HOUR, "idle"), id="idle, below an hour"
        ),
        pytest.param({"type": "IDLE", "duration": None}, LeaseTerms(None, "idle"), id="idle, without a time"),
        pytest.param(
            {"type": "IDLE", "duration": -1},
            LeaseTerms(NO_AUTO_STOP, fallback=MAX_LEASE),
            id="idle, without an end",
        ),
        pytest.param(
            {"type": "IDLE", "create_at": NOW - 1000 * HOUR_MS, "duration": 1003 * HOUR_MS - 2 * HOUR_MS},
            LeaseTerms(3 * HOUR, "idle"),
            id="idle, counted from the creation",
        ),
        pytest.param(
            {"type": "IDLE", "duration": 10**15}, LeaseTerms(None, "idle"), id="idle, longer than is accepted"
        ),
        pytest.param({"duration": None, "enable": None}, LeaseTerms(), id="unknown"),
    ],
)
def test_plan_start_keeps_lease_of_stopped_notebook(fields: dict[str, Any], terms: LeaseTerms) -> None:
    assert plan_start(lease(**fields)) == terms


def test_plan_start_without_lease_leaves_it_to_service() -> None:
    assert plan_start(None) == LeaseTerms()


@pytest.mark.parametrize(
    ("duration", "fallback"), [(2 * HOUR, None), (30 * MINUTE, None), (NO_AUTO_STOP, MAX_LEASE)]
)
@pytest.mark.parametrize("fields", [{}, {"enable": False}, {"type": "IDLE"}], ids=str)
def test_plan_start_sends_duration_of_user(
    fields: dict[str, Any], duration: timedelta, fallback: timedelta | None
) -> None:
    assert plan_start(lease(**fields), duration) == LeaseTerms(duration, fallback=fallback)
    assert plan_start(None, duration) == LeaseTerms(duration, fallback=fallback)


@pytest.mark.parametrize("touched_by", [(), ("stop",)])
@pytest.mark.parametrize("no_auto_stop", ["disabled", "unlimited"])
@pytest.mark.parametrize(
    "given_lease",
    [
        {"seconds": 7200, "enable": False},
        {"seconds": None},
        {"seconds": 7200, "type": "IDLE"},
        {"seconds": 7200},
    ],
    ids=str,
)
def test_planned_start_keeps_lease_on_simulator(
    transport: TransportRunner, given_lease: dict[str, Any], no_auto_stop: str, touched_by: tuple[str, ...]
) -> None:
    from airflow_provider_modelarts.client import operations
    from airflow_provider_modelarts.client.client import ModelArtsClient

    behaviour = NotebookBehaviour(
        starting=AtOnce(), stopping=AtOnce(), no_auto_stop=no_auto_stop, touched_by=touched_by
    )
    with Simulator(notebooks=behaviour) as simulator:
        simulator.notebook().set_lease(**given_lease)
        before = Lease.model_validate(simulator.notebook().lease)
        simulator.notebook().stop()

        async def start(modelarts: ModelArtsClient) -> None:
            notebook = await modelarts.call(operations.show_notebook(simulator.notebook_id))
            terms = plan_start(notebook.lease)
            await modelarts.call(
                operations.start_notebook(notebook.id, duration=terms.duration, type=terms.type)
            )

        transport.run(simulator, start)

        after = Lease.model_validate(simulator.notebook().lease)
        assert simulator.notebook().status == "RUNNING"
        if before.is_timed:
            assert after.is_timed
            assert after.length is not None
            assert after.length >= 2 * HOUR - MINUTE
        elif before.is_idle:
            assert (after.is_idle, after.duration) == (True, before.duration)
        else:
            assert after.ends_at is None
            assert not after.is_idle
