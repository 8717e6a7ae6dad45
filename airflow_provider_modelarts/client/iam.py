"""
The few requests to IAM, and to an ECS's metadata service, that credentials and projects need.

https://docs.otc.t-systems.com/identity-access-management/api-ref/
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from airflow_provider_modelarts.client import responses
from airflow_provider_modelarts.client.error_codes import ErrorCode, classify
from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.exceptions import (
    ApiError,
    AuthenticationError,
    InvalidConnectionError,
    InvalidResponseError,
    sanitize,
)

T = TypeVar("T")

METADATA_ENDPOINT = "http://169.254.169.254"
"""Where an ECS asks about itself: link-local, so only the host that it runs on can answer."""

ROLE_SECONDS = 3600
"""For how long temporary keys of an agency are asked for; IAM gives 900 to 86400 seconds."""

_RENEW_AHEAD = 300.0  # seconds


@dataclass(frozen=True, slots=True)
class Token:
    """A token, scoped to a project; ``usable_for`` so many seconds, after which another is due."""

    value: str = field(repr=False)
    project_id: str
    usable_for: float


@dataclass(frozen=True, slots=True)
class TemporaryKeys:
    """Keys that sign only with their security token; ``usable_for`` so many seconds, then others are due."""

    access_key: str
    secret_key: str = field(repr=False)
    security_token: str = field(repr=False)
    usable_for: float


def create_token(
    endpoint: str, *, user_name: str, password: str, domain_name: str, project: dict[str, str]
) -> Request:
    """
    Log in.

    :param project: ``{"id": …}`` or ``{"name": …}``; ModelArts takes no token without a project.
    """
    user = {"name": user_name, "password": password, "domain": {"name": domain_name}}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": {"project": project}}}
    return _request("POST", f"{endpoint}/v3/auth/tokens?nocatalog=true", body)


def parse_token(response: Response, at: datetime) -> Token:
    """Return the token that a log-in brought."""
    reply = _read("CreateToken (POST /v3/auth/tokens)", response, _TokenResponse.model_validate, at)
    value = response.headers.get("x-subject-token")
    if not value:
        raise InvalidResponseError("CreateToken (POST /v3/auth/tokens) brought no token: check iam_endpoint")
    return Token(value, reply.token.project.id, _usable_for(reply.token.expires_at, _date(response, at)))


def create_temporary_keys(endpoint: str, *, agency_name: str, agency_domain_name: str) -> Request:
    """Ask to act as an agency of another account."""
    role = {
        "agency_name": agency_name,
        "domain_name": agency_domain_name,
        "duration_seconds": ROLE_SECONDS,
    }
    body = {"auth": {"identity": {"methods": ["assume_role"], "assume_role": role}}}
    return _request("POST", f"{endpoint}/v3.0/OS-CREDENTIAL/securitytokens", body)


def show_security_key(endpoint: str, metadata_token: str | None) -> Request:
    """Ask the metadata service for the keys of the host's agency."""
    headers = {"X-Metadata-Token": metadata_token} if metadata_token else {}
    return Request("GET", f"{endpoint}/openstack/latest/securitykey", headers)


def create_metadata_token(endpoint: str) -> Request:
    """Ask the metadata service for leave to ask; not every host needs it, or knows it."""
    headers = {"X-Metadata-Token-Ttl-Seconds": "300"}
    return Request("PUT", f"{endpoint}/meta-data/latest/api/token", headers)


def parse_metadata_token(response: Response, at: datetime) -> str | None:
    """Return the token that the metadata service wants to see, or None where it knows of none."""

    def parse(_: Any) -> str:
        token = response.body.decode("ascii", "replace").strip()
        if not token:
            raise ValueError("there is no token in it")
        return token

    if 400 <= response.status < 500 and response.status not in {408, 429}:
        return None
    return _read("CreateMetadataToken (PUT /meta-data/latest/api/token)", response, parse, at)


def parse_temporary_keys(what: str, response: Response, at: datetime) -> TemporaryKeys:
    """Return the keys that IAM or the metadata service gave."""
    given = _read(what, response, _KeysResponse.model_validate, at).credential
    usable_for = _usable_for(given.expires_at, _date(response, at))
    return TemporaryKeys(given.access, given.secret, given.securitytoken, usable_for)


def list_projects(endpoint: str, name: str) -> Request:
    """Ask for the project of a name."""
    return _request("GET", f"{endpoint}/v3/projects?name={quote(name, safe='~')}")


def parse_project(response: Response, name: str, at: datetime) -> str:
    """
    Return the id of the one project that was found.

    :raises InvalidConnectionError: there is none of that name, or more than one.
    """
    found = _read("ListProjects (GET /v3/projects)", response, _ProjectsResponse.model_validate, at).projects
    ids = [project.id for project in found if project.name in (None, name)]
    if len(ids) == 1:
        return ids[0]
    if ids:
        several = sanitize(", ".join(ids), 300)
        raise InvalidConnectionError(f"IAM knows several projects named {name!r} ({several}): set project_id")
    raise InvalidConnectionError(
        f"IAM knows no project named {name!r} that these credentials may see: set project_id, "
        "which the console shows under My Credentials, or project_name"
    )


def _request(method: str, url: str, body: dict[str, Any] | None = None) -> Request:
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    return Request(method, url, headers, b"" if body is None else json.dumps(body).encode(), service="iam")


def _read(what: str, response: Response, parse: Callable[[Any], T], at: datetime) -> T:
    """
    Return what a reply of IAM says; see :func:`airflow_provider_modelarts.client.responses.parse_response`.
    """
    try:
        return responses.parse_response(what, response, parse, at, classify=_classify)
    except ApiError as error:
        if _is_status(error.status, error.code):
            error.code = ""
        raise


def _classify(status: int, code: str) -> ErrorCode:
    """Return what a refusal by IAM means: 401 is about who asks, whatever code came with it."""
    if status == 401:
        return ErrorCode(AuthenticationError, "Check the connection's credentials.")
    return classify(status, "" if _is_status(status, code) else code)


def _is_status(status: int, code: str) -> bool:
    """Whether a code is none: Keystone, the part of IAM under /v3, repeats the HTTP status there."""
    return code == str(status)


def _date(response: Response, at: datetime) -> datetime:
    """Return when IAM wrote a reply, by its own clock: ours may be wrong, and only signatures need it."""
    try:
        date = parsedate_to_datetime(response.headers.get("date", ""))
        return date if date.tzinfo else date.replace(tzinfo=timezone.utc)
    except (TypeError, ValueError, OverflowError):
        return at


def _usable_for(expires_at: datetime, at: datetime) -> float:
    """Return after how many seconds to ask again: well ahead, but whatever the clocks say never at once."""
    # IAM writes UTC; a year is longer than anything lives, and shorter than any calendar.
    expires_at = expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=timezone.utc)
    seconds = min(max(expires_at.timestamp() - at.timestamp(), 60.0), 365 * 86_400.0)
    return max(seconds - _RENEW_AHEAD, seconds / 2)


class _IamResponse(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


class _Project(_IamResponse):
    id: str = Field(min_length=1)
    name: str | None = None


class _ScopedToken(_IamResponse):
    expires_at: datetime
    project: _Project


class _TokenResponse(_IamResponse):
    token: _ScopedToken


class _Keys(_IamResponse):
    access: str = Field(min_length=1)
    secret: str = Field(min_length=1)
    securitytoken: str = Field(min_length=1)
    expires_at: datetime


class _KeysResponse(_IamResponse):
    credential: _Keys


class _ProjectsResponse(_IamResponse):
    projects: list[_Project]
