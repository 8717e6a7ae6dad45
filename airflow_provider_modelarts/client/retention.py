"""
Which images a retention policy keeps: pure values, with the words and the meaning of ``restic forget``.

https://restic.readthedocs.io/en/stable/060_forget.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import TypeVar

from airflow_provider_modelarts.exceptions import FieldViolation, RequestValidationError

K = TypeVar("K", bound=Hashable)

MAX_CLOCK_DIFFERENCE = timedelta(minutes=5)
"""How far in the future an image may be created, by the clock of this machine, before it counts nowhere."""

_PERIOD = re.compile(r"(?:([0-9]{1,4})y)?(?:([0-9]{1,5})m)?(?:([0-9]{1,6})d)?(?:([0-9]{1,7})h)?")
_PERIOD_RULE = "must be a timedelta, or text of years, months, days and hours such as 30d or 1y6m"


@dataclass(frozen=True, slots=True)
class Period:
    """
    A length of time by the calendar, as ``keep_within`` takes it.

    :param rest: what is no calendar unit: an exact number of seconds, whatever the time zone does.
    """

    years: int = 0
    months: int = 0
    days: int = 0
    rest: timedelta = timedelta()

    @classmethod
    def parse(cls, value: object) -> Period:
        """
        Return a period from a timedelta or from restic's text, such as ``2y5m7d3h``, where m is months.

        :raises RequestValidationError: it is neither, or not longer than nothing.
        """
        rule = None
        if isinstance(value, timedelta):
            period = cls(rest=value)
        elif isinstance(value, str) and (match := _PERIOD.fullmatch(value.strip())):
            years, months, days, hours = (int(part or 0) for part in match.groups())
            period = cls(years, months, days, timedelta(hours=hours))
        else:
            period, rule = cls(), _PERIOD_RULE
        if rule is None and not (period.years or period.months or period.days or period.rest > timedelta()):
            rule = f"{_PERIOD_RULE}, longer than nothing"
        if rule is not None:
            raise RequestValidationError([FieldViolation("keep_within", rule, value)])
        return period

    def before(self, at: datetime) -> datetime:
        """
        Return the time that is this period earlier, in the time zone of ``at``.

        As in restic a day that a month lacks overflows: one month before 31 March is 3 March, as 31 February.
        """
        month = at.year * 12 + at.month - 1 - self.years * 12 - self.months
        try:
            first = date(month // 12, month % 12 + 1, 1)
            day = first + timedelta(days=at.day - 1 - self.days)
            start = datetime.combine(day, at.time(), at.tzinfo)
            return (start.astimezone(timezone.utc) - self.rest).astimezone(at.tzinfo)
        except (OverflowError, ValueError):  # before the first year of the calendar
            return datetime.combine(date.min, time.min, timezone.utc)


@dataclass(frozen=True, slots=True)
class Policy:
    """
    A retention policy. Every rule keeps images, and an image that any rule keeps is kept.

    :param keep_last: keep this many of the newest images.
    :param keep_hourly: keep the newest image of this many hours that have one; the others likewise for days,
        ISO weeks, months and years, all of the natural calendar.
    :param keep_within: keep every image less than this period older than the newest one.
    """

    keep_last: int | None = None
    keep_hourly: int | None = None
    keep_daily: int | None = None
    keep_weekly: int | None = None
    keep_monthly: int | None = None
    keep_yearly: int | None = None
    keep_within: Period | None = None

    @classmethod
    def of(cls, *, keep_within: object = None, **counts: object) -> Policy:
        """
        Return the policy of an operator's arguments; None means that a rule is not used.

        :raises RequestValidationError: a count is no whole number from 1, ``keep_within`` is no period, or
            no rule is given.
        """
        violations = [
            FieldViolation(name, "must be a whole number from 1", value)
            for name, value in counts.items()
            if value is not None and not (type(value) is int and value >= 1)
        ]
        within = None
        if keep_within is not None:
            try:
                within = Period.parse(keep_within)
            except RequestValidationError as error:
                violations += error.violations
        names = [field.name for field in fields(cls)]
        if not violations and within is None and all(value is None for value in counts.values()):
            rule = f"is empty, which would keep nothing: give at least one of {', '.join(names)}"
            violations = [FieldViolation("policy", rule, None)]
        if violations:
            raise RequestValidationError(violations)
        return cls(**counts, keep_within=within)  # type: ignore[arg-type]


def reasons_to_keep(
    policy: Policy, created_at: Mapping[K, datetime | None], *, zone: tzinfo, now: datetime
) -> dict[K, tuple[str, ...]]:
    """
    Return why a policy keeps each image of one group; an image without a reason is not kept.

    An image that was created in the future, or at an unknown time, is kept and counts for no rule. As in
    restic the oldest image is kept by every calendar rule that has counts left, so that it ages into the
    longer rules.

    :param created_at: the group's images, each with the time of its creation.
    :param zone: the time zone in which hours, days, weeks, months and years begin.
    :param now: the present time.
    """
    reasons: dict[K, list[str]] = {key: [] for key in created_at}
    dated: list[tuple[datetime, K]] = []
    for key, at in created_at.items():
        if at is None:
            reasons[key].append("its creation time is unknown")
        elif at > now + MAX_CLOCK_DIFFERENCE:
            reasons[key].append("it was created in the future")
        else:
            dated.append((at.astimezone(zone), key))
    dated.sort(key=lambda entry: entry[0].timestamp(), reverse=True)
    for rule, count, period_of in _calendar(policy):
        left, last = count, None
        for number, (at, key) in enumerate(dated):
            period = period_of(at, number)
            is_oldest = number == len(dated) - 1
            if left and (period != last or is_oldest):
                reasons[key].append(f"{rule} {count}")
                left, last = left - 1, period
    if policy.keep_within is not None and dated:
        start = policy.keep_within.before(dated[0][0])
        for at, key in dated:
            if at.timestamp() > start.timestamp():
                reasons[key].append("keep_within")
    return {key: tuple(found) for key, found in reasons.items()}


def _calendar(policy: Policy) -> list[tuple[str, int, Callable[[datetime, int], object]]]:
    """Return the rules that count, each with its count and what makes two images one to it."""
    rules: dict[str, tuple[int | None, Callable[[datetime, int], object]]] = {
        "keep_last": (policy.keep_last, lambda _at, number: number),
        # By its number: at the end of daylight saving time an hour follows itself, and counts once.
        "keep_hourly": (policy.keep_hourly, lambda at, _: (at.date(), at.hour)),
        "keep_daily": (policy.keep_daily, lambda at, _: at.date()),
        "keep_weekly": (policy.keep_weekly, lambda at, _: at.isocalendar()[:2]),
        "keep_monthly": (policy.keep_monthly, lambda at, _: (at.year, at.month)),
        "keep_yearly": (policy.keep_yearly, lambda at, _: at.year),
    }
    return [(name, count, period) for name, (count, period) in rules.items() if count is not None]
