"""
An offline simulator of the APIs of ModelArts and SWR, for tests of DAGs that save notebooks.

It needs only the standard library. It shares no code with the rest of this package, so that an error in the
client's understanding of the API does not repeat in the simulator.
"""

from __future__ import annotations

from .faults import Fault
from .notebook_behaviour import NotebookBehaviour
from .notebook_view import NotebookView
from .project_view import ProjectView
from .registry_behaviour import RegistryBehaviour
from .registry_view import RegistryView
from .request_log import JournalEntry
from .save_timing import AfterReads, AfterSeconds, AtOnce
from .simulator import Simulator

__all__ = [
    "AfterReads",
    "AfterSeconds",
    "AtOnce",
    "Fault",
    "JournalEntry",
    "NotebookBehaviour",
    "NotebookView",
    "ProjectView",
    "RegistryBehaviour",
    "RegistryView",
    "Simulator",
]
