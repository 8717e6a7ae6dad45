"""Durations that tasks are given: one form, and a hint for what could mean something else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_modelarts.arguments import duration_of
from airflow_provider_modelarts.exceptions import RequestValidationError


@pytest.mark.parametrize(
    ("given", "duration"),
    [
        ("1d", timedelta(days=1)),
        ("2h", timedelta(hours=2)),
        ("45min", timedelta(minutes=45)),
        ("1d12h", timedelta(hours=36)),
        (" 1d 2h 3min ", timedelta(days=1, hours=2, minutes=3)),
        ("0d2h", timedelta(hours=2)),
        ("90min", timedelta(minutes=90)),
        (timedelta(seconds=1), timedelta(seconds=1)),
    ],
)
def test_duration_of_accepts_timedelta_or_text(given: Any, duration: timedelta) -> None:
    assert duration_of("duration", given) == duration


HINT = "timedelta, or text of days, hours and minutes: 1d, 2h, 45min or 1d12h"


@pytest.mark.parametrize(
    ("given", "match"),
    [
        *(
            (given, HINT)
            for given in ("5m", "1h5m", "7200", 7200, 2.5, True, "2 hours", "h", "2h1d", "1y", "-2h")
        ),
        *((given, HINT) for given in ("2H", "PT2H", "٢h", "1.5h", ["2h"], {"hours": 2})),
        ("", "rendered to nothing"),
        ("None", "the word None"),
        (None, HINT),
        ("0h", "longer than zero"),
        (timedelta(0), "longer than zero"),
        (timedelta(days=-1), "longer than zero"),
        ("4000d", "at most ten years"),
        ("999999999d999999999h", "at most ten years"),
        (timedelta.max, "at most ten years"),
        ("2h\n3min", HINT),
    ],
    ids=repr,
)
def test_duration_of_refuses_anything_else_with_hint(given: Any, match: str) -> None:
    with pytest.raises(RequestValidationError, match=match) as refused:
        duration_of("require_snapshot_within", given)
    assert "require_snapshot_within" in str(refused.value)
