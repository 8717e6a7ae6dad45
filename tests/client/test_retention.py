"""Retention policies keep what restic keeps."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_modelarts.client.retention import Period, Policy, reasons_to_keep
from airflow_provider_modelarts.exceptions import RequestValidationError

UTC = timezone.utc
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
RESTIC = json.loads((Path(__file__).parent / "data" / "restic-keeps.json").read_text())


def kept(policy: Policy, times: list[datetime | None], *, now: datetime = NOW) -> list[int]:
    """Return the indexes of the times that a policy keeps."""
    reasons = reasons_to_keep(policy, dict(enumerate(times)), zone=UTC, now=now)
    return [index for index, found in reasons.items() if found]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_restic_file_holds_enough_histories() -> None:
    assert RESTIC["restic"] == "0.14.0"
    assert len(RESTIC["cases"]) >= 200
    assert {name for case in RESTIC["cases"] for name in case["policy"]} == {
        *("last", "hourly", "daily", "weekly", "monthly", "yearly", "within")
    }
    assert all(len(case["keep"]) < len(case["history"]) for case in RESTIC["cases"][:3])


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"history {number}") for number, case in enumerate(RESTIC["cases"])]
)
def test_reasons_to_keep_agrees_with_restic(case: dict[str, Any]) -> None:
    counts = {
        f"keep_{name}": value if name == "within" else int(value) for name, value in case["policy"].items()
    }
    history = {second: datetime.fromtimestamp(second, UTC) for second in case["history"]}

    reasons = reasons_to_keep(Policy.of(**counts), history, zone=ZoneInfo(RESTIC["timezone"]), now=NOW)

    assert sorted(second for second, found in reasons.items() if found) == case["keep"]


# By the documentation of restic: "the oldest snapshot is kept too, as long as a rule has counts left", which
# version 0.14.0 does not do yet.
@pytest.mark.parametrize(
    ("policy", "times", "expected"),
    [
        pytest.param(
            {"keep_daily": 3}, ["2026-11-20 08:00", "2026-11-20 09:00"], [0, 1], id="same day, counts left"
        ),
        pytest.param(
            {"keep_daily": 1}, ["2026-11-20 08:00", "2026-11-20 09:00"], [1], id="same day, counts used up"
        ),
        pytest.param(
            {"keep_daily": 2},
            ["2026-11-19 08:00", "2026-11-19 09:00", "2026-11-20 09:00"],
            [1, 2],
            id="used up",
        ),
        pytest.param(
            {"keep_monthly": 2},
            ["2026-11-02 08:00", "2026-11-03 08:00", "2026-11-20 09:00"],
            [0, 2],
            id="same month",
        ),
        pytest.param(
            {"keep_yearly": 5, "keep_last": 1},
            ["2026-01-02 08:00", "2026-05-03 08:00", "2026-11-20 09:00"],
            [0, 2],
            id="ages into the year",
        ),
        pytest.param(
            {"keep_hourly": 2, "keep_weekly": 2},
            ["2026-11-16 08:00", "2026-11-16 08:10", "2026-11-16 08:20"],
            [0, 2],
            id="by two rules",
        ),
        pytest.param(
            {"keep_last": 2}, ["2026-11-01 08:00", "2026-11-02 08:00", "2026-11-03 08:00"], [1, 2], id="last"
        ),
        pytest.param(
            {"keep_within": "1d"}, ["2026-11-01 08:00", "2026-11-03 08:00"], [1], id="within has no counts"
        ),
    ],
)
def test_reasons_to_keep_keeps_oldest_by_rules_with_counts_left(
    policy: dict[str, Any], times: list[str], expected: list[int]
) -> None:
    assert kept(Policy.of(**policy), [at(text) for text in times]) == expected


@pytest.mark.parametrize("first", [0, 1])
def test_reasons_to_keep_keeps_one_of_two_images_of_one_second(first: int) -> None:
    times = [at("2026-11-20 08:00"), at("2026-11-20 08:00"), at("2026-11-19 08:00")]
    order = {first: times[first], 1 - first: times[1 - first], 2: times[2]}

    reasons = reasons_to_keep(Policy.of(keep_last=1), order, zone=UTC, now=NOW)

    assert sum(bool(found) for found in reasons.values()) == 1


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        pytest.param(timedelta(minutes=5), [2], id="clocks differ"),
        pytest.param(timedelta(minutes=5, seconds=1), [1, 2], id="future"),
        pytest.param(timedelta(days=900), [1, 2], id="far future"),
    ],
)
def test_reasons_to_keep_keeps_future_images_and_does_not_count_them(
    ahead: timedelta, expected: list[int]
) -> None:
    times: list[datetime | None] = [NOW - timedelta(days=2), NOW - timedelta(days=1), NOW + ahead]

    assert kept(Policy.of(keep_last=1), times) == expected
    # The period counts from the newest image that is not in the future.
    assert 0 not in kept(Policy.of(keep_within="1d"), times)


def test_reasons_to_keep_keeps_images_of_unknown_age() -> None:
    reasons = reasons_to_keep(
        Policy.of(keep_last=1), {"a": None, "b": NOW, "c": at("2026-01-01")}, zone=UTC, now=NOW
    )

    assert reasons == {"a": ("its creation time is unknown",), "b": ("keep_last 1",), "c": ()}


def test_reasons_to_keep_lists_every_rule_that_keeps() -> None:
    policy = Policy.of(keep_last=1, keep_daily=1, keep_within="1h")

    assert reasons_to_keep(policy, {"a": NOW}, zone=UTC, now=NOW) == {
        "a": ("keep_last 1", "keep_daily 1", "keep_within")
    }


@pytest.mark.parametrize(("seconds", "expected"), [(0, [1]), (1, [0, 1])])
def test_reasons_to_keep_excludes_border_of_period(seconds: int, expected: list[int]) -> None:
    times: list[datetime | None] = [NOW - timedelta(days=1) + timedelta(seconds=seconds), NOW]

    assert kept(Policy.of(keep_within="1d"), times) == expected


def test_reasons_to_keep_returns_nothing_for_empty_group() -> None:
    assert reasons_to_keep(Policy.of(keep_within="1d", keep_daily=1), {}, zone=UTC, now=NOW) == {}


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        pytest.param("UTC", [1], id="one day in UTC"),
        pytest.param("Asia/Shanghai", [0, 1], id="two days there"),
    ],
)
def test_reasons_to_keep_begins_days_in_time_zone(zone: str, expected: list[int]) -> None:
    # 15:30 and 16:30 UTC are 23:30 and 00:30 in Shanghai.
    times = [at("2026-11-20 15:30"), at("2026-11-20 16:30"), at("2026-11-01 00:00")]

    reasons = reasons_to_keep(Policy.of(keep_daily=2), dict(enumerate(times)), zone=ZoneInfo(zone), now=NOW)

    assert [index for index in (0, 1) if reasons[index]] == expected


@pytest.mark.parametrize(
    ("text", "newest", "expected"),
    [
        pytest.param("1m", "2026-03-31 10:00", "2026-03-03 10:00", id="31 February overflows"),
        pytest.param("1y", "2024-02-29 10:00", "2023-03-01 10:00", id="29 February overflows"),
        pytest.param("1m3d", "2026-03-31 10:00", "2026-02-28 10:00", id="days before the overflow"),
        pytest.param("13m", "2026-01-15 10:00", "2024-12-15 10:00", id="months over years"),
        pytest.param("36h", "2026-01-02 10:00", "2025-12-31 22:00", id="hours"),
        pytest.param("2y5m7d3h", "2026-11-26 12:00", "2024-06-19 09:00", id="all"),
        pytest.param(timedelta(days=1, minutes=5), "2026-11-26 12:00", "2026-11-25 11:55", id="timedelta"),
        pytest.param("9999y", "2026-11-26 12:00", "0001-01-01 00:00", id="before the calendar"),
        pytest.param(timedelta.max, "2026-11-26 12:00", "0001-01-01 00:00", id="longest timedelta"),
    ],
)
def test_period_before_subtracts_by_the_calendar(text: object, newest: str, expected: str) -> None:
    assert Period.parse(text).before(at(newest)) == at(expected)


def test_period_before_keeps_wall_time_of_days_and_exact_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    after_change = datetime(2026, 3, 29, 12, tzinfo=berlin)

    assert Period.parse("1d").before(after_change) == datetime(2026, 3, 28, 12, tzinfo=berlin)
    assert Period.parse("24h").before(after_change) == datetime(2026, 3, 28, 11, tzinfo=berlin)


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " ",
            "0d",
            "0h",
            "-1d",
            "1",
            "30",
            "1w",
            "1min",
            "1.5d",
            "1d 2h",
            "3h2d",
            "1D",
            "None",
            "\uff11d",
        ),
        *("99999999y", timedelta(), timedelta(seconds=-1), 31, 3.5, True, [], {"days": 1}),
    ],
)
def test_policy_refuses_keep_within_that_is_no_period(value: object) -> None:
    with pytest.raises(RequestValidationError, match="keep_within must be a timedelta, or text of years"):
        Policy.of(keep_within=value)


@pytest.mark.parametrize("value", [0, -1, 1.0, "3", True, [1]])
def test_policy_refuses_count_that_is_no_whole_number_from_one(value: object) -> None:
    with pytest.raises(RequestValidationError, match="keep_daily must be a whole number from 1"):
        Policy.of(keep_daily=value, keep_last=1)


@pytest.mark.parametrize("given", [{}, {"keep_last": None, "keep_within": None}])
def test_policy_refuses_to_be_empty(given: dict[str, Any]) -> None:
    with pytest.raises(RequestValidationError, match=r"policy is empty.*keep_last, keep_hourly"):
        Policy.of(**given)


def test_policy_names_every_violation() -> None:
    with pytest.raises(RequestValidationError) as caught:
        Policy.of(keep_last=0, keep_yearly="1", keep_within="soon")

    assert {violation.field for violation in caught.value.violations} == {
        "keep_last",
        "keep_yearly",
        "keep_within",
    }
