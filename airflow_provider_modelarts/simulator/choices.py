"""Options that are one of a few words."""

from __future__ import annotations

from collections.abc import Collection


def check_choice(what: str, given: object, known: Collection[object]) -> None:
    """Refuse another one: a mistake in a test shows where it is made."""
    if given not in known:
        raise ValueError(f"no {what} {given!r}; there are {', '.join(map(str, known))}")
