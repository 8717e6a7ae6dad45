"""Issued tokens, and the reasons to refuse one."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto

from .issued_secrets import IssuedSecrets


class Flaw(Enum):
    """The reason why a token is refused."""

    MISSING = auto()
    UNKNOWN = auto()
    REVOKED = auto()
    EXPIRED = auto()


@dataclass(frozen=True)
class IssuedToken:
    """A token; ModelArts refuses one without a project."""

    value: str
    expires_at: float
    project_id: str | None = None
    revoked: bool = False


class Tokens:
    """The issued tokens of one service."""

    def __init__(self, now: Callable[[], float], issued_secrets: IssuedSecrets) -> None:
        """Start without tokens."""
        self._now = now
        self._issued_secrets = issued_secrets
        self.reset()

    def reset(self) -> None:
        """Remove all tokens."""
        self._tokens: dict[str, IssuedToken] = {}

    def revoke(self) -> None:
        """Revoke all tokens; they are refused as ``REVOKED``, not as ``UNKNOWN``."""
        self._tokens = {value: replace(token, revoked=True) for value, token in self._tokens.items()}

    def issue(self, lifetime: float, project_id: str | None = None) -> IssuedToken:
        """Issue a token for some seconds; it starts like a real one, a signed message in Base64."""
        token = IssuedToken("MII" + secrets.token_urlsafe(180), self._now() + lifetime, project_id)
        self._issued_secrets.add(token.value)
        self._tokens[token.value] = token
        return token

    def find(self, value: str | None) -> IssuedToken | Flaw:
        """Return a valid token, or the reason why it is refused."""
        if value is None:
            return Flaw.MISSING
        token = self._tokens.get(value)
        if token is None:
            return Flaw.UNKNOWN
        if token.revoked:
            return Flaw.REVOKED
        return Flaw.EXPIRED if token.expires_at <= self._now() else token
