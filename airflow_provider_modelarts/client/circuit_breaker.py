"""What all waits on one project know of how ModelArts fares, so that trouble does not make more of it."""

from __future__ import annotations

import math
from random import Random

from airflow_provider_modelarts.exceptions import ModelArtsError, RateLimitError, TransportError


class CircuitBreaker:
    """
    The circuit breaker that all waits on one project share. Times are monotonic seconds.

    While it is closed, everyone polls when it is their turn, a handful at the same time, and a failed
    poll among good ones changes nothing for the others. It opens when polls fail in a row, when one had
    no reply in time and no other had one meanwhile, or when the service wants to be asked less. Then one
    poll at a time probes for all until the first good reply, after which the others come back one by one,
    spread over their interval.

    :param random: for jitter.
    """

    FAILURE_THRESHOLD = 3
    """How many failures in a row open it."""
    MAX_IN_FLIGHT = 8
    """How many polls are under way at the same time."""
    MAX_BACKOFF = 60.0
    """Seconds between two probes at most, unless the waits' own interval is longer."""
    MAX_RETRY_AFTER = 600.0
    """Seconds that the service may ask for at most."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._failures = 0
        self._rounds = 0
        self._round_began = -math.inf
        self._in_flight = 0
        self._asked_until = -math.inf
        self._paused_at = -math.inf
        self._jitter = 1.0
        self._succeeded_at = -math.inf
        self.is_open = False
        self.last_error: ModelArtsError | None = None
        """The failure that was seen last, by whichever wait; None after a good reply."""

    def delay_before_request(self, now: float, poll_interval: float, *, is_last: bool = False) -> float:
        """
        Return 0 if one may poll now, or the seconds until it is worth trying; after 0 call :meth:`release`.

        :param is_last: whether the wait ends with this poll, which then need not wait for others.
        """
        if left := self._left(now, poll_interval):
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
        """Give back what :meth:`delay_before_request` gave, whatever became of the poll."""
        self._in_flight -= 1

    def postpone(self, now: float, seconds: float) -> None:
        """Let nobody poll for some seconds, because the service asked for it."""
        if seconds > 0:
            self.is_open = True
            self._asked_until = max(self._asked_until, now + min(seconds, self.MAX_RETRY_AFTER))

    def record_failure(
        self, error: ModelArtsError, now: float, poll_interval: float, *, sent_at: float
    ) -> float:
        """
        Note a failure, and return the seconds until its finder, who then probes, may poll again.

        :param sent_at: when the poll was sent.
        """
        self._failures += 1
        if sent_at >= self._round_began:
            # What was under way together fails together, and is one reason to wait longer, not eight.
            self._rounds += 1
            self._round_began = now
        self.last_error = error
        self.postpone(now, error.retry_after or 0.0)
        had_no_reply = isinstance(error, TransportError) and error.stage == "timeout"
        nobody_had_one = had_no_reply and self._succeeded_at < sent_at
        if isinstance(error, RateLimitError) or nobody_had_one or self._failures >= self.FAILURE_THRESHOLD:
            self.is_open = True
        if self.is_open:
            self._pause(now)
        return self._left(now, poll_interval)

    def record_success(self, now: float) -> None:
        """Note a good reply. What the service asked for holds: the poll was sent before."""
        self._failures = self._rounds = 0
        self._succeeded_at = now
        self.is_open = now < self._asked_until
        if not self.is_open:
            self.last_error = None

    def _pause(self, now: float) -> None:
        self._paused_at = now
        self._jitter = self._random.uniform(1.0, 1.25)

    def _left(self, now: float, poll_interval: float) -> float:
        """
        Return the seconds until a wait may probe.

        Its own interval counts and not that of who probed last: one wait that polls every ten minutes must
        not keep the others from a service that is well again.
        """
        if not self.is_open:
            return 0.0
        backoff = min(self.MAX_BACKOFF, 2.0 ** min(self._rounds, 10))
        paused_until = self._paused_at + max(poll_interval, backoff) * self._jitter
        return max(0.0, self._asked_until - now, paused_until - now)
