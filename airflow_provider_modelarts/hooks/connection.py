"""From an Airflow connection to settings, as a pure function with one clear error for all that is wrong."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import Connection

from airflow_provider_modelarts.client.clouds import CLOUDS, Cloud, cloud_of
from airflow_provider_modelarts.client.errors import InvalidConnection, one_line
from airflow_provider_modelarts.provider_info import connection_fields
from airflow_provider_modelarts.transport import Route

AUTHS = ("access_key", "password", "host_agency")
SIGNATURES = ("access", "credential")


@dataclass(frozen=True, slots=True)
class Identity:
    """
    Who we are, and in which project.

    Equal identities share one log-in and one look-up of the project, whatever else differs.

    :param auth: ``access_key``, ``password`` or ``host_agency``.
    :param login: access key or user name.
    :param secret: secret key or password.
    :param signature: the wire form of signatures, ``access`` or ``credential``.
    :param iam_endpoint: scheme, host and port of IAM; empty where nothing is asked of it.
    :param project_id: the project; without it ``project_name`` is looked up at IAM.
    """

    auth: str
    login: str = field(repr=False)
    secret: str = field(repr=False)
    security_token: str | None = field(repr=False)
    signature: str
    region: str
    iam_endpoint: str
    project_id: str | None
    project_name: str
    domain_name: str | None
    agency_name: str | None
    agency_domain_name: str | None


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
    identity: Identity
    workspace_id: str | None
    console_url: str
    route: Route = field(repr=False)

    @property
    def notebooks_url(self) -> str:
        """Where the console lists notebooks."""
        return self.console_url and self.console_url + self.cloud.notebooks.format(
            region=self.identity.region
        )

    @property
    def images_url(self) -> str:
        """Where the console lists images."""
        return self.console_url and self.console_url + self.cloud.images.format(region=self.identity.region)

    @property
    def exposed_endpoints(self) -> list[str]:
        """Where what is sent can be read on the way: plain HTTP to another machine."""
        endpoints = (self.endpoint, self.identity.iam_endpoint)
        return [e for e in endpoints if e.startswith("http:") and not _is_loopback(e)]


def settings_of(connection: Connection) -> Settings:
    """
    Return what a connection says.

    Null and empty mean absent: the connection form stores both for fields that nobody filled in.

    :raises InvalidConnection: everything that is missing, unknown or contradictory, with the remedy.
    """
    reader = _Reader(connection)
    region = reader.identifier("region") or ""
    cloud = CLOUDS[reader.choice("cloud", tuple(CLOUDS)) or cloud_of(region).name]
    host = reader.address("host", connection.host, connection.schema, connection.port)
    iam = reader.address("extra iam_endpoint", reader.text("iam_endpoint"))
    settings = Settings(
        endpoint=host or cloud.endpoint("modelarts", region),
        cloud=cloud,
        identity=Identity(
            auth=reader.choice("auth", AUTHS) or "access_key",
            login=connection.login or "",
            secret=connection.password or "",
            security_token=reader.text("security_token"),
            signature=reader.choice("signature", SIGNATURES) or cloud.signature,
            region=region,
            iam_endpoint=iam or cloud.endpoint("iam", region),
            project_id=reader.identifier("project_id"),
            project_name=reader.text("project_name") or region,
            domain_name=reader.text("domain_name"),
            agency_name=reader.text("agency_name"),
            agency_domain_name=reader.text("agency_domain_name"),
        ),
        workspace_id=reader.text("workspace_id"),
        console_url=(reader.text("console_url") or cloud.console).rstrip("/"),
        route=Route(
            connect_timeout=reader.seconds("connect_timeout", Route().connect_timeout),
            read_timeout=reader.seconds("read_timeout", Route().read_timeout),
            verify=reader.verify(),
            proxy=reader.text("proxy"),
        ),
    )
    reader.wrong += _contradictions(settings)
    if reader.wrong:
        raise InvalidConnection(
            f"Connection {connection.conn_id!r} cannot be used: {'; '.join(reader.wrong)}"
        )
    return settings


def _contradictions(settings: Settings) -> list[str]:
    """Return what is missing or does not go together."""
    who = settings.identity
    both = who.login and who.secret
    wrong = []
    if who.auth == "access_key" and not both:
        wrong.append("login (access key) and password (secret key) must both be filled in")
    if who.auth == "password" and not (both and who.domain_name):
        wrong.append("auth password needs login (IAM user), password and extra domain_name (the account)")
    if who.auth == "host_agency" and (who.login or who.secret):
        wrong.append("auth host_agency takes its keys from the host: login and password must be empty")
    if who.auth != "access_key" and who.security_token:
        wrong.append("extra security_token belongs to temporary access keys, so auth must be access_key")
    if bool(who.agency_name) != bool(who.agency_domain_name):
        wrong.append("extra agency_name and agency_domain_name must be filled in together")
    if not settings.endpoint and settings.cloud.name == "custom":
        wrong.append("host is missing: a custom cloud's cannot be derived")
    elif not settings.endpoint:
        wrong.append("extra region is missing (such as eu-de or cn-north-4), or else host")
    if not (who.project_id or who.project_name):
        wrong.append("extra project_id is missing: the console shows it under My Credentials")
    if not who.iam_endpoint and (who.auth == "password" or who.agency_name or not who.project_id):
        wrong.append("extra iam_endpoint is missing: with this connection IAM must be asked")
    return wrong


class _Reader:
    """Reads a connection's fields and keeps what is wrong with them."""

    def __init__(self, connection: Connection) -> None:
        self.wrong: list[str] = []
        self._extra = self._given(connection.extra)

    def _given(self, text: str | None) -> dict[str, Any]:
        # Not Connection.extra_dejson: before Airflow 3.3.2 it masks by a call to the supervisor that
        # can deadlock a triggerer's event loop, and it would hide broken JSON.
        try:
            extra = json.loads(text or "{}")
        except (ValueError, RecursionError):
            extra = None
        if not isinstance(extra, dict):
            self.wrong.append("extra is not a JSON object")
            return {}
        given = {key: value for key, value in extra.items() if value not in (None, "")}
        known = sorted(connection_fields())
        unknown = sorted(given.keys() - set(known))
        self.wrong += [
            f"extra {one_line(key, 80)} is unknown: it may be one of {', '.join(known)}" for key in unknown
        ]
        return given

    def text(self, key: str) -> str | None:
        value = self._extra.get(key)
        if value is None or isinstance(value, str):
            return (value or "").strip() or None
        self.wrong.append(f"extra {key} must be a string, not {type(value).__name__}")
        return None

    def identifier(self, key: str) -> str | None:
        value = self.text(key)
        if value is None or re.fullmatch(r"[A-Za-z0-9_-]+", value):
            return value
        self.wrong.append(f"extra {key} must be letters and digits, not {value!r}")
        return None

    def choice(self, key: str, choices: tuple[str, ...]) -> str | None:
        value = self.text(key)
        if value is None or value in choices:
            return value
        self.wrong.append(f"extra {key} must be one of {', '.join(choices)}, not {value!r}")
        return None

    def seconds(self, key: str, default: float) -> float:
        try:
            seconds = float(self._extra.get(key, default))
        except (TypeError, ValueError, OverflowError):
            seconds = 0.0
        if 0 < seconds < 86_400:
            return seconds
        self.wrong.append(f"extra {key} must be a number of seconds above 0, not {self._extra.get(key)!r}")
        return default

    def verify(self) -> bool | str:
        """Return what a form, a URI or JSON made of true, false or a file's name."""
        value = self._extra.get("verify", True)
        if isinstance(value, bool):
            return value
        text = self.text("verify")
        return {"true": True, "false": False}.get((text or "true").lower(), text or True)

    def address(
        self, name: str, value: str | None, schema: str | None = None, port: int | None = None
    ) -> str | None:
        """Return scheme, host and port of an address, which may be as short as a host's name."""
        host = (value or "").strip().rstrip("/")
        if not host:
            return None
        if "://" not in host:
            host = f"{(schema or '').strip() or 'https'}://{host}"
        try:
            parts = urlsplit(host)
            port = parts.port or port
        except ValueError:
            parts = urlsplit("")
        is_plain = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
        if not is_plain or parts.path or parts.query or parts.fragment or any(c.isspace() for c in host):
            self.wrong.append(
                f"{name} must be a host name or an address such as https://modelarts.example.com:443"
            )
            return None
        hostname = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
        default = {"http": 80, "https": 443}[parts.scheme]
        return f"{parts.scheme}://{hostname}" + (f":{port}" if port and port != default else "")


def _is_loopback(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")
