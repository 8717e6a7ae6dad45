"""
The requests to IAM and to an ECS's metadata service that authentication needs, and their parsers.

https://docs.otc.t-systems.com/identity-access-management/api-ref/
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

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
"""The metadata service of an ECS: a link-local address, which only its host serves."""

ROLE_SECONDS = 3600
"""Seconds for which temporary keys of an agency are requested; IAM accepts 900 to 86400."""

_RENEW_AHEAD = 300.0
"""Seconds before its expiry at which a token or key is renewed."""


@dataclass(frozen=True, slots=True)
class Token:
    """
    A token, scoped to one project.

    :param usable_for: seconds after which it is to be renewed.
    """

    value: str = field(repr=False)
    project_id: str
    usable_for: float


@dataclass(frozen=True, slots=True)
class TemporaryKeys:
    """
    A temporary access key with its secret key and security token.

    :param usable_for: seconds after which they are to be renewed.
    """

    access_key: str
    secret_key: str = field(repr=False)
    security_token: str = field(repr=False)
    usable_for: float


def create_token(
    endpoint: str, *, user_name: str, password: str, domain_name: str, project: dict[str, str]
) -> Request:
    """
    Return the request of a login with a password.

    :param endpoint: scheme, host and port of IAM.
    :param project: ``{"id": …}`` or ``{"name": …}``; ModelArts accepts no token without a project.
    """
    user = {"name": user_name, "password": password, "domain": {"name": domain_name}}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": {"project": project}}}
    return _request("POST", f"{endpoint}/v3/auth/tokens?nocatalog=true", body)


def parse_token(response: Response, at: datetime) -> Token:
    """
    Return the token from the response to a login.

    :param at: now, as in all parsers here.
    :raises InvalidResponseError: the response has no token.
    """
    token = _parse("CreateToken (POST /v3/auth/tokens)", response, _TokenResponse.model_validate, at).token
    value = response.headers.get("x-subject-token", "").strip()
    if not _SENDABLE.fullmatch(value):
        fault = "a token that no header can contain" if value else "no token"
        raise InvalidResponseError(f"CreateToken (POST /v3/auth/tokens) returned {fault}: check iam_endpoint")
    return Token(value, token.project.id, _usable_for(token.expires_at, _date(response, at)))


def create_temporary_keys(endpoint: str, *, agency_name: str, agency_domain_name: str) -> Request:
    """Return the request for temporary keys of an agency of another account."""
    role = {
        "agency_name": agency_name,
        "domain_name": agency_domain_name,
        "duration_seconds": ROLE_SECONDS,
    }
    body = {"auth": {"identity": {"methods": ["assume_role"], "assume_role": role}}}
    return _request("POST", f"{endpoint}/v3.0/OS-CREDENTIAL/securitytokens", body)


def show_security_key(endpoint: str, metadata_token: str | None) -> Request:
    """
    Return the request to the metadata service for temporary keys of the ECS's agency.

    :param metadata_token: from :func:`parse_metadata_token`.
    """
    headers = {"X-Metadata-Token": metadata_token} if metadata_token else {}
    return Request("GET", f"{endpoint}/openstack/latest/securitykey", headers)


def create_metadata_token(endpoint: str) -> Request:
    """Return the request to the metadata service for a token, which some hosts require and others lack."""
    headers = {"X-Metadata-Token-Ttl-Seconds": "300"}
    return Request("PUT", f"{endpoint}/meta-data/latest/api/token", headers)


def parse_metadata_token(response: Response, at: datetime) -> str | None:
    """Return the metadata service's token, or None if this host has none."""

    def parse(_: Any) -> str:
        token = response.body.decode("ascii", "replace").strip()
        if not token:
            raise ValueError("it contains no token")
        return _sendable(token)

    if 400 <= response.status < 500 and response.status not in {408, 429}:
        return None
    return _parse("CreateMetadataToken (PUT /meta-data/latest/api/token)", response, parse, at)


