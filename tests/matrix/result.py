"""How a cell of the matrix went."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.commands import CommandError
from tests.matrix.cells import Cell

Added = dict[str, tuple[str, int]]
"""Version, and bytes on disk, by distribution."""


class CellError(CommandError):
    """A cell is not as it must be, although its commands succeeded."""


@dataclass(frozen=True)
class Counts:
    """How many unit tests there were. A file that is skipped counts as one."""

    collected: int = 0
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        return f"{self.collected} collected, {self.passed} passed, {self.skipped} skipped"


@dataclass
class Result:
    """How a cell went; ``problem`` is empty if it passed."""

    cell: Cell
    python: str = "?"
    counts: Counts = field(default_factory=Counts)
    added: Added = field(default_factory=dict)
    features: dict[str, bool] = field(default_factory=dict)
    seconds: float = 0.0
    problem: str = ""
