"""The record of all secrets, for tests that search logs and results for leaks."""

from __future__ import annotations


class IssuedSecrets:
    """All secret values in the order of creation; none is ever removed."""

    def __init__(self) -> None:
        """Start empty."""
        self._values: dict[str, None] = {}

    def add(self, *values: str | None) -> None:
        """Record values that must not leak."""
        self._values |= dict.fromkeys(value for value in values if value)

    def values(self) -> tuple[str, ...]:
        """Return each value once."""
        return tuple(self._values)
