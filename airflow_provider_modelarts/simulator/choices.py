"""Validation of options with a fixed set of values."""

from __future__ import annotations

from collections.abc import Collection


def check_choice(what: str, given: object, choices: Collection[object]) -> None:
    """Raise ValueError for another value, so that a wrong test fails at once."""
    if given not in choices:
        raise ValueError(f"unknown {what} {given!r}; must be one of {', '.join(map(str, choices))}")
