"""Parses an Airflow connection into settings, or raises one error that names all wrong fields."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import get_args
from urllib.parse import quote, urlsplit

from airflow.providers.common.compat.sdk import Connection

from airflow_provider_modelarts.client.clouds import CLOUDS, Cloud, CloudName, Signature, cloud_for_region
from airflow_provider_modelarts.exceptions import InvalidConnectionError
from airflow_provider_modelarts.hooks.field_parser import Auth, FieldParser
from airflow_provider_modelarts.transport import TransportConfig

AUTHS: tuple[Auth, ...] = get_args(Auth)
SIGNATURES: tuple[Signature, ...] = get_args(Signature)
_CLOUD_NAMES: tuple[CloudName, ...] = get_args(CloudName)


@dataclass(frozen=True, slots=True)
class Identity:
    """
    The user or access key of a connection, and the project.

    Equal identities share one login and one lookup of the project, even if other fields differ.

    :param auth: the kind of login and secret.
    :param login: access key or user name.
    :param secret: secret key or password.
    :param signature: the wire form of signatures, ``access`` or ``credential``.
    :param iam_endpoint: scheme, host and port of IAM; empty if no request goes there.
    :param project_id: the project; if None, IAM returns the id of ``project_name``.
    """

    auth: Auth
    login: str = field(repr=False)
    secret: str = field(repr=False)
    security_token: str | None = field(repr=False)
    signature: Signature
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
    The checked fields of a connection.

    Equal settings share one client, so they hold everything that a client depends on.

    :param endpoint: scheme, host and port of ModelArts.
    :param swr_endpoint: scheme, host and port of SWR's API; empty if the connection must set it.
    :param workspace_id: the default workspace for images.
    :param notebooks_url: the console's page of notebooks; empty if the console's address is not known.
    :param images_url: the console's page of images.
    :param image_page: the console's page of one image, with ``{namespace}`` and ``{name}`` in their places;
        empty if its address is not known.
    :param plaintext_endpoints: on other machines and with plain HTTP, so that others can read the requests.
    """

    endpoint: str
    swr_endpoint: str
    cloud: Cloud = field(hash=False)
    identity: Identity
    workspace_id: str | None
    notebooks_url: str
    images_url: str
    image_page: str
    plaintext_endpoints: tuple[str, ...]
    transport_config: TransportConfig = field(repr=False)

    def require_swr_endpoint(self) -> str:
        """
        Return the address of SWR's API.

        :raises InvalidConnectionError: the connection must set it. Where it sets the host of ModelArts, the
            registry of the region may be another one, and must not get the connection's credentials.
        """
        if not self.swr_endpoint:
            raise InvalidConnectionError(
                "Nothing was sent to SWR: extra swr_endpoint of the connection is missing. It cannot be "
                "derived where the connection sets host, or has a custom cloud or no region"
            )
        return self.swr_endpoint

    def image_url(self, swr_path: str | None) -> str:
        """
        Return the console's page of an image's repository; empty if its address is not known.

        It contains the name of the account, which only some connections have.
        """
        # Of the shared registry: an Enterprise registry has other pages.
        found = re.fullmatch(r"swr\.[^/]+/([^/]+)/([^/:@]+)(?:[:@].*)?", swr_path or "")
        if not (found and self.image_page):
            return ""
        namespace, name = (quote(part, safe="") for part in found.groups())
        return self.image_page.replace("{namespace}", namespace).replace("{name}", name)


