"""
The ECS metadata service, which issues keys to a machine with an agency.

It has the same paths as on 169.254.169.254. Its error bodies are not documented. Huawei's SDK reads only the
status: 404 and 405 mean a service without tokens, 401 one that requires a token.
"""

from __future__ import annotations

from collections.abc import Mapping

from .choices import check_choice
from .exchange import HttpReply, HttpRequest, Outcome, json_reply, phrase, whole_number
from .keys import Keyring
from .routes import MatchedRoute, OperationHandler
from .tokens import Flaw, Tokens

MODES = ("plain", "token", "off")
"""No token needed, token required, or no agency."""

_MAX_LIFETIME = 21_600
"""Seconds: Huawei's page recommends a lifetime of six hours and documents no longer one."""


class Metadata:
    """Issues new temporary keys on each request, without authentication."""

    def __init__(self, mode: str, keyring: Keyring, tokens: Tokens, key_lifetime: float) -> None:
        """Serve a machine; ``mode`` is one of :data:`MODES`, ``key_lifetime`` is in seconds."""
        check_choice("mode of the metadata service", mode, MODES)
        self._mode = mode
        self._keyring = keyring
        self._tokens = tokens
        self._key_lifetime = key_lifetime
        self.by_name: Mapping[str, OperationHandler] = {
            "ShowSecurityKey": self._show_security_key,
            "CreateMetadataToken": self._create_metadata_token,
        }

    def reset(self) -> None:
        """Restore the initial state."""
        self._tokens.reset()

    def _show_security_key(self, request: HttpRequest, _: MatchedRoute) -> Outcome:
        if self._mode == "off":
            return _text(404)
        token = self._tokens.find(request.header("X-Metadata-Token"))
        if self._mode == "token" and isinstance(token, Flaw):
            return _text(401)
        return Outcome(json_reply(200, self._keyring.issue(self._key_lifetime).document()))

    def _create_metadata_token(self, request: HttpRequest, _: MatchedRoute) -> Outcome:
        if self._mode != "token":
            return _text(404)
        wanted = whole_number(request.header("X-Metadata-Token-Ttl-Seconds") or "")
        if wanted is None or not 1 <= wanted <= _MAX_LIFETIME:
            return _text(400)
        return _text(200, self._tokens.issue(wanted).value)


def _text(status: int, text: str = "") -> Outcome:
    return Outcome(HttpReply(status, (text or phrase(status)).encode(), content_type="text/plain"))
