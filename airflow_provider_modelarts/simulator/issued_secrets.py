"""Every secret there ever was, for tests that look for one where none may be."""

from __future__ import annotations


class IssuedSecrets:
    """The secret values, in the order they came up. Nothing is ever taken out of it."""

    def __init__(self) -> None:
        """Begin empty."""
        self._values: dict[str, None] = {}

    def add(self, *values: str | None) -> None:
        """Write down what must not leak."""
        self._values |= dict.fromkeys(value for value in values if value)

    def values(self) -> tuple[str, ...]:
        """Give each value once."""
        return tuple(self._values)
