"""
Authentication of requests, by signature or token.

Checks and messages follow Huawei's API signing guide, the sub-messages on the OTC API gateway's page of
errors, and ModelArts' table of error codes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timezone

from . import signatures
from .account import Account
from .choices import check_choice
from .exchange import HttpRequest, Refusal
from .keys import KeyPair, Keyring
from .routes import Gate, MatchedRoute
from .signatures import ParsedSignature
from .tokens import Flaw, Tokens

_MAX_CLOCK_SKEW = 15 * 60
"""Seconds."""
_MAX_FAILURES = 5
"""Wrong signatures after which a key is locked."""
_LOCK_DURATION = 5 * 60
"""Seconds."""

_WRONG = "Incorrect IAM authentication information"
_UNPROVEN = "The request you have made requires authentication."
_INVALID = "The X-Auth-Token is invalid!"
_TOKEN_REFUSALS: Mapping[Gate, Mapping[Flaw, tuple[str, str]]] = {
    Gate.PROJECT: {
        Flaw.MISSING: ("APIGW.0301", f"{_WRONG}: x-auth-token not found"),
        Flaw.UNKNOWN: ("APIGW.0301", f"{_WRONG}: decrypt token fail"),
        # A token that is revoked before it expires, as after a change of password.
        Flaw.REVOKED: ("APIGW.0307", "The token must be updated."),
        Flaw.EXPIRED: ("ModelArts.0202", "The token has expired."),
    },
    Gate.KEYSTONE: dict.fromkeys(Flaw, ("", _INVALID)) | {Flaw.MISSING: ("", _UNPROVEN)},
    Gate.IAM: dict.fromkeys(Flaw, ("IAM.0001", _UNPROVEN)),
    Gate.SWR: dict.fromkeys(Flaw, ("SVCSTG.SWR.4010000", "Authenticate Error")),
}


class Authentication:
    """
    Checks signatures and tokens of requests.

    A key is locked for five minutes after five wrong signatures in a row. The API gateway, which is also in
    front of IAM, checks signatures; the service that receives the request checks tokens.
    """

    def __init__(
        self, account: Account, keyring: Keyring, tokens: Tokens, now: Callable[[], float], form: str
    ) -> None:
        """Start without failures; ``form`` is a form of signatures, or ``either``."""
        check_choice("form of signatures", form, signatures.FORMS)
        self._account = account
        self._keyring = keyring
        self._tokens = tokens
        self._now = now
        self._form = form
        self.reset()

    def reset(self) -> None:
        """Clear the failures and all issued keys and tokens."""
        self._failures: Counter[str] = Counter()
        self._locked_until: dict[str, float] = {}
        self._keyring.reset()
        self._tokens.reset()

    def revoke_tokens(self) -> None:
        """Revoke all IAM tokens."""
        self._tokens.revoke()

    def admit(self, request: HttpRequest, route: MatchedRoute) -> None:
        """Refuse a request without what its gate requires; a signature takes precedence over a token."""
        if route.gate is Gate.OPEN:
            return
        authorization = request.header("Authorization")
        if authorization is None:
            allowed = self._project_of_token(request, route.gate)
        else:
            self._check_signature(request, authorization)
            allowed = route.project_id
        if route.gate is Gate.PROJECT:
            self._check_project(route.project_id, allowed)

    def _project_of_token(self, request: HttpRequest, gate: Gate) -> str | None:
        token = self._tokens.find(request.header("X-Auth-Token"))
        if isinstance(token, Flaw):
            raise Refusal(401, *_TOKEN_REFUSALS[gate][token])
        return token.project_id

    def _check_project(self, requested: str, allowed: str | None) -> None:
        """Refuse another project: keys are valid in all projects of the account, a token in its own."""
        if allowed is None:
            raise Refusal(401, "ModelArts.0212", "The token is not one of a project.")
        if requested != allowed or self._account.find_project(project_id=requested) is None:
            raise Refusal(403, "ModelArts.0210", "The project in the URL does not match the credentials.")

    def _check_signature(self, request: HttpRequest, authorization: str) -> None:
        signature = signatures.read(authorization)
        if signature is None or self._form not in ("either", signature.form):
            raise _unauthorized("the Authorization header is not of the form this gateway reads")
        pair = self._find_pair(signature.access_key)
        self._check_date(request, signature)
        if request.header("X-Security-Token") != pair.security_token:
            raise _unauthorized("the security token does not belong to the access key")
        self._compare(request, signature, pair)

    def _find_pair(self, access_key: str) -> KeyPair:
        pair = self._keyring.find(access_key)
        if pair is None:
            raise _unauthorized(f"Get secretKey failed,ak:{access_key},err:ak not exist")
        if self._now() < self._locked_until.get(access_key, 0):
            raise _unauthorized("AK access failed to reach the limit, forbidden")
        if pair.expires_at <= self._now():
            raise _unauthorized("token expires")
        return pair

    def _check_date(self, request: HttpRequest, signature: ParsedSignature) -> None:
        date = request.header("X-Sdk-Date") or ""
        try:
            signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        except ValueError:
            raise _unauthorized("X-Sdk-Date is not of the form YYYYMMDDTHHMMSSZ") from None
        if abs(signed_at.timestamp() - self._now()) > _MAX_CLOCK_SKEW:
            raise Refusal(
                401,
                "APIGW.0303",
                "Incorrect app authentication information: X-Sdk-Date is more than 15 minutes off",
            )
        if signature.day not in (None, signed_at.strftime("%Y%m%d")):
            raise _unauthorized("the day of the credential is not that of X-Sdk-Date")

    def _compare(self, request: HttpRequest, signature: ParsedSignature, pair: KeyPair) -> None:
        needed = {"host", "x-sdk-date"} | ({"x-security-token"} if pair.security_token else set())
        if needed <= set(signature.headers) and signature.fits(request, pair.secret):
            del self._failures[pair.access]
            return
        self._failures[pair.access] += 1
        if self._failures[pair.access] >= _MAX_FAILURES:
            del self._failures[pair.access]
            self._locked_until[pair.access] = self._now() + _LOCK_DURATION
        raise _unauthorized("verify aksk signature fail")


def _unauthorized(reason: str) -> Refusal:
    return Refusal(401, "APIGW.0301", f"{_WRONG}: {reason}")
