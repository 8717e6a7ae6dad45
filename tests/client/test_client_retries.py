"""Retries of ``ModelArtsClient``: which errors, how often, and until when."""

from __future__ import annotations

import logging
from itertools import pairwise

import pytest

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.client import MAX_BACKOFF, RETRY_TIMEOUT
from airflow_provider_modelarts.client.http_types import Operation, Response
from airflow_provider_modelarts.client.models import CreateImageRequest
from airflow_provider_modelarts.exceptions import (
    PERMANENT,
    ModelArtsError,
    RateLimitError,
    ServerError,
    TransportError,
)
from tests.client.fake_transport import IMAGE_ID, START, Answer, FakeTransport, image, modelarts, reply, run

SHOW = operations.show_image(IMAGE_ID)
DELETE = operations.delete_image(IMAGE_ID)
SAVE = operations.create_image("n", CreateImageRequest(name="research", namespace="team", tag="nightly"))
Failure = Response | ModelArtsError

NEVER_ARRIVED: dict[str, Failure] = {
    "refused": TransportError("refused", stage="refused", may_have_been_processed=False),
    "no such host": TransportError("no such host", stage="dns", may_have_been_processed=False),
    "TLS": TransportError("handshake", stage="tls", may_have_been_processed=False),
    "429 of the gateway": reply({"error_code": "APIGW.0308", "error_msg": "throttled"}, 429),
    "429 of ModelArts": reply({"error_code": "ModelArts.6101", "error_msg": "busy"}, 429),
    # ModelArts itself refuses, and its message names a minute.
    "initialising": reply({"error_code": "ModelArts.6355", "error_msg": "wait a minute"}, 400),
    "restoring": reply({"error_code": "ModelArts.6333", "error_msg": "wait a minute"}, 400),
    "no resources now": reply({"error_code": "ModelArts.6360", "error_msg": "try later"}, 400),
}
IN_DOUBT: dict[str, Failure] = {
    "reset": TransportError("reset"),
    "timed out": TransportError("timed out", stage="timeout"),
    "408": reply({"error_code": "ModelArts.6100", "error_msg": "timeout"}, 408),
    "500": reply({"error_code": "ModelArts.6102", "error_msg": "internal"}, 500),
    "502 of the gateway": reply({"error_code": "APIGW.0201", "error_msg": "backend unavailable"}, 502),
    "503 without a word": reply(b"", 503),
    "504 of the gateway": reply({"error_code": "APIGW.0203", "error_msg": "backend timeout"}, 504),
}
NOT_CURED: dict[str, Failure] = {
    "400": reply({"error_code": "ModelArts.6404", "error_msg": "gone"}, 400),
    "401": reply({"error_code": "APIGW.0301", "error_msg": "verify aksk signature fail"}, 401),
    "403": reply({"error_code": "ModelArts.0112", "error_msg": "denied"}, 403),
    "a page of HTML": reply(b"<html>"),
    "a redirect": reply(b"", 302, location="https://elsewhere.example/"),
    "busy": reply({"error_code": "ModelArts.6357", "error_msg": "another operation"}, 400),
    "not running": reply({"error_code": "ModelArts.6958", "error_msg": "not running"}, 400),
    "a new code": reply({"error_code": "ModelArts.9999", "error_msg": "new"}, 400),
    "a page of a gateway": reply(b"<html>", 404),
}


