"""
The metadata service of the machine the client runs on, for machines that have an agency.

It is served under the paths it has on 169.254.169.254. What it says when it refuses is on no
page; Huawei's SDK, which takes 404 and 405 for a service without tokens and 401 for one that
wants one, looks at the status.
"""

from __future__ import annotations

from collections.abc import Mapping

from .choices import check_choice
from .exchange import HttpReply, HttpRequest, Outcome, json_reply, phrase, whole_number
from .keys import Keyring
from .routes import MatchedRoute, OperationHandler
from .tokens import Flaw, Tokens

MODES = ("plain", "token", "off")
"""Without tokens, with them only, or no agency at all."""

_LONGEST = 21_600
"""Huawei's page advises a lifetime of six hours, and nothing suggests that more is taken."""


class Metadata:
    """Hands out temporary keys, new ones each time, to whoever can reach it."""

    def __init__(self, mode: str, keyring: Keyring, tokens: Tokens, key_lifetime: float) -> None:
        """Play a machine."""
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
        """Go back to the start."""
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
        if wanted is None or not 1 <= wanted <= _LONGEST:
            return _text(400)
        return _text(200, self._tokens.issue(wanted).value)


def _text(status: int, text: str = "") -> Outcome:
    return Outcome(HttpReply(status, (text or phrase(status)).encode(), content_type="text/plain"))
