"""
Faults that a test injects between the client and the API gateway.

A fault without effect answers before the signature is checked. A fault with effect lets the request be
processed as usual, which includes a refusal, and then changes the response.
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
"""Seconds until a hanging response ends."""
_INTERNAL = {"gateway": "APIGW.0201", "swr": "SVCSTG.SWR.5000063", "swr_errors": "SVCSTG.SWR.5000063"}
"""Codes of an internal error, where it is not that of ModelArts."""


@dataclass(frozen=True)
class Fault:
    """
    A fault that happens to ``times`` requests (None: to all) after the first ``skip`` requests succeeded.

    =========== ============================================================== ======
    kind        what the client gets                                           effect
    =========== ============================================================== ======
    throttle    429                                                            option
    error       ``status`` with ``code`` and ``message`` in an ``envelope``    option
    html        ``status`` with an HTML page, as a proxy writes it             option
    empty       ``status`` without a body                                      option
    document    200 or ``status`` with ``body``, as JSON, whatever it holds    option
    huge        200 with a body of ``size`` bytes                              option
    redirect    302 to ``location``                                            option
    hang        nothing, for ``seconds`` (default: one hour) or until the      option
                client disconnects. Then the connection is closed
    torn        half of the announced body, then the connection is closed      yes
    slow        the response, ``seconds`` late                                 yes
    garbage     the response with its JSON cut in half                         yes
    miscount    a list, with ``count`` (default: 1) added to ``total``; other  yes
                responses are unchanged
    reset       a connection reset                                             no
    reset_after a connection reset                                             yes
    save_fails  the usual response; the image becomes CREATE_FAILED, with      yes
                ``message`` as its status_message
    =========== ============================================================== ======

    Where the effect is an option, ``takes_effect=True`` lets the request be processed first.
    ``retry_after`` is sent as Retry-After: seconds, or an HTTP date, which a client compares with the
    response's ``Date``, the simulator's time. An empty ``code`` is left out of the body. ``operation`` is the
    name of an API operation, or ``*`` for all; with a ``resource_id``, only requests about this notebook or
    image match, which have its id in their path. With a ``chance``, such as 0.05, the fault happens to each
    matching request with this probability, drawn from a generator with the simulator's seed; ``times``
    counts how often it happened.

    Only the first matching fault, in the order of injection, happens to a request, and later ones do not
    count that request. If a fault with a chance is not drawn, the next matching fault is tried.
    ``save_fails`` is separate: only a save that takes effect uses it up, and it can be combined with another
    fault.
    """

    kind: str
    operation: str = "*"
    times: int | None = 1
    skip: int = 0
    chance: float | None = None
    resource_id: str | None = None
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
        """Raise ValueError for an impossible fault or an option that its kind does not have."""
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault kind {self.kind!r}; must be one of {', '.join(KINDS)}")
        if self.operation not in ("*", *OPERATIONS):
            raise ValueError(
                f"unknown operation {self.operation!r}; must be * or one of {', '.join(OPERATIONS)}"
            )
        if self.kind == "save_fails" and self.operation not in ("*", "CreateImage"):
            raise ValueError(f"save_fails applies only to CreateImage, not to {self.operation}")
        if (self.times is not None and self.times < 1) or self.skip < 0:
            raise ValueError("times must be at least 1 or None, and skip at least 0")
        if self.chance is not None and not 0 < self.chance <= 1:
            raise ValueError("chance must be above 0 and at most 1")
        if self.seconds is not None and not self.seconds >= 0:
            raise ValueError("seconds must be at least 0")
        if self.envelope is not None and self.envelope not in ENVELOPES:
            raise ValueError(f"unknown envelope {self.envelope!r}; must be one of {', '.join(ENVELOPES)}")
        self._refuse_foreign_options()

    def _refuse_foreign_options(self) -> None:
        for field in fields(self)[6:]:
            if getattr(self, field.name) != field.default and field.name not in _OPTIONS[self.kind]:
                raise ValueError(f"the option {field.name!r} does not apply to the fault {self.kind!r}")
        if self.kind == "redirect" and self.location is None:
            raise ValueError("a redirect needs a location")
        if self.kind == "document" and self.body is None:
            raise ValueError("a document needs a body")

    @property
    def processed(self) -> bool:
        """Whether the request is processed before its response is changed."""
        return self.takes_effect or self.kind in _ALWAYS_EFFECTIVE

    def spoil(self, reply: HttpReply, request_id: str) -> HttpReply:
        """Return the response that the client gets in place of the usual one."""
        spoiled = _SPOILERS[self.kind](self, reply, request_id)
        if self.retry_after is None:
            return spoiled
        return replace(spoiled, headers=(*spoiled.headers, ("Retry-After", str(self.retry_after))))


class FaultQueue:
    """The faults that have still to happen."""

    def __init__(self, seed: int = 0) -> None:
        """Start without faults; the seed starts the generator for faults with a chance."""
        self._seed = seed
        self.clear()

    def clear(self) -> None:
        """Remove all faults, and restart the generator from its seed."""
        self._faults: list[Fault] = []
        self._random = Random(self._seed)  # noqa: S311 - for chances

    def add(self, fault: Fault) -> None:
        """Append a fault."""
        self._faults.append(fault)

    def take(self, operation: str, resource_id: str = "") -> Fault | None:
        """Return the fault that happens to a request about a resource, or None, and count it."""
        return self._take(
            lambda fault: (
                fault.kind != "save_fails"
                and fault.operation in ("*", operation)
                and fault.resource_id in (None, resource_id)
            )
        )

    def take_save_failure(self, notebook_id: str) -> Fault | None:
        """Return the fault that lets the save of a notebook fail, or None, and count it."""
        return self._take(
            lambda fault: fault.kind == "save_fails" and fault.resource_id in (None, notebook_id)
        )

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
    """Return an error body; code and message default to the internal error of the envelope's service."""
    envelope = fault.envelope or "modelarts"
    code = _INTERNAL.get(envelope, "ModelArts.6102") if fault.code is None else fault.code
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
    """Return a valid JSON document of the requested size."""
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
    added = 1 if fault.count is None else fault.count
    if ranges := [value for name, value in reply.headers if name == "Content-Range"]:
        records, _, total = ranges[0].partition("/")
        others = tuple(header for header in reply.headers if header[0] != "Content-Range")
        changed = f"{records}/{max(0, int(total) + added)}"
        return replace(reply, headers=(*others, ("Content-Range", changed)))
    document = json.loads(reply.body) if reply.body else None
    if not isinstance(document, dict) or "total" not in document:
        return reply
    document["total"] = max(0, document["total"] + added)
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
