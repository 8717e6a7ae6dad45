"""Access keys: the user's own pair, and issued temporary pairs."""

from __future__ import annotations

import math
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from .clock import iso
from .issued_secrets import IssuedSecrets

_ALPHABET = string.ascii_uppercase + string.digits


@dataclass(frozen=True)
class KeyPair:
    """An access key with its secret; a temporary one also has a security token."""

    access: str
    secret: str
    security_token: str | None = None
    expires_at: float = math.inf

    def document(self) -> dict[str, dict[str, str | None]]:
        """Return a temporary pair in the JSON form of IAM and the metadata service."""
        return {
            "credential": {
                "access": self.access,
                "secret": self.secret,
                "securitytoken": self.security_token,
                "expires_at": iso(self.expires_at),
            }
        }

    def connection(self, endpoint: str, region: str, cloud: str, project_id: str) -> dict[str, Any]:
        """Return an Airflow connection with this pair, in JSON form."""
        extra = {"region": region, "cloud": cloud, "project_id": project_id}
        extra |= {"iam_endpoint": endpoint, "swr_endpoint": endpoint}
        if self.security_token is not None:
            extra["security_token"] = self.security_token
        return {
            "conn_type": "modelarts",
            "host": endpoint,
            # The endpoint has it already, but the test button of Airflow 3.3 needs the field.
            "port": urlsplit(endpoint).port,
            "login": self.access,
            "password": self.secret,
            "extra": extra,
        }


class Keyring:
    """All valid key pairs."""

    def __init__(self, own: KeyPair, now: Callable[[], float], issued_secrets: IssuedSecrets) -> None:
        """Start with the user's own pair."""
        self._first = own
        self._now = now
        self._issued_secrets = issued_secrets
        issued_secrets.add(own.secret, own.security_token)
        self.reset()

    def reset(self) -> None:
        """Restore the initial pair and remove all others."""
        self.own = self._first
        self.revoke()

    def revoke(self) -> None:
        """Remove the temporary pairs."""
        self._temporary: dict[str, KeyPair] = {}

    def rotate(self, access: str, secret: str) -> None:
        """Replace the user's own pair."""
        self._issued_secrets.add(secret)
        self.own = replace(self.own, access=access, secret=secret)

    def issue(self, lifetime: float) -> KeyPair:
        """Create a temporary pair; ``lifetime`` in seconds."""
        pair = KeyPair(
            access="HST" + "".join(secrets.choice(_ALPHABET) for _ in range(17)),
            secret=secrets.token_urlsafe(30),
            security_token=secrets.token_urlsafe(120),
            expires_at=self._now() + lifetime,
        )
        self._issued_secrets.add(pair.secret, pair.security_token)
        self._temporary[pair.access] = pair
        return pair

    def find(self, access: str) -> KeyPair | None:
        """Return the pair with an access key, or None."""
        return self.own if access == self.own.access else self._temporary.get(access)
