"""How the simulated service treats notebooks and leases, where the pages leave it open."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from .choices import check_choice
from .save_timing import AfterReads, AtOnce, SaveTiming

RENEWAL_RESPONSES = ("echo", "lease", "empty")
NO_AUTO_STOP = ("disabled", "unlimited", "refused")
NOT_RUNNING_CODES = ("ModelArts.6327", "ModelArts.6958")
STOPPED_CODES = ("ModelArts.6307", "ModelArts.6357")
EVENTS = ("save", "stop")
FEATURES = ("NOTEBOOK", "DEFAULT")
_TWO_READS = AfterReads(2)
_AT_ONCE = AtOnce()


@dataclass(frozen=True)
class NotebookBehaviour:
    """
    Options of :class:`Simulator` about notebooks.

    :param starting: how long a notebook is STARTING, in reads of the notebook or in seconds
    :param stopping: how long it is STOPPING
    :param snapshotting: how long it stays SNAPSHOTTING after the image of its save has ended
    :param start_failure: if set, every start ends as START_FAILED with this ``fail_reason``
    :param renewal_response: RenewLease returns the requested duration (``echo``, as in a page's sample), the
        ``lease``, or 204 without a body (``empty``)
    :param partial_update: whether the response of UpdateNotebook has no id, status, image and lease, as in
        the sample of OTC's page. Default: only on OTC
    :param not_running_code: code of what needs a running notebook
    :param stopped_code: code of a stop of a stopped notebook
    :param no_auto_stop: what a start with the duration -1 makes: a ``disabled`` lease, or one that is
        enabled, but ``unlimited``; ``refused`` is 6349
    :param touched_by: what rewrites ``update_at`` of notebook and lease besides starts and renewals: ``save``
        (at its begin and end) and ``stop``
    :param unset_feature: which notebooks a list without ``feature`` has: ``NOTEBOOK``, as the pages define
        it, or ``all``
    :param has_current_time: whether ShowNotebook has ``current_time``, which no page documents
    :param lease_interrupts_save: whether a notebook whose lease ends during a save stops at once, which fails
        the save, and not after it
    """

    starting: SaveTiming = _TWO_READS
    stopping: SaveTiming = _TWO_READS
    snapshotting: SaveTiming = _AT_ONCE
    start_failure: str | None = None
    renewal_response: str = "echo"
    partial_update: bool | None = None
    not_running_code: str = "ModelArts.6327"
    stopped_code: str = "ModelArts.6307"
    no_auto_stop: str = "disabled"
    touched_by: Collection[str] = EVENTS
    unset_feature: str = "NOTEBOOK"
    has_current_time: bool = True
    lease_interrupts_save: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for an invalid option."""
        check_choice("response of a renewal", self.renewal_response, RENEWAL_RESPONSES)
        check_choice("treatment of -1", self.no_auto_stop, NO_AUTO_STOP)
        check_choice("code of a notebook that is not running", self.not_running_code, NOT_RUNNING_CODES)
        check_choice("code of a stopped notebook", self.stopped_code, STOPPED_CODES)
        check_choice("list without a feature", self.unset_feature, ("NOTEBOOK", "all"))
        for event in self.touched_by:
            check_choice("event that rewrites update_at", event, EVENTS)
