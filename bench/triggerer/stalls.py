"""Finds out how long an event loop was held, and by whose code."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import airflow_provider_modelarts

OURS = str(Path(airflow_provider_modelarts.__file__).parent)

LIMIT = 0.010
"""Seconds; what holds the loop for less is no stall."""
SAMPLING_INTERVAL = 0.005
"""Seconds between two samples of the stack in a stall."""


@dataclass
class Stall:
    """The loop ran from one wait for events to the next, or woke too late from one."""

    at: float
    """Epoch seconds of its end."""
    seconds: float
    """Without the time in which the machine let the thread wait for a core."""
    samples: list[tuple[bool, str]] = field(default_factory=list)
    """Whether code of the package was on the stack, and the innermost lines."""
    collecting: float = 0.0
    """Seconds of the garbage collector, which scans all that Airflow has loaded and interrupts any line."""

    @property
    def ours(self) -> float:
        """The seconds in which code of the package was on the stack, without the garbage collector's."""
        ours = sum(is_ours for is_ours, _ in self.samples) / max(1, len(self.samples))
        return max(0.0, self.seconds - self.collecting) * ours


class StallWatch:
    """
    Records the stalls of an event loop in the main thread.

    The loop's selector is wrapped, so that each run from one wait for events to the next is measured without
    a timer, and so is how late a wait ends. An alarm signal that goes off within a stall samples the stack.
    An idle loop pays nothing.
    """

    def __init__(self) -> None:
        self.stalls: list[Stall] = []
        self._began: float | None = None
        self._queued = _queued()
        self._samples: list[tuple[bool, str]] = []
        self._is_armed = False
        self._collected = 0.0
        self._collecting_since: float | None = None

    @contextmanager
    def watching(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Watch this loop for as long as the context lasts."""
        selector: Any = loop._selector  # type: ignore[attr-defined] # noqa: SLF001 - there is no other way
        select = selector.select

        def watched(timeout: float | None = None) -> Any:
            asleep_at = self._end_run()
            self._collected = 0.0
            used = time.process_time()
            ready = select(timeout)
            self._begin_run()
            if not ready and timeout is not None and self._began is not None:
                late = self._began - asleep_at - max(0.0, timeout)
                if late > LIMIT:
                    # Another thread held the interpreter. If the machine was busy, the process got no CPU.
                    self._add(min(late, time.process_time() - used), _other_threads())
            self._collected = 0.0
            return ready

        selector.select = watched
        before = signal.signal(signal.SIGALRM, self._sample)
        gc.callbacks.append(self._note_collection)
        try:
            yield
        finally:
            gc.callbacks.remove(self._note_collection)
            selector.select = select
            self._end_run()
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _begin_run(self) -> None:
        self._began = time.monotonic()
        if not self._is_armed:
            self._is_armed = True
            signal.setitimer(signal.ITIMER_REAL, LIMIT)

    def _end_run(self) -> float:
        now = time.monotonic()
        if self._began is not None and now - self._began > LIMIT:
            self._add(now - self._began, self._samples)
        self._began = None
        if self._samples:
            self._samples = []
        return now

    def _add(self, seconds: float, samples: list[tuple[bool, str]]) -> None:
        before, self._queued = self._queued, _queued()
        seconds -= min(seconds, self._queued - before)
        if seconds > LIMIT:
            self._note_collection("stop", {})  # the other thread may not have come to that yet
            self.stalls.append(Stall(time.time(), seconds, samples, self._collected))

    def _note_collection(self, phase: str, _: dict[str, int]) -> None:
        now = time.monotonic()
        if self._collecting_since is not None:
            self._collected += now - self._collecting_since
        self._collecting_since = now if phase == "start" else None

    def _sample(self, _: int, frame: FrameType | None) -> None:
        self._is_armed = False
        if not self._samples:
            self._queued = _queued()
        if self._began is None:
            return
        left = LIMIT - (time.monotonic() - self._began)
        if left <= 0:
            self._samples.append(_described(frame))
        self._is_armed = True
        signal.setitimer(signal.ITIMER_REAL, left if left > 0 else SAMPLING_INTERVAL)


def _queued() -> float:
    """Return the seconds for which this thread was ready and had no core."""
    try:
        fields = Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()
    except OSError:
        return 0.0
    return int(fields[1]) / 1e9


def _other_threads() -> list[tuple[bool, str]]:
    main = threading.main_thread().ident
    stacks = [_described(frame) for thread, frame in sys._current_frames().items() if thread != main]  # noqa: SLF001
    return [stack for stack in stacks if stack[0]]


def _described(frame: FrameType | None) -> tuple[bool, str]:
    """Return whether the package is on a stack, and its innermost line and that of the package."""
    lines: list[str] = []
    is_ours = False
    while frame is not None and not is_ours:
        code = frame.f_code
        is_ours = code.co_filename.startswith(OURS)
        if is_ours or not lines:
            short = "/".join(Path(code.co_filename).parts[-3:])
            lines.append(f"{short}:{frame.f_lineno} {code.co_name}")
        frame = frame.f_back
    return is_ours, " < ".join(lines)
