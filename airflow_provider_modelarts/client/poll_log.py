"""Logs the progress of one wait, without a line per poll."""

from __future__ import annotations

import logging
import math

from airflow_provider_modelarts.client.http_types import Clock
from airflow_provider_modelarts.exceptions import ModelArtsError, WaitTimeoutError

HEARTBEAT = 300.0
"""Seconds without a log line after which a wait logs that it continues."""

log = logging.getLogger(__name__)


class PollLog:
    """
    Logs changes, the first and the last of consecutive failures, and a heartbeat.

    :param subject: what is waited for, such as ``image`` and its id.
    :param clock: its monotonic clock times the heartbeat.
    """

    # A triggerer has one for each of its waits.
    __slots__ = ("_clock", "_is_failing", "_line", "_logged_at", "_subject", "_warned_at")

    def __init__(self, subject: str, clock: Clock) -> None:
        self._subject = subject
        self._clock = clock
        self._line = ""
        self._logged_at = clock.monotonic()
        self._warned_at = -math.inf
        self._is_failing = False

    def succeeded(self, line: str) -> None:
        """Log the result of a successful poll, if it changed or a heartbeat is due."""
        self.recovered()
        now = self._clock.monotonic()
        if line != self._line or now - self._logged_at >= HEARTBEAT:
            log.info("%s", line)
            self._line, self._logged_at = line, now

    def recovered(self) -> None:
        """Log that polls succeed again, if the first failure was logged."""
        if self._is_failing:
            log.info("Polling works again")
            self._is_failing = False

    def failed(self, error: ModelArtsError) -> None:
        """Log a failed poll: the first as a warning, at most one in five minutes, the others as debug."""
        now = self._clock.monotonic()
        is_first = not self._is_failing and now - self._warned_at >= HEARTBEAT
        log.log(logging.WARNING if is_first else logging.DEBUG, "Poll failed, will retry: %s", error)
        if is_first:
            self._is_failing, self._warned_at = True, now

    def heartbeat(self, error: ModelArtsError | None = None) -> None:
        """
        Log that the wait continues, if a heartbeat is due, with or without a poll.

        :param error: why the last poll failed, if this log does not contain it.
        """
        now = self._clock.monotonic()
        if now - self._logged_at >= HEARTBEAT:
            cause = f". The last poll failed: {error}" if error else ""
            if self._line:
                log.info("Still waiting; last poll: %s%s", self._line, cause)
            else:
                log.info("Still waiting for %s; no poll has succeeded yet%s", self._subject, cause)
            self._logged_at = now

    @property
    def until_heartbeat(self) -> float:
        """Seconds until the next heartbeat is due."""
        return max(0.0, self._logged_at + HEARTBEAT - self._clock.monotonic())

    @property
    def last(self) -> str:
        """The result of the last successful poll that was logged; empty if there is none."""
        return self._line


def timed_out(subject: str, waited: float, last: str, cause: ModelArtsError | None) -> WaitTimeoutError:
    """
    Return the error of a wait whose deadline has passed.

    :param waited: seconds.
    :param last: the line of the last successful poll, if there is one.
    :param cause: why the last poll failed, if it did.
    """
    seen = f"last poll: {last}" if last else "no poll succeeded"
    return _ended(subject, waited, f"{seen}{f'. Last error: {cause}' if cause else ''}")


def hung(subject: str, waited: float, last: str) -> WaitTimeoutError:
    """Return the error of a wait whose last step did not end in time; see :func:`timed_out`."""
    seen = last or "nothing, because no poll succeeded"
    step = "the connection's lookup, a login, a thread or the network"
    return _ended(subject, waited, f"last seen: {seen}. The last step hangs: {step}")


def _ended(subject: str, waited: float, end: str) -> WaitTimeoutError:
    return WaitTimeoutError(f"Timed out after {waited:.0f} s waiting for {subject}: {end}")
