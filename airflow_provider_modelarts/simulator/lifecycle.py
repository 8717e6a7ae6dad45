"""The operations on one notebook: what an authenticated request changes, and its response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .clock import SimulatedClock
from .documents import NotebookRecord
from .exchange import HttpReply, HttpRequest, Outcome, json_reply
from .lease import renewal_terms, start_terms
from .projects import Projects
from .routes import MatchedRoute, OperationHandler
from .rules import update_notebook_fields
from .store import ProjectStore

_LEFT_OUT = ("id", "status", "image", "lease", "token", "url")
"""What a partial response of UpdateNotebook lacks."""


class Lifecycle:
    """The operations on one notebook, by name."""

    def __init__(self, projects: Projects, clock: SimulatedClock) -> None:
        """Serve the account's projects."""
        self._projects = projects
        self._clock = clock
        self.by_name: Mapping[str, OperationHandler] = {
            "ShowNotebook": self._show,
            "StartNotebook": self._start,
            "StopNotebook": self._stop,
            "ShowLease": self._show_lease,
            "RenewLease": self._renew_lease,
            "UpdateNotebook": self._update,
        }

    def reset(self) -> None:
        """Do nothing: the projects are reset by the other operations."""

    def _store(self, route: MatchedRoute) -> ProjectStore:
        return self._projects.store(route.project_id)

    def _document(self, store: ProjectStore, notebook: NotebookRecord) -> dict[str, Any]:
        return notebook.document(store.image_of(notebook), store.notebook_host)

    def _show(self, _: HttpRequest, route: MatchedRoute) -> Outcome:
        store = self._store(route)
        (notebook,) = store.read_notebooks([route.id])
        document = self._document(store, notebook)
        if store.notebook_behaviour.has_current_time:
            document["current_time"] = int(self._clock.now() * 1000)
        return Outcome(json_reply(200, document))

    def _start(self, request: HttpRequest, route: MatchedRoute) -> Outcome:
        store = self._store(route)
        lifecycle = store.lifecycle_of(route.id)
        notebook = lifecycle.start(route.id, start_terms(request, store.cloud))
        return Outcome(json_reply(200, self._document(store, notebook)), effect=True)

    def _stop(self, _: HttpRequest, route: MatchedRoute) -> Outcome:
        store = self._store(route)
        notebook = store.lifecycle_of(route.id).stop(route.id)
        return Outcome(json_reply(200, self._document(store, notebook)), effect=True)

    def _show_lease(self, _: HttpRequest, route: MatchedRoute) -> Outcome:
        notebook = self._store(route).lifecycle_of(route.id).running(route.id)
        return Outcome(json_reply(200, notebook.lease.document()))

    def _renew_lease(self, request: HttpRequest, route: MatchedRoute) -> Outcome:
        """Renew a lease; the samples of the pages repeat the requested duration in the response."""
        store = self._store(route)
        lifecycle = store.lifecycle_of(route.id)
        terms = renewal_terms(request, store.cloud)
        document = lifecycle.renew(route.id, terms).document()
        if store.notebook_behaviour.renewal_response == "empty":
            return Outcome(HttpReply(204), effect=True)
        if store.notebook_behaviour.renewal_response == "echo":
            document["duration"] = terms.duration
        return Outcome(json_reply(200, document), effect=True)

    def _update(self, request: HttpRequest, route: MatchedRoute) -> Outcome:
        store = self._store(route)
        notebook = store.update_notebook(route.id, update_notebook_fields(request.body))
        document = self._document(store, notebook)
        partial = store.notebook_behaviour.partial_update
        if partial is None:
            partial = store.cloud.has_partial_update
        if partial:
            document = {name: value for name, value in document.items() if name not in _LEFT_OUT}
        return Outcome(json_reply(200, document), effect=True)
