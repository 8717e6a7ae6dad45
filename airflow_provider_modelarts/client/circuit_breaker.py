"""The circuit breaker that limits the polls of all waits on one project while the service fails."""

from __future__ import annotations

import math
from random import Random

from airflow_provider_modelarts.exceptions import (
    MAX_RETRY_AFTER,
    ModelArtsError,
    RateLimitError,
    TransportError,
)


class CircuitBreaker:
    """
    Limits the polls of all waits on one project. Times are monotonic seconds.

    While it is closed, each wait polls at its own interval, with a limited number of polls in flight, and a
    single failed poll does not delay the other waits. It opens after several failures in a row, after a
    timeout during which no other poll succeeded, or when the service sends 429 or ``Retry-After``. While it
    is open, one poll at a time probes the service for all waits. After the first success the waits poll
    again, spread over their interval.

    :param random: for jitter.
    """

    FAILURE_THRESHOLD = 3
    """Failures in a row that open the circuit breaker."""
    MAX_IN_FLIGHT = 8
    """Polls in flight at the same time."""
    MAX_BACKOFF = 60.0
    """Seconds between two probes, unless the poll interval is longer."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._failures = 0
        self._rounds = 0
        self._round_began = -math.inf
        self._in_flight = 0
        self._postponed_until = -math.inf
        self._paused_at = -math.inf
        self._jitter = 1.0
        self._succeeded_at = -math.inf
        self.is_open = False
        self.last_error: ModelArtsError | None = None
        """The last failure of any wait on this project; None after a success."""

    def delay_before_request(self, now: float, poll_interval: float, *, is_last: bool = False) -> float:
        """
        Return 0 if a poll may be sent now, else the seconds to wait until the next call.

        After 0, call :meth:`release` when the poll is done.

        :param poll_interval: seconds between the polls of this wait.
        :param is_last: whether this is the wait's last poll, to which the limit in flight does not apply.
        """
        if left := self.remaining_pause(now, poll_interval):
            return left + self._random.uniform(0.0, poll_interval)
        if self.is_open and self._in_flight:
            return poll_interval * self._random.uniform(0.5, 1.0)
        if self._in_flight >= self.MAX_IN_FLIGHT and not is_last:
            return min(poll_interval, 4.0) * self._random.uniform(0.25, 1.0)
        if self.is_open:
            self._pause(now)
        self._in_flight += 1
        return 0.0

    def release(self) -> None:
        """Count a poll that :meth:`delay_before_request` allowed as done, whether it succeeded or not."""
        self._in_flight -= 1

    def postpone(self, now: float, seconds: float) -> None:
        """Stop all polls for some seconds, as a ``Retry-After`` requires."""
        if seconds > 0:
            self.is_open = True
            self._postponed_until = max(self._postponed_until, now + min(seconds, MAX_RETRY_AFTER))

    def record_failure(
        self, error: ModelArtsError, now: float, poll_interval: float, *, sent_at: float
    ) -> float:
        """
        Record a failed poll, and return the seconds until the wait that sent it may poll again.

        :param sent_at: when the poll was sent.
        """
        self._failures += 1
        if sent_at >= self._round_began:
            # Polls that were in flight together fail together: they increase the backoff once.
            self._rounds += 1
            self._round_began = now
        self.last_error = error
        self.postpone(now, error.poll_pause)
        is_timeout = isinstance(error, TransportError) and error.stage == "timeout"
        all_hang = is_timeout and self._succeeded_at < sent_at
        if isinstance(error, RateLimitError) or all_hang or self._failures >= self.FAILURE_THRESHOLD:
            self.is_open = True
        if self.is_open:
            self._pause(now)
        return self.remaining_pause(now, poll_interval)

    def record_success(self, now: float) -> None:
        """Record a successful poll; a ``Retry-After`` stays in force, as the poll may be older."""
        self._failures = self._rounds = 0
        self._succeeded_at = now
        self.is_open = now < self._postponed_until
        if not self.is_open:
            self.last_error = None

    def _pause(self, now: float) -> None:
        self._paused_at = now
        self._jitter = self._random.uniform(1.0, 1.25)

    def remaining_pause(self, now: float, poll_interval: float) -> float:
        """
        Return the seconds until a wait may probe.

        They depend on its own interval, not on that of the last probe: a wait that polls every ten minutes
        must not delay the others after the service has recovered.
        """
        if not self.is_open:
            return 0.0
        backoff = min(self.MAX_BACKOFF, 2.0 ** min(self._rounds, 10))
        paused_until = self._paused_at + max(poll_interval, backoff) * self._jitter
        return max(0.0, self._postponed_until - now, paused_until - now)
