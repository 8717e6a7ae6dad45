"""From an Airflow connection to settings, as a pure function with one clear error for all that is wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import Connection

from airflow_provider_modelarts.client.clouds import CLOUDS, Cloud, cloud_of
from airflow_provider_modelarts.client.errors import InvalidConnection
from airflow_provider_modelarts.transport import Limits

EXTRAS = frozenset(
    {
        "region",
        "cloud",
        "project_id",
        "workspace_id",
        "console_url",
        "connect_timeout",
        "read_timeout",
    }
)


@dataclass(frozen=True, slots=True)
class Settings:
    """
    All that a connection says, checked.

    Equal settings share one conversation, so everything that makes a difference is in here.

    :param endpoint: scheme, host and port of ModelArts.
    :param workspace_id: of images whose task names none.
    :param console_url: the console's address.
    """

    endpoint: str
    cloud: Cloud = field(hash=False)
    region: str
    project_id: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    workspace_id: str | None = None
    console_url: str = ""
    limits: Limits = field(default_factory=Limits)

    @property
    def notebooks_url(self) -> str:
        """Where the console lists notebooks."""
        return self.console_url + self.cloud.notebooks.format(region=self.region)

    @property
    def images_url(self) -> str:
        """Where the console lists images."""
        return self.console_url + self.cloud.images.format(region=self.region)


def settings_of(connection: Connection) -> Settings:
    """
    Return what a connection says.

    Null and empty mean absent: the connection form stores both for fields that nobody filled in.

    :raises InvalidConnection: everything that is missing, unknown or contradictory, with the remedy.
    """
    wrong: list[str] = []
    extra = _extra(connection.extra, wrong)
    region = _text(extra, "region", wrong)
    cloud = _cloud(_text(extra, "cloud", wrong), region, wrong)
    project_id = _text(extra, "project_id", wrong)
    if not project_id:
        wrong.append("extra project_id is missing: the console shows it under My Credentials")
    if not connection.login or not connection.password:
        wrong.append("login (access key) and password (secret key) must both be filled in")
    endpoint = _endpoint(connection, wrong)
    if not endpoint and region:
        endpoint = cloud.endpoint(region)
    elif not endpoint:
        wrong.append("extra region is missing (such as eu-de or cn-north-4), or else host")
    settings = Settings(
        endpoint=endpoint,
        cloud=cloud,
        region=region,
        project_id=project_id,
        access_key=connection.login or "",
        secret_key=connection.password or "",
        workspace_id=_text(extra, "workspace_id", wrong) or None,
        console_url=(_text(extra, "console_url", wrong) or cloud.console).rstrip("/"),
        limits=_limits(extra, wrong),
    )
    if wrong:
        raise InvalidConnection(f"Connection {connection.conn_id!r} cannot be used: {'; '.join(wrong)}")
    return settings


def _extra(text: str | None, wrong: list[str]) -> dict[str, Any]:
    # Not Connection.extra_dejson: before Airflow 3.3.2 it masks by a call to the supervisor that can
    # deadlock a triggerer's event loop, and it would hide broken JSON.
    try:
        extra = json.loads(text or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        wrong.append("extra is not a JSON object")
        return {}
    given = {key: value for key, value in extra.items() if value not in (None, "")}
    known = ", ".join(sorted(EXTRAS))
    wrong.extend(f"extra {key} is unknown: it may be one of {known}" for key in sorted(given.keys() - EXTRAS))
    return given


def _text(extra: dict[str, Any], key: str, wrong: list[str]) -> str:
    value = extra.get(key, "")
    if isinstance(value, str):
        return value.strip()
    wrong.append(f"extra {key} must be a string, not {type(value).__name__}")
    return ""


def _limits(extra: dict[str, Any], wrong: list[str]) -> Limits:
    given: dict[str, float] = {}
    for key in extra.keys() & {"connect_timeout", "read_timeout"}:
        try:
            given[key] = float(extra[key])
        except (TypeError, ValueError):
            given[key] = 0.0
        if not 0 < given[key] < 86_400:
            wrong.append(f"extra {key} must be a number of seconds above 0, not {extra[key]!r}")
    return Limits(**given)


def _cloud(name: str, region: str, wrong: list[str]) -> Cloud:
    if name and name not in CLOUDS:
        wrong.append(f"extra cloud must be one of {', '.join(CLOUDS)}, not {name!r}")
    return CLOUDS.get(name) or cloud_of(region)


def _endpoint(connection: Connection, wrong: list[str]) -> str:
    """Return the address that host, port and schema spell, or nothing when there is no host."""
    host = (connection.host or "").strip().rstrip("/")
    if not host:
        return ""
    if "://" not in host:
        host = f"{(connection.schema or '').strip() or 'https'}://{host}"
    try:
        parts = urlsplit(host)
        port = parts.port or connection.port
    except ValueError:
        parts, port = urlsplit(""), None
    plain = parts.scheme in {"http", "https"} and parts.netloc and "@" not in parts.netloc
    if not plain or parts.path or parts.query or parts.fragment or any(c.isspace() for c in host):
        wrong.append("host must be a host name or an address such as https://modelarts.example.com:443")
        return ""
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{name}" + (f":{port}" if port and port != default else "")


def is_exposed(endpoint: str) -> bool:
    """Whether what is sent there can be read on the way: plain HTTP to another machine."""
    parts = urlsplit(endpoint)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return False
    try:
        return not ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return True
