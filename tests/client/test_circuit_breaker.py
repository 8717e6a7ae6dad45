"""The circuit breaker that all waits of a project share."""

from __future__ import annotations

from random import Random

import pytest

from airflow_provider_modelarts.client.circuit_breaker import CircuitBreaker
from airflow_provider_modelarts.exceptions import (
    MAX_RETRY_AFTER,
    ModelArtsError,
    RateLimitError,
    ServerError,
    TransportError,
)

INTERVAL = 10.0
LOST = TransportError("no reply in time", stage="timeout")
RESET = TransportError("reset", stage="connection")


def breaker() -> CircuitBreaker:
    return CircuitBreaker(Random(1))


def test_circuit_breaker_allows_several_polls_while_closed() -> None:
    shared = breaker()
    claims = [shared.delay_before_request(0, INTERVAL) for _ in range(200)]
    assert claims.count(0.0) == shared.MAX_IN_FLIGHT
    assert all(0 < claim <= INTERVAL for claim in claims if claim)
    shared.release()
    assert [shared.delay_before_request(0, INTERVAL) for _ in range(10)].count(0.0) == 1


def test_circuit_breaker_allows_last_poll_while_service_responds() -> None:
    """A success at the deadline is not missed because others poll, too."""
    shared = breaker()
    claims = [shared.delay_before_request(0, INTERVAL, is_last=True) for _ in range(50)]
    assert claims == [0.0] * 50


@pytest.mark.parametrize("is_last", [False, True])
def test_circuit_breaker_allows_one_probe_when_service_hangs(is_last: bool) -> None:
    shared = breaker()
    for _ in range(shared.MAX_IN_FLIGHT):
        assert shared.delay_before_request(0, INTERVAL) == 0
    for _ in range(shared.MAX_IN_FLIGHT):
        shared.record_failure(LOST, 60, INTERVAL, sent_at=0)
        assert shared.delay_before_request(60, INTERVAL, is_last=is_last) > 0
        shared.release()
    assert shared.is_open
    probes = []
    for now in range(61, 3600):
        if not shared.delay_before_request(now, INTERVAL, is_last=is_last):
            probes.append(now)
            assert shared.delay_before_request(now, INTERVAL, is_last=is_last) > 0
            # It hangs as well, for a minute, in which the breaker's pause runs out.
            for later in range(now + 1, now + 60):
                assert shared.delay_before_request(later, INTERVAL, is_last=is_last) > 0
            shared.record_failure(LOST, now + 60, INTERVAL, sent_at=now)
            shared.release()
    assert 10 < len(probes) < 70


@pytest.mark.parametrize(
    ("replied_at", "error", "is_bad"),
    [
        pytest.param(-5, LOST, True, id="no response to other waits"),
        pytest.param(5, LOST, False, id="response to another wait"),
        pytest.param(-5, RESET, False, id="a reset"),
        pytest.param(-5, ServerError("it"), False, id="one 503"),
        pytest.param(5, RateLimitError("it"), True, id="429"),
        pytest.param(5, ServerError("it", retry_after=30), True, id="with Retry-After"),
    ],
)
def test_record_failure_opens_at_once_on_hang_or_retry_after(
    replied_at: float, error: TransportError, is_bad: bool
) -> None:
    shared = breaker()
    shared.record_success(replied_at)
    shared.delay_before_request(0, INTERVAL)
    shared.record_failure(error, 60, INTERVAL, sent_at=0)
    assert shared.is_open is is_bad


@pytest.mark.parametrize(
    ("asked_for", "waited"), [(-5.0, 0), (0.0, 0), (200.0, 200), (86_400.0, MAX_RETRY_AFTER)]
)
def test_postpone_delays_all_polls_until_retry_after(asked_for: float, waited: float) -> None:
    shared = breaker()
    shared.postpone(0, asked_for)
    claim = shared.delay_before_request(0, INTERVAL)
    assert waited <= claim <= waited + INTERVAL
    assert shared.delay_before_request(waited, INTERVAL) == 0 or not asked_for > 0


def test_record_success_allows_all_polls() -> None:
    shared = breaker()
    for _ in range(5):
        shared.record_failure(RESET, 0, INTERVAL, sent_at=0)
    assert shared.delay_before_request(1, INTERVAL) > 0
    assert shared.last_error is RESET
    shared.record_success(2)
    assert [shared.delay_before_request(2, INTERVAL) for _ in range(3)] == [0.0] * 3
    assert shared.last_error is None


def test_record_failure_does_not_add_up_for_concurrent_failures() -> None:
    shared = breaker()
    for _ in range(shared.MAX_IN_FLIGHT):
        shared.delay_before_request(0, 2.0)
    pauses = [shared.record_failure(LOST, 60, 2.0, sent_at=0) for _ in range(shared.MAX_IN_FLIGHT)]
    assert all(2 <= pause <= 2.5 for pause in pauses)
    assert [4 <= shared.record_failure(LOST, 70, 2.0, sent_at=63) <= 5, shared.is_open] == [True, True]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(RateLimitError("it"), id="429"),
        pytest.param(RateLimitError("it", retry_after=1), id="shorter Retry-After"),
        pytest.param(ServerError("it"), id="503"),
        pytest.param(LOST, id="no response"),
    ],
)
def test_record_failure_keeps_retry_after_when_another_poll_fails(error: ModelArtsError) -> None:
    """Of several concurrent polls only one may receive Retry-After."""
    shared = breaker()
    for _ in range(shared.MAX_IN_FLIGHT):
        shared.delay_before_request(0, INTERVAL)
    shared.record_failure(RateLimitError("it", retry_after=200), 1, INTERVAL, sent_at=0)
    pauses = [shared.record_failure(error, 2, INTERVAL, sent_at=0) for _ in range(shared.MAX_IN_FLIGHT - 1)]
    assert min(pauses) >= 199
    for _ in range(shared.MAX_IN_FLIGHT):
        shared.release()
    assert shared.delay_before_request(200, INTERVAL) > 0
    assert shared.delay_before_request(201, INTERVAL) == 0


def test_record_success_keeps_retry_after() -> None:
    """A service that limits the rate accepts one poll and refuses the next."""
    shared = breaker()
    shared.delay_before_request(0, INTERVAL)
    shared.delay_before_request(0, INTERVAL)
    shared.record_failure(refusal := RateLimitError("it", retry_after=200), 1, INTERVAL, sent_at=0)
    shared.release()
    shared.record_success(2)
    shared.release()
    assert shared.delay_before_request(200, INTERVAL) > 0
    assert shared.last_error is refusal
    assert shared.delay_before_request(201, INTERVAL) == 0
    assert shared.delay_before_request(201, INTERVAL) > 0, "one probes"
    shared.record_success(202)
    assert [shared.delay_before_request(202, INTERVAL) for _ in range(3)] == [0.0] * 3


def test_circuit_breaker_probes_after_shortest_interval_of_all_waits() -> None:
    """A wait that polls once an hour must not delay the others of its project."""
    shared = breaker()
    for _ in range(3):
        shared.record_failure(RESET, 0, 3600, sent_at=0)
    assert shared.delay_before_request(4500, 3600) == 0
    shared.record_failure(RESET, 4501, 3600, sent_at=4500)
    shared.release()
    assert shared.delay_before_request(4600, 3600) > 3000
    assert shared.delay_before_request(4600, INTERVAL) == 0
