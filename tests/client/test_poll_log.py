"""What a wait logs of its polls, and how often."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_modelarts.client.poll_log import HEARTBEAT, PollLog, hung, timed_out
from airflow_provider_modelarts.exceptions import ServerError
from tests.client.fake_transport import FakeTransport

ERROR = ServerError("ShowImage failed", status=500)


@pytest.fixture
def clock() -> FakeTransport:
    return FakeTransport(ERROR)


@pytest.fixture
def poll_log(clock: FakeTransport, caplog: pytest.LogCaptureFixture) -> PollLog:
    caplog.set_level(logging.DEBUG, "airflow_provider_modelarts.client.poll_log")
    return PollLog("image i", clock)


def test_poll_log_has_a_line_once_until_it_changes(
    poll_log: PollLog, clock: FakeTransport, caplog: pytest.LogCaptureFixture
) -> None:
    for line in ("CREATING", "CREATING", "ACTIVE"):
        poll_log.succeeded(line)
        clock.now += 10

    assert caplog.messages == ["CREATING", "ACTIVE"]


def test_poll_log_warns_of_first_failure_and_reports_recovery(
    poll_log: PollLog, caplog: pytest.LogCaptureFixture
) -> None:
    poll_log.failed(ERROR)
    poll_log.failed(ERROR)
    poll_log.succeeded("CREATING")

    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, "Poll failed, will retry: ShowImage failed (HTTP 500)"),
        (logging.DEBUG, "Poll failed, will retry: ShowImage failed (HTTP 500)"),
        (logging.INFO, "Polling works again"),
        (logging.INFO, "CREATING"),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", f"Still waiting for image i; no poll has succeeded yet. The last poll failed: {ERROR}"),
        ("CREATING", "Still waiting; last poll: CREATING. The last poll failed: ShowImage failed (HTTP 500)"),
    ],
)
def test_poll_log_has_heartbeat_when_due(
    poll_log: PollLog, clock: FakeTransport, caplog: pytest.LogCaptureFixture, line: str, message: str
) -> None:
    if line:
        poll_log.succeeded(line)
        caplog.clear()
    for seconds in (HEARTBEAT - 1, 1, 1):
        clock.now += seconds
        poll_log.heartbeat(ERROR)

    assert caplog.messages == [message]
    assert poll_log.until_heartbeat == HEARTBEAT - 1


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (timed_out("image i", 60, "", None), "Timed out after 60 s waiting for image i: no poll succeeded"),
        (
            timed_out("image i", 60, "CREATING", ERROR),
            f"Timed out after 60 s waiting for image i: last poll: CREATING. Last error: {ERROR}",
        ),
        (
            hung("image i", 60, ""),
            (
                "Timed out after 60 s waiting for image i: last seen: nothing, because no poll succeeded. "
                "The last step hangs: the connection's lookup, a login, a thread or the network"
            ),
        ),
    ],
)
def test_timeout_names_what_was_awaited_and_last_seen(error: Exception, message: str) -> None:
    assert str(error) == message
