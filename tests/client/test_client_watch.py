"""``ModelArtsClient.watch``: deadline, poll interval, errors that it survives, and what it logs."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.operations import show_image
from airflow_provider_modelarts.exceptions import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    TransportError,
    WaitTimeoutError,
)
from tests.client.fake_transport import (
    IMAGE_ID,
    START,
    ConcurrentFakeTransport,
    FakeTransport,
    http_date,
    image,
    modelarts,
    reply,
    run,
    run_together,
)

SHOW = show_image(IMAGE_ID)
HTML = b"<html>hidden</html>"


# Waits


def is_done(seen: Image) -> bool:
    """Return whether the wait is over."""
    return not seen.is_pending


def watch(
    transport: FakeTransport, *, poll_interval: float = 10.0, timeout: float = 3600.0, seed: int = 1
) -> Image:
    """Wait for the image."""
    return run(
        modelarts(transport, seed=seed).watch(
            SHOW, is_done=is_done, poll_interval=poll_interval, deadline=START + timeout
        )
    )


def gaps(times: list[float]) -> list[float]:
    """Return the seconds between one poll and the next."""
    return [later - earlier for earlier, later in pairwise(times)]


@pytest.mark.parametrize("status", ["ACTIVE", "CREATE_FAILED", "ERROR", "DELETED"])
def test_watch_returns_last_polled_object(status: str) -> None:
    transport = FakeTransport(image("INIT"), image("CREATING"), image(status))
    assert watch(transport).status == status
    assert len(transport.requests) == 3


def test_watch_continues_on_unknown_status() -> None:
    assert watch(FakeTransport(image("PUSHING"), image("ACTIVE"))).is_active


def test_watch_continues_when_status_goes_backwards(log_lines: Callable[..., list[str]]) -> None:
    """Replicas of a service may disagree for a while."""
    steps = ["CREATING", "INIT", "CREATING", "PUSHING", "INIT", "ACTIVE"]
    assert watch(FakeTransport(*map(image, steps))).is_active
    assert [line.split(" (")[0] for line in log_lines()] == [f"Image {IMAGE_ID} is {step}" for step in steps]


@pytest.mark.parametrize("seed", range(20))
def test_watch_jitters_polls_around_interval(seed: int) -> None:
    transport = FakeTransport(*[image()] * 20, image("ACTIVE"))
    watch(transport, seed=seed)
    assert 0 <= transport.times[0] <= 10
    assert all(9 <= gap <= 11 for gap in gaps(transport.times))
    assert len(set(gaps(transport.times))) > 10


def test_watch_spreads_first_polls_over_interval() -> None:
    first = []
    for seed in range(100):
        transport = FakeTransport(image("ACTIVE"))
        watch(transport, seed=seed)
        first.append(transport.times[0])
    assert min(first) < 1
    assert max(first) > 9


@pytest.mark.parametrize("poll_interval", [0.5, 0.0, -5.0])
def test_watch_polls_at_most_once_a_second(poll_interval: float) -> None:
    transport = FakeTransport(*[image()] * 20, image("ACTIVE"))
    watch(transport, poll_interval=poll_interval)
    assert all(0.9 <= gap <= 1.1 for gap in gaps(transport.times))


TRANSIENT = [
    TransportError("gone"),
    TransportError("refused", may_have_been_processed=False),
    reply(HTML),
    reply(b"", 503),
    reply({"error_code": "ModelArts.6102", "error_msg": "internal"}, 500),
    reply({"error_code": "APIGW.0308", "error_msg": "throttled"}, 429),
    reply({"id": "another", "status": "ACTIVE"}),
    reply({}, 408),
    reply(b"", 302),
    reply(HTML, 404),
    reply({}, 400),
    reply(b"", 413),
    reply({"error_code": "ModelArts.9999", "error_msg": "new"}, 400),
    reply({"error_code": "ModelArts.9999", "error_msg": "new"}, 403),
    *[
        reply({"error_code": f"ModelArts.{number}", "error_msg": "wait"}, 400)
        for number in (6355, 6333, 6360, 6357)
    ],
]


@pytest.mark.parametrize("failure", TRANSIENT)
def test_watch_survives_transient_errors_until_deadline(failure: Response | Exception) -> None:
    assert watch(FakeTransport(image(), *[failure] * 30, image("ACTIVE"))).is_active


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (reply({"error_code": "ModelArts.6404", "error_msg": "not found"}, 400), NotFoundError),
        (reply({"error_code": "APIG.0301", "error_msg": "wrong"}, 401), AuthenticationError),
        (reply({"error_code": "ModelArts.6407", "error_msg": "no"}, 403), PermissionDeniedError),
        (reply({"error_code": "ModelArts.0104", "error_msg": "no"}, 400), BadRequestError),
    ],
)
def test_watch_raises_permanent_error_at_once(failure: Response, error: type[ApiError]) -> None:
    """Retrying with a wrong key would lock it."""
    transport = FakeTransport(image(), failure)
    with pytest.raises(error):
        watch(transport)
    assert len(transport.requests) == 2


def test_watch_survives_one_401_without_code() -> None:
    """A proxy may have sent it; the next response shows whether the key is accepted."""
    assert watch(FakeTransport(image(), *[reply(HTML, 401), image()] * 3, image("ACTIVE"))).is_active


def test_watch_raises_repeated_401_without_code() -> None:
    transport = FakeTransport(image(), reply(HTML, 401))
    with pytest.raises(AuthenticationError):
        watch(transport)
    assert len(transport.requests) == 3


def test_watch_polls_last_at_deadline() -> None:
    transport = FakeTransport(image(status_message="pushing"))
    with pytest.raises(WaitTimeoutError) as passed:
        watch(transport, timeout=95)
    assert str(passed.value) == (
        f"Timed out after 95 s waiting for image {IMAGE_ID}: last poll: Image {IMAGE_ID} is CREATING: pushing"
    )
    assert transport.times[-1] == 95
    assert transport.times[-2] < 95


def test_watch_returns_success_of_last_poll_at_deadline() -> None:
    def answer(_: Request) -> Response:
        return image("ACTIVE" if transport.now >= START + 95 else "CREATING")

    transport = FakeTransport(answer)
    assert watch(transport, timeout=95).is_active


@pytest.mark.parametrize("timeout", [0.0, -1.0, -86_400.0])
def test_watch_polls_once_after_deadline(timeout: float) -> None:
    """A triggerer may have been down while the image was saved."""
    transport = FakeTransport(image("ACTIVE"))
    assert watch(transport, timeout=timeout).is_active
    assert transport.sleeps == [0.0]
    late = FakeTransport(image())
    with pytest.raises(WaitTimeoutError):
        watch(late, timeout=timeout)
    assert len(late.requests) == 1


def test_watch_timeout_names_last_error_when_no_poll_succeeded() -> None:
    words = f"Timed out after 300 s waiting for image {IMAGE_ID}: no poll succeeded. Last error: ShowImage "
    with pytest.raises(WaitTimeoutError, match=re.escape(words)) as passed:
        watch(FakeTransport(reply({}, 503, x_request_id="r-1")), timeout=300)
    assert "HTTP 503, request id r-1" in str(passed.value)


def test_watch_timeout_names_last_error_after_a_successful_poll() -> None:
    with pytest.raises(WaitTimeoutError, match=r"is CREATING\. Last error: ShowImage .*HTTP 503"):
        watch(FakeTransport(image(), reply({}, 503)), timeout=300)


def test_watch_polls_no_sooner_than_retry_after_of_earlier_wait() -> None:
    transport = FakeTransport(image("ACTIVE"))
    client = modelarts(transport)
    run(client.watch(SHOW, is_done=is_done, poll_interval=10, deadline=START + 3600, not_before=START + 200))
    assert 200 <= transport.times[0] <= 215


def test_watch_sends_nothing_when_retry_after_exceeds_deadline() -> None:
    transport = FakeTransport(image("ACTIVE"))
    with pytest.raises(WaitTimeoutError, match="no poll succeeded"):
        run(
            modelarts(transport).watch(
                SHOW, is_done=is_done, poll_interval=10, deadline=START + 100, not_before=START + 200
            )
        )
    assert transport.requests == []


# Outages


def test_watch_doubles_interval_from_third_consecutive_failure() -> None:
    transport = FakeTransport(*[reply({}, 503)] * 12, image("ACTIVE"))
    watch(transport, poll_interval=1)
    for failures, gap in enumerate(gaps(transport.times), start=1):
        pause = 1.0 if failures < 3 else min(60, 2**failures)
        assert 0.9 * pause <= gap <= 1.25 * pause + 1.1


@pytest.mark.parametrize("failures", [1, 2])
def test_watch_keeps_interval_when_single_polls_fail(failures: int) -> None:
    """One lost response in twenty must not slow a thousand waits."""
    transport = ConcurrentFakeTransport(*[reply({}, 503)] * failures, image())
    outcomes = run_together(transport, *watches(modelarts(transport), 20, timeout=100))
    assert all(isinstance(outcome, WaitTimeoutError) for outcome in outcomes)
    assert 20 * 9 <= len(transport.times) <= 20 * 13


@pytest.mark.parametrize("retry_after", [{}, {"retry_after": "30"}])
def test_watch_slows_all_waits_at_once_on_429(retry_after: dict[str, str]) -> None:
    transport = ConcurrentFakeTransport(reply({}, 429, **retry_after), image())
    run_together(transport, *watches(modelarts(transport), 20, timeout=100))
    assert transport.times[1] - transport.times[0] >= 10


def test_watch_keeps_long_interval_while_service_fails() -> None:
    transport = FakeTransport(*[reply({}, 503)] * 5, image("ACTIVE"))
    watch(transport, poll_interval=120)
    assert all(120 <= gap <= 1.25 * 120 + 132 for gap in gaps(transport.times))


@pytest.mark.parametrize(
    ("retry_after", "least"),
    [
        pytest.param("200", 200, id="seconds"),
        pytest.param(http_date(START + 200), 190, id="a date"),
        pytest.param("86400", 600, id="a day is too long"),
        pytest.param("9" * 400, 600, id="for ever as well"),
        pytest.param("0", 10, id="at once is too soon"),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_watch_waits_for_retry_after_between_interval_and_ten_minutes(
    retry_after: str, least: float, status: int
) -> None:
    transport = FakeTransport(reply({}, status, retry_after=retry_after), image("ACTIVE"))
    watch(transport)
    [gap] = gaps(transport.times)
    assert least - 0.001 <= gap <= least + 25


def test_watch_resumes_interval_after_first_success() -> None:
    transport = FakeTransport(*[reply({}, 503)] * 6, *[image()] * 5, image("ACTIVE"))
    watch(transport, poll_interval=2)
    assert gaps(transport.times)[5] > 60
    assert all(1.8 <= gap <= 2.2 for gap in gaps(transport.times)[6:])


def test_watch_restarts_backoff_after_success() -> None:
    bad = [reply({}, 503)] * 6
    transport = FakeTransport(*bad, image(), *bad, image("ACTIVE"))
    watch(transport, poll_interval=1)
    assert gaps(transport.times)[7] <= 1.25 * 2 + 1.1


def test_watch_keeps_interval_on_invalid_response() -> None:
    """The service responds, so there is no reason to back off."""
    transport = FakeTransport(*[reply(HTML)] * 10, image("ACTIVE"))
    watch(transport)
    assert all(9 <= gap <= 11 for gap in gaps(transport.times))


def outage(*phases: tuple[float, Response], transport: FakeTransport) -> Callable[[Request], Response]:
    """Return a service with one response for each phase, which ends at the given second."""

    def answer(_: Request) -> Response:
        return next(given for until, given in phases if transport.now - START < until)

    return answer


def watches(client: ModelArtsClient, count: int, *, timeout: float = 36_000) -> list[Any]:
    """Return waits that share one client."""
    return [
        client.watch(SHOW, is_done=is_done, poll_interval=10, deadline=START + timeout) for _ in range(count)
    ]


@pytest.mark.parametrize("count", [2, 50])
def test_watch_shares_backoff_among_waits(count: int) -> None:
    transport = ConcurrentFakeTransport()
    transport.answers = [
        outage(
            (60, image()),
            (1200, reply({}, 503)),
            (1800, image()),
            (9e9, image("ACTIVE")),
            transport=transport,
        )
    ]
    outcomes = run_together(transport, *watches(modelarts(transport), count))
    assert [outcome.status for outcome in outcomes] == ["ACTIVE"] * count
    bad = [at for at in transport.times if 60 <= at < 1200]
    if count > 2:
        assert bad[2] - bad[0] < 10, "three failures in a row open the circuit breaker"
    assert all(gap >= 10 for gap in gaps(bad[2:]))
    assert len(bad) < 30, "the pause grows to a minute"
    again = [at for at in transport.times if 1300 <= at < 1400]
    assert 9 * count <= len(again) <= 12 * count
    back = [at for at in transport.times if 1200 <= at < 1300]
    assert len({round(at) for at in back}) >= min(count, 8), "they come back one by one"


def test_watch_resumes_all_waits_after_one_success() -> None:
    transport = ConcurrentFakeTransport(reply({}, 503, retry_after="300"), image("ACTIVE"))
    outcomes = run_together(transport, *watches(modelarts(transport), 5))
    assert [outcome.status for outcome in outcomes] == ["ACTIVE"] * 5
    assert len(transport.requests) == 6
    assert transport.times[1] - transport.times[0] >= 300


def test_watch_does_not_share_backoff_between_clients() -> None:
    """Another project may work."""
    transport = ConcurrentFakeTransport(reply({}, 503, retry_after="600"), image("ACTIVE"))
    run_together(transport, *watches(modelarts(transport), 1), *watches(modelarts(transport, seed=2), 1))
    assert transport.times[1] <= 10


# Logs


@pytest.fixture
def log_lines(caplog: pytest.LogCaptureFixture) -> Callable[..., list[str]]:
    """Return the log lines of at least a level."""
    caplog.set_level(logging.DEBUG, "airflow_provider_modelarts")

    def lines(level: int = logging.INFO) -> list[str]:
        return [
            record.getMessage()
            for record in caplog.records
            if record.name == "airflow_provider_modelarts.client.poll_log" and record.levelno >= level
        ]

    return lines


def test_watch_logs_status_changes_only(log_lines: Callable[..., list[str]]) -> None:
    transport = FakeTransport(
        image("INIT"),
        *[image()] * 10,
        *[image(status_message="pushing")] * 10,
        image("PUSHING"),
        image("ACTIVE"),
    )
    watch(transport)
    assert log_lines() == [
        f"Image {IMAGE_ID} is INIT",
        f"Image {IMAGE_ID} is CREATING",
        f"Image {IMAGE_ID} is CREATING: pushing",
        f"Image {IMAGE_ID} is PUSHING (an unknown status, treated as pending)",
        f"Image {IMAGE_ID} is ACTIVE",
    ]


def test_watch_logs_heartbeat_every_five_minutes(
    log_lines: Callable[..., list[str]],
) -> None:
    with pytest.raises(WaitTimeoutError):
        watch(FakeTransport(image()), timeout=1000)
    assert log_lines() == [f"Image {IMAGE_ID} is CREATING"] * 4


@pytest.mark.parametrize("failure", [TRANSIENT[0], TRANSIENT[3], TRANSIENT[5]])
def test_watch_logs_outage_once_and_its_end(
    log_lines: Callable[..., list[str]], failure: Response | Exception
) -> None:
    watch(FakeTransport(image(), *[failure] * 20, image(), image("ACTIVE")))
    before, warning, *rest = log_lines()
    assert before == f"Image {IMAGE_ID} is CREATING"
    assert warning.startswith("Poll failed, will retry: ")
    alive = [line for line in rest if line == f"Still waiting; last poll: {before}"]
    assert 1 <= len(alive) <= 4
    assert [line for line in rest if line not in alive] == [
        "Polling works again",
        f"Image {IMAGE_ID} is ACTIVE",
    ]
    assert len(log_lines(logging.DEBUG)) == 4 + len(alive) + 19


@pytest.mark.parametrize("failure", [TRANSIENT[2], TRANSIENT[6], TRANSIENT[8]])
def test_watch_logs_consecutive_invalid_responses_once(
    log_lines: Callable[..., list[str]], failure: Response
) -> None:
    watch(FakeTransport(image(), *[failure] * 20, image("ACTIVE")))
    assert len(log_lines(logging.WARNING)) == 1


def test_watch_logs_outage_of_polling_waits_only(log_lines: Callable[..., list[str]]) -> None:
    transport = ConcurrentFakeTransport()
    transport.answers = [outage((1000, reply({}, 503)), (9e9, image("ACTIVE")), transport=transport)]
    run_together(transport, *watches(modelarts(transport), 20))
    warnings = len(log_lines(logging.WARNING))
    assert 3 <= warnings <= 20
    assert log_lines().count("Polling works again") == warnings
    alive = log_lines().count(f"Still waiting for image {IMAGE_ID}; no poll has succeeded yet")
    assert 2 * 20 <= alive <= 4 * 20


def test_watch_logs_intermittent_failures_every_five_minutes(log_lines: Callable[..., list[str]]) -> None:
    transport = FakeTransport(*[image(), image(), image(), reply({}, 503)] * 90, image("ACTIVE"))
    watch(transport)
    assert 8 <= len(log_lines(logging.WARNING)) <= 13


def test_watch_logs_no_secret(log_lines: Callable[..., list[str]]) -> None:
    watch(FakeTransport(reply(HTML), reply(HTML, 502), image("ACTIVE")))
    text = "\n".join(log_lines(logging.DEBUG))
    assert "hidden" not in text
    assert "SK" not in text