def table(failures: dict[str, Failure]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("failure", failures.values(), ids=failures.keys())


any_write = pytest.mark.parametrize("write", [SAVE, DELETE], ids=["CreateImage", "DeleteImage"])


@table({**NEVER_ARRIVED, **IN_DOUBT})
def test_call_retries_read(failure: Failure) -> None:
    transport = FakeTransport(failure, failure, image("ACTIVE"))

    assert run(modelarts(transport).call(SHOW)).is_active
    assert len(transport.requests) == 3


@table(NEVER_ARRIVED)
@any_write
def test_call_retries_write_that_was_not_processed(failure: Failure, write: Operation[object]) -> None:
    transport = FakeTransport(failure, failure, image())

    run(modelarts(transport).call(write))

    assert len(transport.requests) == 3


@table(IN_DOUBT)
@any_write
def test_call_does_not_retry_write_that_may_have_been_processed(
    failure: Failure, write: Operation[object]
) -> None:
    transport = FakeTransport(failure, image())

    with pytest.raises((TransportError, ServerError)):
        run(modelarts(transport).call(write))

    assert (len(transport.requests), transport.sleeps) == (1, [])


@table(NOT_CURED)
@pytest.mark.parametrize("call", [SHOW, SAVE], ids=["a read", "a write"])
def test_call_does_not_retry_permanent_error(failure: Failure, call: Operation[object]) -> None:
    """Five wrong signatures lock the key."""
    transport = FakeTransport(failure, image("ACTIVE"))

    with pytest.raises(ModelArtsError):
        run(modelarts(transport).call(call))

    assert (len(transport.requests), transport.sleeps) == (1, [])


@pytest.mark.parametrize("seed", range(10))
def test_call_doubles_backoff_with_jitter_up_to_limit(seed: int) -> None:
    transport = FakeTransport(reply({}, 503))

    with pytest.raises(ServerError):
        run(modelarts(transport, seed=seed).call(SHOW))

    for failures, pause in enumerate(transport.sleeps):
        full = min(MAX_BACKOFF, 2.0**failures)
        assert 0.75 * full <= pause <= 1.25 * full
    assert len({round(pause / min(MAX_BACKOFF, 2.0**n), 6) for n, pause in enumerate(transport.sleeps)}) > 3


def test_call_stops_retrying_after_retry_timeout() -> None:
    transport = FakeTransport(reply({}, 503))

    with pytest.raises(ServerError):
        run(modelarts(transport).call(SHOW))

    assert RETRY_TIMEOUT - 1.25 * MAX_BACKOFF <= transport.times[-1] <= RETRY_TIMEOUT
    assert 6 <= len(transport.requests) <= 15


@pytest.mark.parametrize(
    ("after", "requests"), [(-1.0, 1), (0.0, 1), (5.0, 3)], ids=["passed", "now", "in five seconds"]
)
def test_call_does_not_retry_after_deadline(after: float, requests: int) -> None:
    """Nor does it start a backoff that would end after the deadline; one attempt is always made."""
    transport = FakeTransport(reply({}, 503))

    with pytest.raises(ServerError):
        run(modelarts(transport).call(SHOW, deadline=START + after))

    assert len(transport.requests) == requests
    assert transport.times[-1] <= max(after, 0.0)


@pytest.mark.parametrize("retry_after", ["45", "Sun, 15 Jun 2025 15:07:25 GMT"], ids=["seconds", "a date"])
@pytest.mark.parametrize("status", [429, 503])
def test_call_waits_for_retry_after(retry_after: str, status: int) -> None:
    transport = FakeTransport(reply({}, status, retry_after=retry_after), image())

    run(modelarts(transport).call(SHOW))

    assert transport.times == [0.0, 45.0]


def test_call_raises_at_once_when_retry_after_exceeds_timeout() -> None:
    transport = FakeTransport(reply({}, 429, retry_after="3600"), image())

    with pytest.raises(RateLimitError) as throttled:
        run(modelarts(transport).call(SHOW))

    assert throttled.value.retry_after == 3600
    assert (len(transport.requests), transport.sleeps) == (1, [])


def test_call_signs_each_attempt_anew() -> None:
    """The gateway checks the age of a signature."""
    transport = FakeTransport(*[reply({}, 503, retry_after="5")] * 2, image())

    run(modelarts(transport).call(SHOW))

    dates = [request.headers["X-Sdk-Date"] for request in transport.requests]
    assert all(earlier < later for earlier, later in pairwise(dates))


def test_list_all_retries_failed_page_only() -> None:
    pages = [reply({"data": [{"id": id_}], "total": 3}) for id_ in "abc"]
    transport = FakeTransport(pages[0], reply({}, 503), pages[1], reply({}, 429), pages[2])

    items = run(modelarts(transport).list_all(operations.list_images()))

    assert [item.id for item in items] == ["a", "b", "c"]
    assert len(transport.requests) == 5


def test_watch_does_not_retry_within_a_poll() -> None:
    """Retries within a poll would exceed one request per interval."""
    transport = FakeTransport(*[reply({}, 503)] * 5, image("ACTIVE"))

    run(
        modelarts(transport).watch(
            SHOW, is_done=lambda seen: seen.is_active, poll_interval=60, deadline=START + 3600
        )
    )

    assert all(later - earlier >= 54 for earlier, later in pairwise(transport.times))


def test_call_logs_each_retry(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    transport = FakeTransport(reply({"error_code": "ModelArts.6102", "error_msg": "internal"}, 500), image())

    run(modelarts(transport).call(SHOW))

    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("ShowImage failed, will retry in 1 s: ShowImage (GET /images/")
    assert "HTTP 500, ModelArts.6102" in line


@pytest.mark.parametrize("code", ["ModelArts.6355", "ModelArts.6333", "ModelArts.6360"])
def test_call_raises_retryable_error_after_a_minute(code: str) -> None:
    transport = FakeTransport(reply({"error_code": code, "error_msg": "wait"}, 400))

    with pytest.raises(ModelArtsError) as refused:
        run(modelarts(transport).call(SAVE))

    assert not isinstance(refused.value, PERMANENT)
    assert RETRY_TIMEOUT - MAX_BACKOFF * 1.25 <= transport.times[-1] <= RETRY_TIMEOUT


class ClockSet(FakeTransport):
    """A transport whose wall clock is set during the first backoff."""

    def __init__(self, *answers: Answer, by: float) -> None:
        super().__init__(*answers)
        self._by = by

    def time(self) -> float:
        """The wall clock, which is wrong from the second request on."""
        return self.now + (self._by if len(self.requests) > 1 else 0)


@pytest.mark.parametrize("by", [-3600, 3600])
def test_call_retries_for_two_minutes_when_clock_is_set(by: float) -> None:
    transport = ClockSet(reply({}, 503), by=by)

    with pytest.raises(ServerError):
        run(modelarts(transport).call(SHOW))

    assert RETRY_TIMEOUT - MAX_BACKOFF * 1.25 <= transport.times[-1] <= RETRY_TIMEOUT


def test_watch_continues_polling_when_clock_is_set_back_during_outage() -> None:
    """Its deadline follows the clock, its poll interval does not."""
    transport = ClockSet(*[reply({}, 503)] * 10, image("ACTIVE"), by=-3600)

    seen = run(
        modelarts(transport).watch(
            SHOW, is_done=lambda image: not image.is_pending, poll_interval=10, deadline=START + 7200
        )
    )

    assert seen.is_active
    assert transport.times[-1] < 900
