"""
What can go wrong on the way, on order.

A fault stands between the client and the gateway. One without effect answers before anybody
looks at the signature; one with effect lets the request be processed as usual, a refusal
included, and spoils the reply.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from random import Random

from .exchange import ENVELOPES, Ending, HttpReply, error_reply, phrase
from .routes import OPERATIONS

_REPLACING = frozenset({"takes_effect"})
_OPTIONS: Mapping[str, frozenset[str]] = {
    "throttle": _REPLACING | {"retry_after", "code", "message", "envelope"},
    "error": _REPLACING | {"retry_after", "status", "code", "message", "envelope"},
    "html": _REPLACING | {"retry_after", "status"},
    "empty": _REPLACING | {"retry_after", "status"},
    "document": _REPLACING | {"retry_after", "status", "body"},
    "huge": _REPLACING | {"size"},
    "redirect": _REPLACING | {"retry_after", "location"},
    "hang": _REPLACING | {"seconds"},
    "torn": frozenset(),
    "slow": frozenset({"seconds"}),
    "reset": frozenset(),
    "reset_after": frozenset(),
    "garbage": frozenset(),
    "miscount": frozenset({"count"}),
    "save_fails": frozenset({"message"}),
}
KINDS = tuple(_OPTIONS)
_ALWAYS_EFFECTIVE = ("torn", "slow", "reset_after", "garbage", "miscount")
_HANG = 3600.0


@dataclass(frozen=True)
class Fault:
    """
    Something that goes wrong, ``times`` times (None: for ever) after ``skip`` requests went well.

    =========== ============================================================== ======
    kind        what the client gets                                           effect
    =========== ============================================================== ======
    throttle    429                                                            option
    error       ``status`` with ``code`` and ``message`` in an ``envelope``    option
    html        ``status`` with an HTML page, as a proxy writes it             option
    empty       ``status`` without a body                                      option
    document    200 or ``status`` with ``body``, as JSON, whatever it says     option
    huge        200 with a body of ``size`` bytes                              option
    redirect    302 to ``location``                                            option
    hang        nothing, for ``seconds`` or until it goes away; one hour if    option
                none are given. Then the connection is closed
    torn        half of the promised body, then the end of the connection      yes
    slow        the reply, ``seconds`` late                                    yes
    garbage     the reply with its JSON cut in half                            yes
    miscount    the list, with a ``total`` that is ``count`` too large (1) or, yes
                below 0, too small; other replies as they are
    reset       a connection reset                                             no
    reset_after a connection reset                                             yes
    save_fails  the usual reply; the image ends CREATE_FAILED with ``message`` yes
    =========== ============================================================== ======

    Where the effect is an option, ``takes_effect=True`` lets the request be processed first.
    ``retry_after`` is sent as Retry-After: seconds, or the text of a date, which a client compares
    with the reply's ``Date``, the simulator's time. A ``code`` that is empty is left out of the body.
    ``operation`` is the name of an API operation, or ``*`` for all of them. With a ``chance``, such
    as 0.05, the fault happens to each request that fits with this probability, drawn from a
    generator that the simulator's seed starts; ``times`` counts how often it happened.

    The first fault in the order of injection that fits a request is the one that happens, and
    the later ones do not see that request; to one that was not drawn it does not happen, and the
    next in the order may. ``save_fails`` stands apart: it is used up only by a save that takes
    effect, and can come on top of another fault.
    """

    kind: str
    operation: str = "*"
    times: int | None = 1
    skip: int = 0
    chance: float | None = None
    retry_after: int | str | None = None
    status: int | None = None
    code: str | None = None
    message: str | None = None
    envelope: str | None = None
    seconds: float | None = None
    body: str | None = None
    size: int | None = None
    count: int | None = None
    location: str | None = None
    takes_effect: bool = False

    def __post_init__(self) -> None:
        """Refuse a fault that could not happen, or would not do what its options say."""
        if self.kind not in KINDS:
            raise ValueError(f"no fault {self.kind!r}; there are {', '.join(KINDS)}")
        if self.operation not in ("*", *OPERATIONS):
            raise ValueError(f"no operation {self.operation!r}; there are *, {', '.join(OPERATIONS)}")
        if self.kind == "save_fails" and self.operation not in ("*", "CreateImage"):
            raise ValueError(f"a save cannot fail in {self.operation}, only in CreateImage")
        if (self.times is not None and self.times < 1) or self.skip < 0:
            raise ValueError("times must be at least 1 or None, and skip at least 0")
        if self.chance is not None and not 0 < self.chance <= 1:
            raise ValueError("chance must be above 0 and at most 1")
        if self.seconds is not None and not self.seconds >= 0:
            raise ValueError("seconds must be at least 0")
        if self.envelope is not None and self.envelope not in ENVELOPES:
            raise ValueError(f"no envelope {self.envelope!r}; there are {', '.join(ENVELOPES)}")
        self._refuse_foreign_options()

    def _refuse_foreign_options(self) -> None:
        for field in fields(self)[5:]:
            if getattr(self, field.name) != field.default and field.name not in _OPTIONS[self.kind]:
                raise ValueError(f"the option {field.name!r} means nothing to the fault {self.kind!r}")
        if self.kind == "redirect" and self.location is None:
            raise ValueError("a redirect needs a location")
        if self.kind == "document" and self.body is None:
            raise ValueError("a document needs a body")

    @property
    def processed(self) -> bool:
        """Whether the request is processed before its reply is spoiled."""
        return self.takes_effect or self.kind in _ALWAYS_EFFECTIVE

    def spoil(self, reply: HttpReply, request_id: str) -> HttpReply:
        """Give what the client gets in place of the usual reply."""
        spoiled = _SPOILERS[self.kind](self, reply, request_id)
        if self.retry_after is None:
            return spoiled
        return replace(spoiled, headers=(*spoiled.headers, ("Retry-After", str(self.retry_after))))


class FaultQueue:
    """The faults that are still to happen."""

    def __init__(self, seed: int = 0) -> None:
        """Begin with fair weather; the seed decides what a chance makes of each request."""
        self._seed = seed
        self.clear()

    def clear(self) -> None:
        """Forget all faults, and draw from the start again."""
        self._faults: list[Fault] = []
        self._random = Random(self._seed)  # noqa: S311 - for chances

    def add(self, fault: Fault) -> None:
        """Add a fault behind the others."""
        self._faults.append(fault)

    def take(self, operation: str) -> Fault | None:
        """Use up and give the fault that happens to a request, if one does."""
        return self._take(lambda fault: fault.kind != "save_fails" and fault.operation in ("*", operation))

    def take_save_failure(self) -> Fault | None:
        """Use up and give the fault that lets a save fail, if one does."""
        return self._take(lambda fault: fault.kind == "save_fails")

    def _take(self, fits: Callable[[Fault], bool]) -> Fault | None:
        for index, fault in enumerate(self._faults):
            if not fits(fault):
                continue
            if fault.skip:
                self._faults[index] = replace(fault, skip=fault.skip - 1)
                continue
            if fault.chance is not None and self._random.random() >= fault.chance:
                continue
            if fault.times == 1:
                del self._faults[index]
            elif fault.times is not None:
                self._faults[index] = replace(fault, times=fault.times - 1)
            return fault
        return None


def _error(fault: Fault, _reply: HttpReply, request_id: str) -> HttpReply:
    """Answer in an envelope; the defaults are the internal error of whoever speaks."""
    envelope = fault.envelope or "modelarts"
    code = ("APIGW.0201" if envelope == "gateway" else "ModelArts.6102") if fault.code is None else fault.code
    message = fault.message or "Internal error."
    return error_reply(envelope, fault.status or 500, code, message, request_id)


def _throttle(fault: Fault, _reply: HttpReply, request_id: str) -> HttpReply:
    code = "APIGW.0308" if fault.code is None else fault.code
    message = fault.message or "The throttling threshold has been reached."
    return error_reply(fault.envelope or "gateway", 429, code, message, request_id)


def _html(fault: Fault, _reply: HttpReply, _request_id: str) -> HttpReply:
    status = fault.status or 502
    title = f"{status} {phrase(status)}"
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return HttpReply(status, page.encode(), content_type="text/html")


def _empty(fault: Fault, _reply: HttpReply, _request_id: str) -> HttpReply:
    return HttpReply(fault.status or 502)


def _document(fault: Fault, _reply: HttpReply, _request_id: str) -> HttpReply:
    return HttpReply(fault.status or 200, (fault.body or "").encode())


def _huge(fault: Fault, _reply: HttpReply, _request_id: str) -> HttpReply:
    """Fill a valid JSON document up to the size that is asked for."""
    size = 64 * 1024 * 1024 if fault.size is None else fault.size
    frame = len(json.dumps({"padding": ""}))
    return HttpReply(200, json.dumps({"padding": "x" * max(size - frame, 0)}).encode())


def _redirect(fault: Fault, _reply: HttpReply, _request_id: str) -> HttpReply:
    return HttpReply(302, headers=(("Location", fault.location or ""),))


def _slow(fault: Fault, reply: HttpReply, _request_id: str) -> HttpReply:
    return replace(reply, delay=1.0 if fault.seconds is None else fault.seconds)


def _hang(fault: Fault, _reply: HttpReply, _request_id: str) -> HttpReply:
    return HttpReply(504, delay=_HANG if fault.seconds is None else fault.seconds, ending=Ending.NOTHING)


def _torn(_fault: Fault, reply: HttpReply, _request_id: str) -> HttpReply:
    return replace(reply, ending=Ending.TORN)


def _reset(_fault: Fault, reply: HttpReply, _request_id: str) -> HttpReply:
    return replace(reply, ending=Ending.RESET)


def _garbage(_fault: Fault, reply: HttpReply, _request_id: str) -> HttpReply:
    return replace(reply, body=reply.body[: len(reply.body) // 2])


def _miscount(fault: Fault, reply: HttpReply, _request_id: str) -> HttpReply:
    document = json.loads(reply.body) if reply.body else None
    if not isinstance(document, dict) or "total" not in document:
        return reply
    document["total"] = max(0, document["total"] + (1 if fault.count is None else fault.count))
    return replace(reply, body=json.dumps(document, ensure_ascii=False).encode())


_SPOILERS: Mapping[str, Callable[[Fault, HttpReply, str], HttpReply]] = {
    "throttle": _throttle,
    "error": _error,
    "html": _html,
    "empty": _empty,
    "document": _document,
    "huge": _huge,
    "redirect": _redirect,
    "hang": _hang,
    "torn": _torn,
    "slow": _slow,
    "reset": _reset,
    "reset_after": _reset,
    "garbage": _garbage,
    "miscount": _miscount,
}
