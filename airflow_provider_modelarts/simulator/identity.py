"""
The IAM operations that a client of ModelArts needs.

Under ``/v3`` errors have Keystone's form, under ``/v3.0`` IAM's own codes. Two errors are not documented:
a scope with an unknown project gets Keystone's 401, as a request without credentials does, and an unknown
agency gets 403, because the operation's page lists no 404.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .account import Account, ProjectRecord
from .clock import iso
from .documents import OWNER
from .exchange import HttpRequest, Outcome, Refusal, json_reply
from .keys import Keyring
from .listing import Query
from .routes import MatchedRoute, OperationHandler
from .rules import json_object
from .tokens import IssuedToken, Tokens

_MALFORMED_TOKEN_REQUEST = (400, "", "The request body is invalid")
_MALFORMED_KEY_REQUEST = (400, "IAM.0011", "Request body is invalid.")
_MIN_SECONDS, _MAX_SECONDS = 900, 86_400
"""Lifetimes of temporary keys that may be requested."""


class IamService:
    """Issues tokens and temporary keys, and lists projects."""

    def __init__(
        self,
        account: Account,
        keyring: Keyring,
        tokens: Tokens,
        *,
        now: Callable[[], float],
        token_lifetime: float,
        endpoint: Callable[[], str],
    ) -> None:
        """Serve an account; ``endpoint`` is a function, because the port is open only after the start."""
        self._account = account
        self._keyring = keyring
        self._tokens = tokens
        self._now = now
        self._token_lifetime = token_lifetime
        self._endpoint = endpoint
        self.by_name: Mapping[str, OperationHandler] = {
            "CreateToken": self._create_token,
            "ListProjects": self._list_projects,
            "CreateTemporaryAccessKey": self._create_temporary_access_key,
        }

    def reset(self) -> None:
        """Restore the initial state."""
        self._account.reset()

    def _create_token(self, request: HttpRequest, _: MatchedRoute) -> Outcome:
        auth = _member(_document(request, _MALFORMED_TOKEN_REQUEST), "auth")
        self._check_user(_member(auth, "identity"))
        project = self._project_of(_member(auth, "scope", "project"))
        token = self._tokens.issue(self._token_lifetime, project.id if project else None)
        document = self._token_document(token, project)
        if not Query(request).text("nocatalog"):
            document["catalog"] = self._catalog()
        return Outcome(json_reply(201, {"token": document}, ("X-Subject-Token", token.value)))

    def _check_user(self, identity: Any) -> None:
        paths = (("name",), ("password",), ("domain", "name"))
        given = [_member(identity, "password", "user", *path) for path in paths]
        if _member(identity, "methods") != ["password"] or not _are_texts(given):
            raise Refusal(*_MALFORMED_TOKEN_REQUEST)
        user = self._account.user
        if given != [user.name, user.password, user.domain.name]:
            raise Refusal(401, "", "The username or password is wrong.")

    def _project_of(self, scope: Any) -> ProjectRecord | None:
        """Return the project of a scope; None for a token without one, which is for global services only."""
        if scope is None:
            return None
        given = {"project_id": _member(scope, "id"), "name": _member(scope, "name")}
        wanted = {name: value for name, value in given.items() if value is not None}
        if not wanted or not _are_texts(wanted.values()):
            raise Refusal(*_MALFORMED_TOKEN_REQUEST)
        project = self._account.find_project(**wanted)
        if project is None:
            raise Refusal(401, "", "The request you have made requires authentication.")
        return project

    def _token_document(self, token: IssuedToken, project: ProjectRecord | None) -> dict[str, Any]:
        user = self._account.user
        domain = {"domain": user.domain.document()}
        document: dict[str, Any] = {
            "methods": ["password"],
            "issued_at": iso(self._now()),
            "expires_at": iso(token.expires_at),
            "user": {"id": OWNER, "name": user.name, "password_expires_at": ""} | domain,
            "roles": [{"id": "0", "name": "te_admin"}],
        }
        if project is not None:
            document["project"] = {"id": project.id, "name": project.name} | domain
        return document

    def _catalog(self) -> list[dict[str, Any]]:
        """Return a catalog with one entry, IAM's own."""
        service_id = uuid.uuid5(uuid.NAMESPACE_DNS, "iam").hex
        endpoint = {
            "id": service_id[::-1],
            "interface": "public",
            "region": "*",
            "region_id": "*",
            "url": f"{self._endpoint()}/v3",
        }
        return [{"id": service_id, "name": "iam", "type": "identity", "endpoints": [endpoint]}]

    def _list_projects(self, request: HttpRequest, _: MatchedRoute) -> Outcome:
        name = Query(request).text("name")
        domain_id = self._account.user.domain.id
        projects = [
            {
                "description": "",
                "domain_id": domain_id,
                "enabled": True,
                "id": project.id,
                "is_domain": False,
                "links": {"self": f"{self._endpoint()}/v3/projects/{project.id}"},
                "name": project.name,
                "parent_id": domain_id,
            }
            for project in self._account.projects
            if name in (None, project.name)
        ]
        links = {"self": f"{self._endpoint()}{request.target}", "previous": None, "next": None}
        return Outcome(json_reply(200, {"links": links, "projects": projects}))

    def _create_temporary_access_key(self, request: HttpRequest, _: MatchedRoute) -> Outcome:
        identity = _member(_document(request, _MALFORMED_KEY_REQUEST), "auth", "identity")
        given = _member(identity, "assume_role")
        if _member(identity, "methods") != ["assume_role"] or not isinstance(given, dict):
            raise Refusal(*_MALFORMED_KEY_REQUEST)
        self._check_agency(given)
        duration = given.get("duration_seconds", _MIN_SECONDS)
        if type(duration) is not int or not _MIN_SECONDS <= duration <= _MAX_SECONDS:
            raise Refusal(400, "IAM.0007", "Request parameter duration_seconds is invalid.")
        return Outcome(json_reply(201, self._keyring.issue(duration).document()))

    def _check_agency(self, given: Mapping[str, Any]) -> None:
        """Refuse a request without the agency's name and its domain's name or id, or with another agency."""
        agency = self._account.agency
        expected = {
            "agency_name": agency.name,
            "domain_name": agency.domain.name,
            "domain_id": agency.domain.id,
        }
        present = {name: given[name] for name in expected if name in given}
        if "agency_name" not in present or len(present) < 2 or not _are_texts(present.values()):
            raise Refusal(*_MALFORMED_KEY_REQUEST)
        if any(expected[name] != value for name, value in present.items()):
            raise Refusal(403, "IAM.0002", "You are not authorized to perform the requested action.")


def _document(request: HttpRequest, malformed: tuple[int, str, str]) -> dict[str, Any]:
    try:
        return json_object(request.body)
    except Refusal:
        raise Refusal(*malformed) from None


def _member(document: Any, *path: str) -> Any:
    """Return the value at a path in a document, or None."""
    for name in path:
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document


def _are_texts(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)
