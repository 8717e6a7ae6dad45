"""The control address, by which a test in another process reads and changes the simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, get_type_hints

from .clock import SimulatedClock
from .exchange import HttpReply, HttpRequest, Refusal, json_reply
from .faults import Fault, FaultQueue
from .grants import Grants
from .projects import Projects
from .request_log import RequestLog
from .rules import json_object
from .store import ProjectStore
from .traffic import Traffic

PREFIX = "/_simulator/"


class Control:
    """Handles requests under ``/_simulator/``: JSON, without authentication."""

    def __init__(
        self,
        projects: Projects,
        faults: FaultQueue,
        request_log: RequestLog,
        clock: SimulatedClock,
        *,
        grants: Grants,
        traffic: Traffic,
        revoke_tokens: Callable[[], None],
        reset: Callable[[], None],
    ) -> None:
        """Keep the parts that can be read and changed."""
        self._projects = projects
        self._faults = faults
        self._request_log = request_log
        self._clock = clock
        self._grants = grants
        self._traffic = traffic
        self._revoke_tokens = revoke_tokens
        self._reset = reset
        self._commands: Mapping[tuple[str, str], Callable[..., Any]] = {
            ("GET", "journal"): self._show_journal,
            ("GET", "images"): self._show_images,
            ("GET", "state"): self._show_state,
            ("GET", "traffic"): self._show_traffic,
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._clear_faults,
            ("POST", "clock"): self._move_clock,
            ("POST", "notebooks"): self._put_notebook,
            ("POST", "images"): self._change_image,
            ("POST", "projects"): self._add_project,
            ("POST", "grants"): self._change_grants,
            ("POST", "revocations"): self._take_back_tokens,
            ("POST", "reset"): self._start_over,
        }

    def answer(self, request: HttpRequest) -> HttpReply:
        """Run a command; return 404 for an unknown one and 400 with the reason for an invalid one."""
        command = self._commands.get((request.method, request.path.removeprefix(PREFIX)))
        if command is None:
            available = ", ".join(f"{method} {PREFIX}{name}" for method, name in self._commands)
            return json_reply(404, {"error": f"unknown command; available: {available}"})
        try:
            return json_reply(200, command(**json_object(request.body)))
        except Refusal as refusal:
            return json_reply(400, {"error": refusal.message})
        except (TypeError, ValueError) as error:
            return json_reply(400, {"error": str(error)})

    def _show_journal(self) -> list[dict[str, Any]]:
        return [asdict(entry) for entry in self._request_log.entries()]

    def _show_images(self) -> list[dict[str, Any]]:
        return self._projects.saved_images()

    def _show_state(self) -> dict[str, Any]:
        return {
            "now": self._clock.now(),
            "saves": self._projects.saves,
            "swr_paths": sorted(self._projects.registry),
            "notebooks": [
                asdict(notebook) | {"environment": sorted(store.environments.of_notebook(notebook.id))}
                for store in self._projects.stores()
                for notebook in store.notebooks()
            ],
        }

    def _show_traffic(self) -> dict[str, Any]:
        return {
            "connections": self._traffic.accepted,
            "in_flight": self._traffic.in_flight,
            "max_in_flight": self._traffic.max_in_flight,
        }

    def _add_fault(self, **given: Any) -> dict[str, Any]:
        _check(given, get_type_hints(Fault))
        fault = Fault(**given)
        self._faults.add(fault)
        return asdict(fault)

    def _clear_faults(self) -> dict[str, Any]:
        self._faults.clear()
        return {}

    def _move_clock(self, **given: Any) -> dict[str, Any]:
        _check(given, {"advance": float})
        self._clock.advance(given.get("advance", 0))
        return {"now": self._clock.now()}

    def _put_notebook(self, **given: Any) -> dict[str, Any]:
        """
        Add a notebook, or with ``id`` set the status or the lease of an existing one, or install packages.

        A new notebook is added to the first project unless ``project_id`` is given.
        """
        if "id" not in given:
            _check(given, get_type_hints(ProjectStore.add_notebook) | {"project_id": str})
            project_id = given.pop("project_id", None)
            store = self._projects.store(project_id) if project_id else self._projects.home
            return {"id": store.add_notebook(**given)}
        _check(given, {"id": str, "status": str, "fail_reason": str, "lease": dict, "install": list})
        notebook_id = given.pop("id")
        if not given.keys() & {"status", "lease", "install"}:
            raise ValueError("one of the fields 'status', 'lease' and 'install' is missing")
        lifecycle = self._projects.of_notebook(notebook_id).lifecycle_of(notebook_id)
        if "status" in given:
            lifecycle.set_status(notebook_id, given["status"], given.get("fail_reason"))
        if "lease" in given:
            lease = {"seconds": None, "type": "TIMING", "enable": True} | given["lease"]
            _check(lease, {"seconds": float | None, "type": str, "enable": bool})
            lifecycle.set_lease(notebook_id, lease["seconds"], lease["type"], enable=lease["enable"])
        if "install" in given:
            lifecycle.install(notebook_id, frozenset(map(str, given["install"])))
        return {"id": notebook_id}

    def _change_image(self, **given: Any) -> dict[str, Any]:
        """Set the status of an image."""
        _check(given, {"id": str, "status": str, "message": str | None})
        if "id" not in given:
            raise ValueError("the field 'id' is missing")
        image_id = given.pop("id")
        self._projects.of_image(image_id).set_image_status(image_id, **given)
        return {"id": image_id}

    def _add_project(self, **given: Any) -> dict[str, Any]:
        _check(given, {"name": str, "project_id": str})
        return {"id": self._projects.add(**given)}

    def _change_grants(self, **given: Any) -> dict[str, Any]:
        """Grant and revoke actions, in this order."""
        _check(given, {"grant": list, "revoke": list})
        self._grants.change(given.get("grant", []), given.get("revoke", []))
        return {}

    def _take_back_tokens(self) -> dict[str, Any]:
        self._revoke_tokens()
        return {}

    def _start_over(self) -> dict[str, Any]:
        self._reset()
        return {}


def _check(given: Mapping[str, Any], types: Mapping[str, Any]) -> None:
    """Raise ValueError for an unknown field or a value of the wrong type."""
    for name, value in given.items():
        if name not in types:
            raise ValueError(f"unknown field {name!r}; must be one of {', '.join(types)}")
        whole = isinstance(value, int) and isinstance(float(value), types[name])
        if not (isinstance(value, types[name]) or whole):
            raise ValueError(f"{name!r} cannot be {value!r}")
