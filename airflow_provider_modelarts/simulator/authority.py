"""
Decides whether a request comes from the holder of the keys.

What is said about signatures follows Huawei's API signing guide and the sub-messages of the OTC
API gateway's error page.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

from . import signatures
from .messages import Refusal, Request
from .signatures import Signature

_CLOCK_SKEW = 15 * 60
_FAILURES_ALLOWED = 5
_LOCKED_FOR = 5 * 60


class Authority:
    """Knows one key pair, and locks it after five wrong signatures in a row, for five minutes."""

    def __init__(
        self,
        access_key: str,
        secret_key: str,
        now: Callable[[], float],
        security_token: str | None = None,
        form: str = "either",
    ) -> None:
        """
        Keep the keys; a security token makes them temporary ones, which are nothing without it.

        Signatures may have one form or either.
        """
        self._access_key = access_key
        self._secret_key = secret_key
        self._now = now
        self._security_token = security_token
        self._form = form
        self.reset()

    def reset(self) -> None:
        """Forget earlier failures."""
        self._failures = 0
        self._locked_until = 0.0

    def verify(self, request: Request) -> None:
        """Refuse a request that is not properly signed."""
        authorization = request.header("Authorization")
        if authorization is None:
            raise _unauthorized("x-auth-token not found")
        signature = signatures.read(authorization)
        if signature is None or self._form not in ("either", signature.form):
            raise _unauthorized("the Authorization header is not of the form this gateway reads")
        self._check_key(signature.access_key)
        self._check_date(request, signature)
        self._check_token(request)
        self._check_signature(request, signature)

    def _check_key(self, access_key: str) -> None:
        if access_key != self._access_key:
            raise _unauthorized(f"Get secretKey failed,ak:{access_key},err:ak not exist")
        if self._now() < self._locked_until:
            raise _unauthorized("AK access failed to reach the limit, forbidden")

    def _check_date(self, request: Request, signature: Signature) -> None:
        date = request.header("X-Sdk-Date") or ""
        try:
            signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        except ValueError:
            raise _unauthorized("X-Sdk-Date is not of the form YYYYMMDDTHHMMSSZ") from None
        if abs(signed_at.timestamp() - self._now()) > _CLOCK_SKEW:
            raise Refusal(
                401,
                "APIGW.0303",
                "Incorrect app authentication information: X-Sdk-Date is more than 15 minutes off",
            )
        if signature.day not in (None, signed_at.strftime("%Y%m%d")):
            raise _unauthorized("the day of the credential is not that of X-Sdk-Date")

    def _check_token(self, request: Request) -> None:
        if request.header("X-Security-Token") != self._security_token:
            raise _unauthorized("the security token does not belong to the access key")

    def _check_signature(self, request: Request, signature: Signature) -> None:
        needed = {"host", "x-sdk-date"}
        if needed <= set(signature.headers) and signature.fits(request, self._secret_key):
            self._failures = 0
            return
        self._failures += 1
        if self._failures >= _FAILURES_ALLOWED:
            self._failures = 0
            self._locked_until = self._now() + _LOCKED_FOR
        raise _unauthorized("verify aksk signature fail")


def _unauthorized(reason: str) -> Refusal:
    return Refusal(401, "APIGW.0301", f"Incorrect IAM authentication information: {reason}")
