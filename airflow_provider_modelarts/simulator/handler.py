"""Handling of requests, without any network I/O."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from email.utils import formatdate
from typing import Protocol

from . import routes
from .authentication import Authentication
from .clock import SimulatedClock
from .control import PREFIX, Control
from .exchange import Ending, HttpReply, HttpRequest, Outcome, Refusal
from .faults import FaultQueue
from .grants import Grants
from .projects import Projects
from .request_log import JournalEntry, RequestLog
from .routes import MatchedRoute, OperationHandler
from .traffic import Traffic

_UNTOUCHED = Outcome(HttpReply(204))


class Service(Protocol):
    """A service of the cloud: its operations by name."""

    by_name: Mapping[str, OperationHandler]

    def reset(self) -> None:
        """Restore the initial state."""


class Handler:
    """Handles one request at a time; another thread must hold ``lock`` to access its parts."""

    def __init__(
        self,
        *,
        clock: SimulatedClock,
        projects: Projects,
        authentication: Authentication,
        grants: Grants,
        faults: FaultQueue,
        request_log: RequestLog,
        traffic: Traffic,
        services: Sequence[Service],
    ) -> None:
        """Connect the parts."""
        self.lock = threading.RLock()
        self._clock = clock
        self._authentication = authentication
        self._grants = grants
        self._faults = faults
        self._request_log = request_log
        self._traffic = traffic
        self._services = services
        self._swr_envelope = "swr" if projects.registry.behaviour.error_form == "array" else "swr_errors"
        self._operations = {name: run for service in services for name, run in service.by_name.items()}
        self._control = Control(
            projects,
            faults,
            request_log,
            clock,
            grants=grants,
            traffic=traffic,
            revoke_tokens=authentication.revoke_tokens,
            reset=self.reset,
        )

    def reset(self) -> None:
        """Restore the initial state of everything but the clock."""
        with self.lock:
            for service in self._services:
                service.reset()
            self._authentication.reset()
            self._grants.reset()
            self._faults.clear()
            self._request_log.clear()
            self._traffic.reset()

    def handle(self, request: HttpRequest) -> HttpReply:
        """Return the response to a request for the API or the control address."""
        request_id = uuid.uuid4().hex
        with self.lock:
            if request.path.startswith(PREFIX):
                reply = self._control.answer(request)
            else:
                reply = self._answer(request, request_id)
            date = formatdate(self._clock.now(), usegmt=True)
        return replace(reply, headers=(*reply.headers, ("Date", date), ("X-Request-Id", request_id)))

    def _answer(self, request: HttpRequest, request_id: str) -> HttpReply:
        route = routes.find(request)
        operation = route.operation if route else routes.UNKNOWN
        fault = self._faults.take(operation, route.id if route else "")
        reached = fault is None or fault.processed
        outcome = self._process(request, route, request_id) if reached else _UNTOUCHED
        reply = fault.spoil(outcome.reply, request_id) if fault else outcome.reply
        self._request_log.add(
            JournalEntry(
                at=self._clock.now(),
                method=request.method,
                path=request.path,
                query=request.query,
                operation=operation,
                client=request.client,
                status=None if reply.ending in (Ending.RESET, Ending.NOTHING) else reply.status,
                fault=fault.kind if fault else outcome.fault,
                effect=outcome.effect,
                request_id=request_id,
            )
        )
        return reply

    def _process(self, request: HttpRequest, route: MatchedRoute | None, request_id: str) -> Outcome:
        try:
            return self._run(request, route)
        except Refusal as refusal:
            return Outcome(refusal.reply(request_id, swr=self._swr_envelope))

    def _run(self, request: HttpRequest, route: MatchedRoute | None) -> Outcome:
        """Authenticate and run a request; raises Refusal."""
        if route is None:
            raise Refusal(404, "APIGW.0101", "The API does not exist or has not been published.")
        self._authentication.admit(request, route)
        self._grants.check(route.operation)
        return self._operations[route.operation](request, route)
