"""Leases of notebooks, and how requests change them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .exchange import HttpRequest, Refusal
from .rules import CloudRules, invalid, json_object

DEFAULT_DURATION = 3_600_000
"""Milliseconds of a start or a renewal without a duration."""
NO_AUTO_STOP = -1
TYPES = ("TIMING", "IDLE")


@dataclass(frozen=True)
class LeaseRecord:
    """
    A lease; the names are the API's, and times and durations are milliseconds.

    ``create_at`` is the creation of the notebook. A timed lease ends at ``create_at + duration``, so that
    each start and renewal rewrites ``duration``.

    :param length: the duration that the last start or renewal requested
    """

    create_at: int
    update_at: int
    duration: int
    enable: bool = True
    type: str = "TIMING"
    length: int = 0

    @property
    def ends_at(self) -> int | None:
        """When the notebook stops by itself; None for a disabled, unlimited or idle lease."""
        is_timed = self.enable and self.type == "TIMING" and self.duration > 0
        return self.create_at + self.duration if is_timed else None

    def document(self) -> dict[str, Any]:
        """Return the lease as in a ShowLease response."""
        return {
            "create_at": self.create_at,
            "duration": self.duration,
            "enable": self.enable,
            "type": self.type,
            "update_at": self.update_at,
        }

    def renewed(self, at: int, length: int, kind: str) -> LeaseRecord:
        """Return the lease after a start or renewal; the duration of an idle one is the idle time."""
        duration = length if kind == "IDLE" else at + length - self.create_at
        return replace(self, duration=duration, enable=True, type=kind, update_at=at, length=length)

    def without_end(self, at: int, no_auto_stop: str) -> LeaseRecord:
        """Return the lease after a start with the duration -1."""
        if no_auto_stop == "refused":
            raise Refusal(400, "ModelArts.6349", "The duration -1 is out of range.")
        if no_auto_stop == "disabled":
            return replace(self, enable=False, update_at=at)
        return replace(self, duration=NO_AUTO_STOP, enable=True, type="TIMING", update_at=at)


@dataclass(frozen=True)
class LeaseTerms:
    """What a start or renewal requests."""

    duration: int = DEFAULT_DURATION
    type: str = "TIMING"


def start_terms(request: HttpRequest, cloud: CloudRules) -> LeaseTerms:
    """Return the terms of StartNotebook, which are in its query; refuse invalid ones."""
    query = dict(request.query_pairs)
    duration = _number(query["duration"]) if "duration" in query else DEFAULT_DURATION
    kind = query.get("type", "timing").upper()
    if kind not in TYPES:
        raise invalid("type", "must be timing or idle")
    if duration != NO_AUTO_STOP:
        _refuse_other_duration(duration, cloud)
    return LeaseTerms(duration, kind)


def renewal_terms(request: HttpRequest, cloud: CloudRules) -> LeaseTerms:
    """
    Return the terms of RenewLease; refuse invalid ones.

    They are in its body. A ``duration`` in the query counts instead, and makes the lease a timed one. Only
    the lower case of a type is accepted, although leases are returned in upper case.
    """
    document = json_object(request.body)
    for name in document.keys() - {"duration", "type"}:
        raise invalid(name, "is not a parameter of this API")
    duration = document.get("duration", DEFAULT_DURATION)
    kind = document.get("type", "timing")
    if not isinstance(duration, int) or isinstance(duration, bool):
        raise invalid("duration", "must be an integer")
    if kind not in ("timing", "idle"):
        raise invalid("type", "must be timing or idle")
    query = dict(request.query_pairs)
    if "duration" in query:
        duration, kind = _number(query["duration"]), "timing"
    _refuse_other_duration(duration, cloud)
    return LeaseTerms(duration, kind.upper())


def _number(text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 19):
        raise invalid("duration", "must be an integer")
    return int(text)


def _refuse_other_duration(duration: int, cloud: CloudRules) -> None:
    least, most = cloud.lease_range
    if not least <= duration <= most:
        raise Refusal(400, "ModelArts.6349", f"The duration must be from {least} to {most}.")