def parse_temporary_keys(what: str, response: Response, at: datetime) -> TemporaryKeys:
    """
    Return the temporary keys from a response of IAM or the metadata service.

    :param what: the operation, for messages.
    """
    keys = _parse(what, response, _KeysResponse.model_validate, at).credential
    usable_for = _usable_for(keys.expires_at, _date(response, at))
    return TemporaryKeys(keys.access, keys.secret, keys.securitytoken, usable_for)


def list_projects(endpoint: str, name: str) -> Request:
    """Return the request for the projects of a name."""
    return _request("GET", f"{endpoint}/v3/projects?name={quote(name, safe='~')}")


def parse_project(response: Response, name: str, at: datetime) -> str:
    """
    Return the id of the only project of a name.

    :raises InvalidConnectionError: no project has that name, or several have.
    """
    what = "ListProjects (GET /v3/projects)"
    projects = _parse(what, response, _ProjectsResponse.model_validate, at).projects
    ids = list(dict.fromkeys(project.id for project in projects if project.name in (None, name)))
    if len(ids) == 1:
        return ids[0]
    if ids:
        several = sanitize(", ".join(ids), 300)
        raise InvalidConnectionError(f"Several projects are named {name!r} ({several}): set project_id")
    raise InvalidConnectionError(
        f"No project named {name!r} is visible to these credentials: set project_id, "
        "which the console shows under My Credentials, or project_name"
    )


def _request(method: str, url: str, body: dict[str, Any] | None = None) -> Request:
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    return Request(method, url, headers, b"" if body is None else json.dumps(body).encode(), service="iam")


def _parse(what: str, response: Response, parse: Callable[[Any], T], at: datetime) -> T:
    """Return the result of a response of IAM, as :func:`responses.parse_response` does."""
    try:
        return responses.parse_response(what, response, parse, at.timestamp(), classify=_classify)
    except ApiError as error:
        if _is_status(error.status, error.code):
            error.code = ""
        raise


def _classify(status: int, code: str) -> ErrorCode:
    """Return the meaning of an error response of IAM: 401 refuses the credentials, whatever its code."""
    if status == 401:
        return ErrorCode(AuthenticationError, "Check the connection's credentials.")
    return classify(status, "" if _is_status(status, code) else code)


def _is_status(status: int, code: str) -> bool:
    """Whether an error code is only the HTTP status, which Keystone, the part of IAM under /v3, repeats."""
    return code == str(status)


def _date(response: Response, at: datetime) -> datetime:
    """Return when a response was sent by the clock of IAM, as the clock of this machine may be wrong."""
    try:
        date = parsedate_to_datetime(response.headers.get("date", ""))
        return date if date.tzinfo else date.replace(tzinfo=timezone.utc)
    except (TypeError, ValueError, OverflowError):
        return at


def _usable_for(expires_at: datetime, at: datetime) -> float:
    """Return the seconds until the renewal: before the expiry, but never 0, even if a clock is wrong."""
    # IAM's dates are UTC. A year exceeds every real lifetime, and no calendar overflows with it.
    expires_at = expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=timezone.utc)
    seconds = min(max(expires_at.timestamp() - at.timestamp(), 60.0), 365 * 86_400.0)
    return max(seconds - _RENEW_AHEAD, seconds / 2)


_SENDABLE = re.compile("[!-~]+")


def _sendable(value: str) -> str:
    """
    Return a value that a header can contain.

    Any other would never be sent, so that no service could refuse it and it would not be renewed.

    :raises ValueError: no header can contain it.
    """
    if not _SENDABLE.fullmatch(value):
        raise ValueError("no header can contain it")
    return value


_Sendable = Annotated[str, AfterValidator(_sendable)]


class _IamResponse(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="ignore", coerce_numbers_to_str=True, str_strip_whitespace=True
    )


class _Project(_IamResponse):
    id: _Sendable
    name: str | None = None


class _ScopedToken(_IamResponse):
    expires_at: datetime
    project: _Project


class _TokenResponse(_IamResponse):
    token: _ScopedToken


class _Keys(_IamResponse):
    access: _Sendable
    secret: str = Field(min_length=1)
    securitytoken: _Sendable
    expires_at: datetime


class _KeysResponse(_IamResponse):
    credential: _Keys


class _ProjectsResponse(_IamResponse):
    projects: list[_Project]
