"""Parses the fields of an Airflow connection one by one, and collects what is wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from airflow.providers.common.compat.sdk import Connection

from airflow_provider_modelarts.exceptions import sanitize
from airflow_provider_modelarts.hooks.addresses import (
    PROXY_SCHEMES,
    read_address,
    read_console_address,
    read_iam_address,
    read_port,
    read_proxy,
)
from airflow_provider_modelarts.hooks.connection_form import STORED_SECRET
from airflow_provider_modelarts.provider_info import connection_fields

_FIELD_NAMES = sorted(connection_fields())

Auth = Literal["access_key", "password", "host_agency"]
"""The kinds of login and secret."""
Choice = TypeVar("Choice", bound=str)

_FORM_PREFIX = "extra__modelarts__"

_MASKS = (STORED_SECRET, "***")
"""What the forms and the API of Airflow 2 and 3 show in place of a stored secret."""
_MASKED = "must be typed again to be tested: it is the mask of a stored secret"

_REFUSED = "\0"
"""In place of a refused value, so that it is not reported as missing too; no valid text equals it."""


class FieldParser:
    """Parses a connection's fields and collects messages about wrong ones, with names and without values."""

    def __init__(self, connection: Connection) -> None:
        self.wrong: list[str] = []
        self.is_extra_read = True
        self._connection = connection
        self._extra = self._given(connection.extra)

    def _given(self, text: str | None) -> dict[str, Any]:
        # Not Connection.extra_dejson: before Airflow 3.3.2 its masking calls the supervisor, which can
        # deadlock a triggerer's event loop, and it hides broken JSON.
        try:
            extra = json.loads(text or "{}")
        except (TypeError, ValueError, RecursionError):
            extra = None
        if not isinstance(extra, dict):
            self.wrong.append("extra is not a JSON object")
            self.is_extra_read = False
            return {}
        # The test button of Airflow 2 sends each field of the form under two names, with equal values. Where
        # they differ, as in Airflow's own providers, the name without the prefix takes precedence.
        filled = {key: value for key, value in extra.items() if not _is_absent(value)}
        prefixed = {k.removeprefix(_FORM_PREFIX): v for k, v in filled.items() if k.startswith(_FORM_PREFIX)}
        given = prefixed | {k: v for k, v in filled.items() if not k.startswith(_FORM_PREFIX)}
        masked = [key for key in _FIELD_NAMES if given.get(key) in _MASKS]
        self.wrong += [f"extra {key} {_MASKED}" for key in masked]
        given = {key: value for key, value in given.items() if key not in masked}
        unknown = sorted(given.keys() - set(_FIELD_NAMES))
        self.wrong += [
            f"extra {sanitize(ascii(key), 80)} is unknown: it may be one of {', '.join(_FIELD_NAMES)}"
            for key in unknown
        ]
        return given

    def _refuse(self, name: str, rule: str) -> str:
        self.wrong.append(f"{name} {rule}")
        return _REFUSED

    def _text(self, name: str, value: Any) -> str | None:
        """Return a text without surrounding white space."""
        # In a URI Airflow stores digits as a number.
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if text is None:
            return None
        if not isinstance(text, str):
            return self._refuse(name, f"must be a string in quotes, not {type(text).__name__}")
        text = text.strip()
        if text.isprintable():
            return text or None
        return self._refuse(name, "must not have a line break or another invisible character in it")

    def _read(self, name: str, value: Any, parse: Callable[[str], str], rule: str) -> str | None:
        """Return a parsed text; if the parser raises ValueError, report the rule without the error's text."""
        text = self._text(name, value)
        if text is None or text == _REFUSED:
            return text
        try:
            return parse(text)
        except ValueError:
            return self._refuse(name, rule)

    def _choice(self, name: str, value: Any, choices: tuple[Choice, ...]) -> Choice | None:
        parse, rule = _matching("|".join(choices), re.IGNORECASE), f"must be one of {', '.join(choices)}"
        text = (self._read(name, value, parse, rule) or "").lower()
        return next((choice for choice in choices if choice == text), None)

    def _header(self, name: str, value: Any) -> str | None:
        """Return a part of a header or a key that signs one: neither ever contains white space."""
        rule = "must be ASCII characters without white space between them"
        return self._read(name, value, _matching(r"[!-~]+"), rule)

    def login(self, auth: Auth) -> str:
        """Return the access key or the user name."""
        read = self._text if auth == "password" else self._header
        return read("login", self._connection.login) or ""

    def password(self, auth: Auth) -> str:
        """Return the secret key, or a user's password, which may begin and end with white space."""
        value = self._connection.password
        if value in _MASKS:
            return self._refuse("password", _MASKED)
        if auth != "password":
            return self._header("password", value) or ""
        if not isinstance(value, str):
            return self._text("password", value) or ""
        try:
            value.encode()
        except UnicodeEncodeError:
            return self._refuse("password", "must not contain an incomplete character")
        return value

    def host(self) -> str | None:
        """Return scheme, host and port of ModelArts' address."""
        given = self._connection
        if _is_absent(given.host):
            return None
        scheme = self._choice("schema", given.schema, ("http", "https")) or "https"
        port = self._read("port", given.port or None, read_port, "must be a whole number from 1 to 65535")
        return self._read(
            "host",
            given.host,
            lambda text: read_address(text, scheme=scheme, port=port),
            "must be a host name or an address such as https://modelarts.eu-de.otc.t-systems.com, "
            "without user, path and query",
        )

    def iam_endpoint(self, key: str) -> str | None:
        """Return scheme, host and port of IAM's address."""
        rule = (
            "must be a host name or an address such as https://iam.eu-de.otc.t-systems.com, "
            "with no other path than /v3"
        )
        return self._read(f"extra {key}", self._extra.get(key), read_iam_address, rule)

    def swr_endpoint(self, key: str) -> str | None:
        """Return scheme, host and port of the address of SWR's API."""
        rule = (
            "must be a host name or an address such as https://swr-api.eu-de.otc.t-systems.com, "
            "without user, path and query"
        )
        return self._read(f"extra {key}", self._extra.get(key), read_address, rule)

    def console_url(self, key: str) -> str | None:
        """Return the console's address."""
        rule = "must be an address such as https://console.otc.t-systems.com, without user and query"
        return self._read(f"extra {key}", self._extra.get(key), read_console_address, rule)

    def proxy(self, key: str) -> str | None:
        """Return a proxy's address."""
        rule = (
            f"must be an address such as http://user:password@proxy.example.com:3128, of scheme "
            f"{' or '.join(PROXY_SCHEMES)} and with user and password percent-encoded "
            "(%2F for /, %23 for #, %3F for ?, %40 for @, %5C for \\)"
        )
        return self._read(f"extra {key}", self._extra.get(key), read_proxy, rule)

    def region(self, key: str, *, is_custom: bool) -> str | None:
        """Return a region, which is part of host names and of signatures."""
        if is_custom:
            # A comma or a slash would end the region inside a signature.
            parse = _matching(r"[!-+\-.0-~]+")
            rule = "must be ASCII characters without white space, comma and slash"
            return self._read(f"extra {key}", self._extra.get(key), parse, rule)
        parse = _matching(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
        rule = (
            "must be letters, digits and hyphens, such as eu-de or cn-north-4, unless extra cloud is custom"
        )
        if "_" in str(self._extra.get(key)):
            rule += "; a value with an underscore is a project name: set extra project_name instead"
        region = self._read(f"extra {key}", self._extra.get(key), parse, rule)
        return region and region.lower()

    def header(self, key: str) -> str | None:
        """Return a value that is sent in a header unchanged."""
        return self._header(f"extra {key}", self._extra.get(key))

    def identifier(self, key: str) -> str | None:
        """Return a value that is sent in a header and in the path of an address."""
        rule = "must be letters, digits, hyphens and underscores"
        return self._read(f"extra {key}", self._extra.get(key), _matching(r"[A-Za-z0-9_-]+"), rule)

    def text(self, key: str) -> str | None:
        """Return a text in any language."""
        return self._text(f"extra {key}", self._extra.get(key))

    def choice(self, key: str, choices: tuple[Choice, ...]) -> Choice | None:
        """Return one of the choices; upper and lower case do not matter."""
        return self._choice(f"extra {key}", self._extra.get(key), choices)

    def seconds(self, key: str, default: float) -> float:
        """Return a duration in seconds, within what a socket accepts; ``default`` if none is given."""
        value = self._extra.get(key, default)
        try:
            seconds = 0.0 if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            seconds = 0.0
        if 0 < seconds < 86_400:
            return seconds
        self._refuse(f"extra {key}", "must be a number of seconds above 0 and below 86400, a day")
        return default

    def verify(self, key: str) -> bool | str:
        """Return true, false or a file name, as a form, a URI or JSON stores them."""
        value = self._extra.get(key)
        text = str(value) if isinstance(value, bool) else self.text(key)
        known = {"true": True, "1": True, "false": False, "0": False}
        return known.get((text or "true").lower(), text or True)


def _matching(pattern: str, flags: int = 0) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if re.fullmatch(pattern, text, flags | re.ASCII) is None:
            raise ValueError("another pattern")
        return text

    return parse


def _is_absent(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
