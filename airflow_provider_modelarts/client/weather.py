"""What all waits on one project know of how ModelArts fares, so that trouble does not make more of it."""

from __future__ import annotations

from random import Random

from airflow_provider_modelarts.client.errors import ModelArtsError, Throttled


class Weather:
    """
    The back-off that all waits on one project share.

    In good weather everyone looks when it is their turn, and a failed look among good ones changes
    nothing for the others. When looks fail in a row, or the service wants to be asked less, one look
    at a time probes for all until the first good reply. Then the others come back one by one, spread
    over their interval.

    :param random: for jitter.
    """

    FAILURES = 3
    """How many failures in a row are bad weather."""
    LONGEST_PAUSE = 60.0
    """Seconds between two probes at most, unless the waits' own interval is longer."""
    LONGEST_RETRY_AFTER = 600.0
    """Seconds that the service may ask for at most."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._failures = 0
        self._shut_until = 0.0
        self.is_bad = False

    def claim(self, now: float, poll_interval: float) -> float:
        """Return 0 if one may look now, or the seconds until it is worth asking again."""
        if now < self._shut_until:
            return self._shut_until - now + self._random.uniform(0.0, poll_interval)
        if self.is_bad:
            self._shut_until = now + self._pause(poll_interval)
        return 0.0

    def worsen(self, error: ModelArtsError, now: float, poll_interval: float) -> float:
        """Note a failure, and return the seconds until its finder, who then probes, may look again."""
        self._failures += 1
        asked_for = min(error.retry_after or 0.0, self.LONGEST_RETRY_AFTER)
        if asked_for or isinstance(error, Throttled) or self._failures >= self.FAILURES:
            self.is_bad = True
            self._shut_until = now + max(asked_for, self._pause(poll_interval))
        return max(0.0, self._shut_until - now)

    def clear(self) -> None:
        """Note a good reply."""
        self._failures = 0
        self._shut_until = 0.0
        self.is_bad = False

    def _pause(self, poll_interval: float) -> float:
        backoff = min(self.LONGEST_PAUSE, 2.0 ** min(self._failures, 10))
        return max(poll_interval, backoff) * self._random.uniform(1.0, 1.25)
