"""What one wait writes to the log: never a line per poll."""

from __future__ import annotations

import logging
import math

from airflow_provider_modelarts.client.http_types import Clock
from airflow_provider_modelarts.exceptions import ModelArtsError

HEARTBEAT = 300.0
"""Seconds after which a wait that sees no change logs that it goes on."""

log = logging.getLogger(__name__)


class PollLog:
    """Logs each change, the first failure of a run of failures and its end, and a heartbeat."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._line = ""
        self._logged_at = clock.monotonic()
        self._warned_at = -math.inf
        self._is_failing = False

    def succeeded(self, line: str) -> None:
        """Log what a poll saw, if it is new or due."""
        now = self._clock.monotonic()
        if self._is_failing:
            log.info("Polling works again")
            self._is_failing = False
        if line != self._line or now - self._logged_at >= HEARTBEAT:
            log.info("%s", line)
            self._line, self._logged_at = line, now

    def failed(self, error: ModelArtsError) -> None:
        """Log a failed poll; of failures that come and go one in five minutes is a warning."""
        now = self._clock.monotonic()
        is_news = not self._is_failing and now - self._warned_at >= HEARTBEAT
        log.log(logging.WARNING if is_news else logging.DEBUG, "Poll failed, will retry: %s", error)
        if is_news:
            self._is_failing, self._warned_at = True, now

    def heartbeat(self) -> None:
        """Log that the wait goes on, if it is due, whether it polled or not."""
        now = self._clock.monotonic()
        if now - self._logged_at >= HEARTBEAT:
            log.info("Still waiting, last seen: %s", self._line or "nothing yet")
            self._logged_at = now
