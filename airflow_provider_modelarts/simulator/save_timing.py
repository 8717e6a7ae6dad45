"""How fast a save moves from INIT through CREATING to its end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Stage(Enum):
    """Where a save stands; what ``DONE`` looks like depends on whether the save fails."""

    INIT = "INIT"
    CREATING = "CREATING"
    DONE = "DONE"


class SaveTiming(Protocol):
    """Decides the stage of a save."""

    def stage(self, reads: int, elapsed: float, /) -> Stage:
        """Judge a save by how often its image was read and how many seconds ago it began."""
        ...


@dataclass(frozen=True)
class AtOnce:
    """The save is over before anybody can look; only the reply to create-image still says INIT."""

    def stage(self, _reads: int, _elapsed: float, /) -> Stage:
        """Every save is done."""
        return Stage.DONE


@dataclass(frozen=True)
class AfterReads:
    """
    The end is seen at the n-th read of the image, by ShowImage or on a ListImages page.

    Reads of the notebook do not count, so a client that only watches the notebook never sees
    the save end. The first of three or more reads still shows INIT.
    """

    reads: int

    def __post_init__(self) -> None:
        """Refuse a number that cannot be reached."""
        if self.reads < 0:
            raise ValueError(f"a save cannot end after {self.reads} reads")

    def stage(self, reads: int, _elapsed: float, /) -> Stage:
        """Count the reads."""
        if reads >= self.reads:
            return Stage.DONE
        if reads == 0 or (reads == 1 and self.reads > 2):
            return Stage.INIT
        return Stage.CREATING


@dataclass(frozen=True)
class AfterSeconds:
    """The end comes so many seconds of the simulator's clock later; the first tenth of them is INIT."""

    seconds: float

    def __post_init__(self) -> None:
        """Refuse an end before the beginning."""
        if self.seconds < 0:
            raise ValueError(f"a save cannot end after {self.seconds} seconds")

    def stage(self, _reads: int, elapsed: float, /) -> Stage:
        """Look at the clock."""
        if elapsed >= self.seconds:
            return Stage.DONE
        return Stage.INIT if elapsed < self.seconds / 10 else Stage.CREATING
