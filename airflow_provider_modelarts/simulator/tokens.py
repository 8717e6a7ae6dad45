"""Tokens that were handed out, and what can be wrong with one."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto

from .issued_secrets import IssuedSecrets


class Flaw(Enum):
    """Why a token is not accepted."""

    MISSING = auto()
    UNKNOWN = auto()
    REVOKED = auto()
    EXPIRED = auto()


@dataclass(frozen=True)
class IssuedToken:
    """A token; one without a project is of no use to ModelArts."""

    value: str
    expires_at: float
    project_id: str | None = None
    revoked: bool = False


class Tokens:
    """The tokens of one service."""

    def __init__(self, now: Callable[[], float], issued_secrets: IssuedSecrets) -> None:
        """Begin with none."""
        self._now = now
        self._issued_secrets = issued_secrets
        self.reset()

    def reset(self) -> None:
        """Forget all of them."""
        self._tokens: dict[str, IssuedToken] = {}

    def revoke(self) -> None:
        """Take back all of them; they are still known, as those that were taken back."""
        self._tokens = {value: replace(token, revoked=True) for value, token in self._tokens.items()}

    def issue(self, lifetime: float, project_id: str | None = None) -> IssuedToken:
        """Make a token. It begins as the real ones do, which are signed messages in Base64."""
        token = IssuedToken("MII" + secrets.token_urlsafe(180), self._now() + lifetime, project_id)
        self._issued_secrets.add(token.value)
        self._tokens[token.value] = token
        return token

    def find(self, value: str | None) -> IssuedToken | Flaw:
        """Give a token that is accepted, or say why it is not."""
        if value is None:
            return Flaw.MISSING
        token = self._tokens.get(value)
        if token is None:
            return Flaw.UNKNOWN
        if token.revoked:
            return Flaw.REVOKED
        return Flaw.EXPIRED if token.expires_at <= self._now() else token
