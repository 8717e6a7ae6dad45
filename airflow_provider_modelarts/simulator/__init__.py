"""
An offline simulator of the ModelArts API, for tests of DAGs that save notebooks.

It is a second opinion on the API: it needs nothing but the standard library, and shares no code
with the rest of this package.
"""

from __future__ import annotations

from .faults import Fault
from .project_view import ProjectView
from .request_log import JournalEntry
from .save_timing import AfterReads, AfterSeconds, AtOnce
from .simulator import Simulator

__all__ = ["AfterReads", "AfterSeconds", "AtOnce", "Fault", "JournalEntry", "ProjectView", "Simulator"]
