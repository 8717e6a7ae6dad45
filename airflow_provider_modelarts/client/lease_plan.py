"""
When a lease is renewed, and with what lease a notebook starts.

Only a timed lease is renewed, and it is never shortened. A start keeps the lease that the notebook had.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from airflow_provider_modelarts.client.notebooks import NO_AUTO_STOP, Lease, LeaseType

MIN_LEASE = timedelta(hours=1)
"""The shortest lease that Huawei Cloud accepts."""
MAX_LEASE = timedelta(hours=72)
"""The longest lease that Huawei Cloud accepts."""


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """
    What a start or a renewal requests.

    :param duration: None for the service's default, one hour.
    :param type: None for the service's default, ``timing``.
    :param fallback: the duration to request if the service refuses the first one.
    """

    duration: timedelta | None = None
    type: LeaseType | None = None
    fallback: timedelta | None = None

    def describe(self) -> str:
        """Return the terms as a clause for the log."""
        if self.duration == NO_AUTO_STOP:
            return "without auto stop"
        length = "the default length" if self.duration is None else f"{self.duration}"
        return f"with a lease of {length}" + (" without use" if self.type == "idle" else "")


def ends_within(lease: Lease | None, now: int, duration: timedelta) -> bool:
    """
    Return whether a lease ends sooner than some time from now.

    One that is disabled, unlimited or idle has no end, and that of another one may be unknown: these do not.

    :param now: the service's time in milliseconds.
    """
    left = lease.left(now) if lease else None
    return left is not None and left < duration


def plan_renewal(lease: Lease | None, now: int, at_least: timedelta) -> LeaseTerms | None:
    """
    Return the renewal that a lease needs to last for some time from now, or None if it needs none.

    A lease that does not end, or whose end is unknown, could be shortened: it is left as it is.

    :param now: the service's time in milliseconds.
    :param at_least: how long the notebook must not stop by itself.
    """
    if not ends_within(lease, now, at_least):
        return None
    return LeaseTerms(max(at_least, MIN_LEASE), "timing")


def plan_start(lease: Lease | None, duration: timedelta | None = None) -> LeaseTerms:
    """
    Return the lease to request when a notebook starts.

    :param lease: of the stopped notebook.
    :param duration: the user's; without one the notebook keeps the lease that it had.
    """
    if duration is not None:
        return LeaseTerms(duration, fallback=MAX_LEASE if duration == NO_AUTO_STOP else None)
    if lease is None:
        return LeaseTerms()
    if lease.is_endless or lease.is_unlimited:
        return LeaseTerms(NO_AUTO_STOP, fallback=MAX_LEASE)
    if lease.is_idle:
        return LeaseTerms(_idle_time(lease), "idle")
    if not lease.is_timed:
        return LeaseTerms()
    # A stop may rewrite the time from which the length counts, which makes it too short, or unknown. Where
    # a renewal does not rewrite it, the length is too long.
    length = max(lease.length or MIN_LEASE, MIN_LEASE)
    return LeaseTerms(length, "timing", fallback=MAX_LEASE if length > MAX_LEASE else None)


def _idle_time(lease: Lease) -> timedelta | None:
    """
    Return how long a notebook may be idle, or None for the service's default.

    Whether the duration of an idle lease counts from the creation, as that of a timed one does, is not
    documented. One that is longer than any that is accepted does.
    """
    milliseconds = lease.duration or 0
    if milliseconds > MAX_LEASE / timedelta(milliseconds=1):
        milliseconds += (lease.create_at or 0) - (lease.update_at or 0)
    if not 0 < milliseconds <= MAX_LEASE / timedelta(milliseconds=1):
        return None
    return max(timedelta(milliseconds=milliseconds), MIN_LEASE)