def parse_connection(connection: Connection) -> Settings:
    """
    Return the settings of a connection.

    Null and empty mean absent, because the connection form stores both for empty fields.

    :raises InvalidConnectionError: fields are missing, unknown, contradictory or malformed. The message names
        each field and the remedy, never a value, which may be a secret in the wrong field.
    """
    parser = FieldParser(connection)
    named = parser.choice("cloud", _CLOUD_NAMES)
    region = parser.region("region", is_custom=named == "custom") or ""
    cloud = CLOUDS[named or cloud_for_region(region).name]
    auth = parser.choice("auth", AUTHS) or "access_key"
    host = parser.host()
    endpoint = host or cloud.endpoint("modelarts", region)
    derived_swr = "" if host else cloud.endpoint("swr-api", region)
    swr_endpoint = parser.swr_endpoint("swr_endpoint") or derived_swr
    iam_endpoint = parser.iam_endpoint("iam_endpoint") or cloud.endpoint("iam", region)
    console_url = parser.console_url("console_url") or cloud.console
    domain_name, agency_domain_name = parser.text("domain_name"), parser.text("agency_domain_name")
    account = agency_domain_name or domain_name
    settings = Settings(
        endpoint=endpoint,
        swr_endpoint=swr_endpoint,
        cloud=cloud,
        identity=Identity(
            auth=auth,
            login=parser.login(auth),
            secret=parser.password(auth),
            security_token=parser.header("security_token"),
            signature=parser.choice("signature", SIGNATURES) or cloud.signature,
            region=region,
            iam_endpoint=iam_endpoint,
            project_id=parser.identifier("project_id"),
            project_name=parser.text("project_name") or region,
            domain_name=domain_name,
            agency_name=parser.text("agency_name"),
            agency_domain_name=agency_domain_name,
        ),
        workspace_id=parser.text("workspace_id"),
        notebooks_url=_page(console_url, cloud.notebooks, region),
        images_url=_page(console_url, cloud.images, region),
        image_page=_page(console_url, cloud.image, region, account) if account and cloud.image else "",
        plaintext_endpoints=tuple(filter(_is_plaintext, (endpoint, swr_endpoint, iam_endpoint))),
        transport_config=TransportConfig(
            connect_timeout=parser.seconds("connect_timeout", TransportConfig().connect_timeout),
            read_timeout=parser.seconds("read_timeout", TransportConfig().read_timeout),
            verify=parser.verify("verify"),
            proxy=parser.proxy("proxy"),
        ),
    )
    # Missing fields of an extra that was not read are not reported.
    problems = [*(_find_conflicts(settings) if parser.is_extra_read else ()), *parser.wrong]
    problems.sort(key=lambda problem: not problem.startswith("extra region "))  # most depends on it
    if problems:
        message = f"Connection {connection.conn_id!r} cannot be used: {'; '.join(problems)}"
        raise InvalidConnectionError(message, problems=problems)
    return settings


def _page(console_url: str, path: str, region: str, account: str = "") -> str:
    names = {"region": quote(region, safe=""), "account": quote(account, safe="")}
    return console_url and console_url + path.format(**names, namespace="{namespace}", name="{name}")


def _is_plaintext(endpoint: str) -> bool:
    """Whether an endpoint is on another machine and uses plain HTTP."""
    if not endpoint.startswith("http:"):
        return False
    host = urlsplit(endpoint).hostname or ""
    return host not in {"localhost", "::1"} and not host.startswith("127.")


def _find_conflicts(settings: Settings) -> list[str]:
    """Return a message for each missing field and for each conflict, in the order of the form."""
    who = settings.identity
    both = who.login and who.secret
    signs = who.auth != "password" or who.agency_name
    needs_iam = who.auth == "password" or who.agency_name or not who.project_id
    is_custom = settings.cloud.name == "custom"
    lacks_project = not (who.project_id or who.project_name)
    # IAM's address and the project's name follow from the region: without it, only the region is reported.
    lacks_region = not is_custom and (lacks_project or not settings.endpoint)
    rules = {
        "extra region is missing (such as eu-de or cn-north-4), or else host": (
            lacks_region and not settings.endpoint
        ),
        "extra region is missing: signatures of the form credential are made with it": (
            settings.endpoint and not who.region and signs and who.signature == "credential"
        ),
        "host is missing: a custom cloud's cannot be derived": (not settings.endpoint and is_custom),
        "extra region is missing (such as eu-de or cn-north-4), or else extra project_id": (
            lacks_region and settings.endpoint
        ),
        "extra project_id is missing: the console shows it under My Credentials": lacks_project and is_custom,
        "login (access key) and password (secret key) must both be filled in": (
            who.auth == "access_key" and not both
        ),
        "auth password needs login (IAM user), password and extra domain_name (the account)": (
            who.auth == "password" and not (both and who.domain_name)
        ),
        "auth host_agency takes its keys from the host: login and password must be empty": (
            who.auth == "host_agency" and (who.login or who.secret)
        ),
        "extra security_token belongs to temporary access keys, so auth must be access_key": (
            who.auth != "access_key" and who.security_token
        ),
        "extra agency_name and agency_domain_name must be filled in together": (
            bool(who.agency_name) != bool(who.agency_domain_name)
        ),
        "extra iam_endpoint is missing: this connection needs requests to IAM": (
            needs_iam and not who.iam_endpoint and not lacks_region
        ),
    }
    return [message for message, is_broken in rules.items() if is_broken]
