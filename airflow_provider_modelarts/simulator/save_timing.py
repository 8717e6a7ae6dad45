"""The time that a save takes from INIT through CREATING to its end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Stage(Enum):
    """The stage of a save; after ``DONE`` the image is ACTIVE or, if the save fails, CREATE_FAILED."""

    INIT = "INIT"
    CREATING = "CREATING"
    DONE = "DONE"


class SaveTiming(Protocol):
    """Determines the stage of a save."""

    def stage(self, reads: int, elapsed: float, /) -> Stage:
        """Return the stage from the number of reads of the image and the seconds since the start."""
        ...


@dataclass(frozen=True)
class AtOnce:
    """The save ends at once; only the response to create-image has the status INIT."""

    def stage(self, _reads: int, _elapsed: float, /) -> Stage:
        """Return ``DONE``."""
        return Stage.DONE


@dataclass(frozen=True)
class AfterReads:
    """
    The save ends at the n-th read of the image, by ShowImage or on a ListImages page.

    Reads of the notebook do not count: for a client that polls only the notebook, the save never ends. The
    first of three or more reads still returns INIT.
    """

    reads: int

    def __post_init__(self) -> None:
        """Raise ValueError for a negative number."""
        if self.reads < 0:
            raise ValueError(f"reads must be at least 0, not {self.reads}")

    def stage(self, reads: int, _elapsed: float, /) -> Stage:
        """Return the stage from the number of reads."""
        if reads >= self.reads:
            return Stage.DONE
        if reads == 0 or (reads == 1 and self.reads > 2):
            return Stage.INIT
        return Stage.CREATING


@dataclass(frozen=True)
class AfterSeconds:
    """The save ends after ``seconds`` of the simulator's clock; the first tenth of them is INIT."""

    seconds: float

    def __post_init__(self) -> None:
        """Raise ValueError for a negative time, and for NaN, with which no save would ever end."""
        if not self.seconds >= 0:
            raise ValueError(f"seconds must be at least 0, not {self.seconds}")

    def stage(self, _reads: int, elapsed: float, /) -> Stage:
        """Return the stage from the elapsed seconds."""
        if elapsed >= self.seconds:
            return Stage.DONE
        return Stage.INIT if elapsed < self.seconds / 10 else Stage.CREATING


def end_of(timing: SaveTiming, started: float, now: float) -> float:
    """Return when something that has ended did so: in its own time, however late that is noticed, or now."""
    if isinstance(timing, AtOnce):
        return started
    return started + timing.seconds if isinstance(timing, AfterSeconds) else now
