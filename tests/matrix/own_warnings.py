"""Turns warnings of this provider's making into errors, in a process that runs Airflow."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import airflow_provider_modelarts

PACKAGE = Path(airflow_provider_modelarts.__file__).parent
OURS = (str(PACKAGE), str(Path(__file__).resolve().parents[2] / "example_dags"))
DEPRECATIONS = (DeprecationWarning, FutureWarning, PendingDeprecationWarning)


class OwnWarnings:
    """
    The warnings that code of ours causes.

    Python attributes a warning to one line of code. If that is ours, the warning is an error at once. A
    deprecation that Airflow attributes to itself, while one of our lines has called it directly, is kept
    in ``found``.
    """

    def __init__(self) -> None:
        self.found: list[str] = []

    def watch(self) -> None:
        """Begin. Whoever imports Airflow or this package afterwards is watched."""
        for category in DEPRECATIONS:
            warnings.simplefilter("always", category)
        warnings.filterwarnings("error", module=r"airflow_provider_modelarts\b")
        warnings.filterwarnings("error", module=r"nightly_notebook_snapshot\b")
        warnings.showwarning = self._record

    def _record(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,  # noqa: ARG002 - the signature is Python's
        line: str | None = None,  # noqa: ARG002
    ) -> None:
        if issubclass(category, DEPRECATIONS) and (place := _direct_caller(sys._getframe())):
            self.found.append(f"{place}: {category.__name__}: {message} ({filename}:{lineno})")


def _direct_caller(frame: FrameType | None) -> str | None:
    """Return our line that called what warns, if nothing but one function of Airflow is between them."""
    names: list[Any] = []
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(OURS):
            return f"{file}:{frame.f_lineno}" if len(names) <= 1 else None
        if "/airflow/" in file:
            names.append(frame.f_code)
        frame = frame.f_back
    return None
