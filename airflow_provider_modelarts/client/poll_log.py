"""Logs the progress of one wait, without a line per poll."""

from __future__ import annotations

import logging
import math

from airflow_provider_modelarts.client.http_types import Clock
from airflow_provider_modelarts.exceptions import ModelArtsError

HEARTBEAT = 300.0
"""Seconds without a log line after which a wait logs that it continues."""

log = logging.getLogger(__name__)


class PollLog:
    """
    Logs changes, the first and the last of consecutive failures, and a heartbeat.

    :param subject: what is waited for, such as ``image`` and its id.
    :param clock: its monotonic clock times the heartbeat.
    """

    def __init__(self, subject: str, clock: Clock) -> None:
        self._subject = subject
        self._clock = clock
        self._line = ""
        self._logged_at = clock.monotonic()
        self._warned_at = -math.inf
        self._is_failing = False

    def succeeded(self, line: str) -> None:
        """Log the result of a successful poll, if it changed or a heartbeat is due."""
        now = self._clock.monotonic()
        if self._is_failing:
            log.info("Polling works again")
            self._is_failing = False
        if line != self._line or now - self._logged_at >= HEARTBEAT:
            log.info("%s", line)
            self._line, self._logged_at = line, now

    def failed(self, error: ModelArtsError) -> None:
        """Log a failed poll: the first as a warning, at most one in five minutes, the others as debug."""
        now = self._clock.monotonic()
        is_first = not self._is_failing and now - self._warned_at >= HEARTBEAT
        log.log(logging.WARNING if is_first else logging.DEBUG, "Poll failed, will retry: %s", error)
        if is_first:
            self._is_failing, self._warned_at = True, now

    def heartbeat(self) -> None:
        """Log that the wait continues, if a heartbeat is due, with or without a poll."""
        now = self._clock.monotonic()
        if now - self._logged_at >= HEARTBEAT:
            if self._line:
                log.info("Still waiting; last poll: %s", self._line)
            else:
                log.info("Still waiting for %s; no poll has succeeded yet", self._subject)
            self._logged_at = now
