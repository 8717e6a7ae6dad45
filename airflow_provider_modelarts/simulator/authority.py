"""
Decides whether a request comes from the holder of the keys.

The check of AK/SK signatures follows Huawei's API signing guide and the sub-messages of the OTC
API gateway's error page. It reads the request as received, so that what a client signs and what
it sends must be the same thing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import datetime, timezone
from urllib.parse import quote, unquote

from .messages import Refusal, Request

_AUTHORIZATION = re.compile(
    r"SDK-HMAC-SHA256 Access=(?P<access>[^,\s]+), ?"
    r"SignedHeaders=(?P<headers>[^,\s]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
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
    ) -> None:
        """Keep the keys; a security token makes them temporary ones, which are nothing without it."""
        self._access_key = access_key
        self._secret_key = secret_key
        self._now = now
        self._security_token = security_token
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
        match = _AUTHORIZATION.fullmatch(authorization.strip())
        if match is None:
            raise _unauthorized("the Authorization header is not of the form this gateway reads")
        self._check_key(match["access"])
        self._check_date(request)
        self._check_token(request)
        self._check_signature(request, match["headers"].split(";"), match["signature"])

    def _check_key(self, access_key: str) -> None:
        if access_key != self._access_key:
            raise _unauthorized(f"Get secretKey failed,ak:{access_key},err:ak not exist")
        if self._now() < self._locked_until:
            raise _unauthorized("AK access failed to reach the limit, forbidden")

    def _check_date(self, request: Request) -> None:
        try:
            date = request.header("X-Sdk-Date") or ""
            signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        except ValueError:
            raise _unauthorized("X-Sdk-Date is not of the form YYYYMMDDTHHMMSSZ") from None
        if abs(signed_at.timestamp() - self._now()) > _CLOCK_SKEW:
            raise Refusal(
                401,
                "APIGW.0303",
                "Incorrect app authentication information: X-Sdk-Date is more than 15 minutes off",
            )

    def _check_token(self, request: Request) -> None:
        if request.header("X-Security-Token") != self._security_token:
            raise _unauthorized("the security token does not belong to the access key")

    def _check_signature(self, request: Request, signed: list[str], signature: str) -> None:
        expected = sign(request, signed, self._secret_key)
        if {"host", "x-sdk-date"} <= set(signed) and hmac.compare_digest(expected, signature):
            self._failures = 0
            return
        self._failures += 1
        if self._failures >= _FAILURES_ALLOWED:
            self._failures = 0
            self._locked_until = self._now() + _LOCKED_FOR
        raise _unauthorized("verify aksk signature fail")


def sign(request: Request, signed: list[str], secret_key: str) -> str:
    """Compute the signature a request should carry when the named headers are signed."""
    canonical = "\n".join(
        [
            request.method,
            _canonical_path(request.path),
            _canonical_query(request),
            *(f"{name}:{(request.header(name) or '').strip()}" for name in sorted(signed)),
            "",
            ";".join(sorted(signed)),
            _payload_hash(request),
        ]
    )
    # Header bytes were read as Latin-1, so writing them the same way gives what was on the wire.
    digest = hashlib.sha256(canonical.encode("latin-1", "replace")).hexdigest()
    to_sign = f"SDK-HMAC-SHA256\n{request.header('X-Sdk-Date')}\n{digest}"
    return hmac.new(secret_key.encode(), to_sign.encode("latin-1", "replace"), hashlib.sha256).hexdigest()


def _canonical_path(path: str) -> str:
    """Decode and encode anew, with a slash at the end that the wire does not have."""
    encoded = "/".join(quote(part, safe="~") for part in unquote(path).split("/"))
    return encoded if encoded.endswith("/") else f"{encoded}/"


def _canonical_query(request: Request) -> str:
    return "&".join(
        f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(request.query_pairs)
    )


def _payload_hash(request: Request) -> str:
    """Hash the body, unless the client says what to take instead, such as UNSIGNED-PAYLOAD."""
    declared = request.header("X-Sdk-Content-Sha256") if request.body else None
    return declared or hashlib.sha256(request.body).hexdigest()


def _unauthorized(reason: str) -> Refusal:
    return Refusal(401, "APIGW.0301", f"Incorrect IAM authentication information: {reason}")
