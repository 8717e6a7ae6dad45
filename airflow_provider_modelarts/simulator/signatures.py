"""
AK/SK signatures: how a header states one, and what it should be.

Two forms go by the name of SDK-HMAC-SHA256. The one of Huawei's API signing guide names the key
with ``Access=`` and signs with the secret itself. The one of OTC's SDKs names it with
``Credential=``, together with a day, a region and a service from which the signing key is
derived. Both sign the same canonical request, which is read from the request as received, so
that what a client signs and what it sends must be the same thing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from .exchange import HttpRequest

FORMS = ("either", "access", "credential")
"""Which form a gateway reads."""

_ALGORITHM = "SDK-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{_ALGORITHM} "
    r"(?:Access=(?P<access>[^,\s]+)"
    r"|Credential=(?P<holder>[^,/\s]+)/(?P<scope>\d{8}/[^,/\s]*/[^,/\s]*/sdk_request)), ?"
    r"SignedHeaders=(?P<headers>[^,\s]+), ?Signature=(?P<value>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class ParsedSignature:
    """What an Authorization header says; only the form with a credential has a scope."""

    access_key: str
    headers: tuple[str, ...]
    value: str
    scope: str | None

    @property
    def form(self) -> str:
        """The name of its form, as in :data:`FORMS`."""
        return "access" if self.scope is None else "credential"

    @property
    def day(self) -> str | None:
        """The day of the scope, which must be that of X-Sdk-Date. Region and service may be anything."""
        return None if self.scope is None else self.scope.partition("/")[0]

    def fits(self, request: HttpRequest, secret_key: str) -> bool:
        """Tell whether the holder of the secret made it for this request."""
        return hmac.compare_digest(sign(request, self.headers, secret_key, self.scope), self.value)


def read(authorization: str) -> ParsedSignature | None:
    """Read an Authorization header; None when it is of neither form."""
    match = _AUTHORIZATION.fullmatch(authorization.strip())
    if match is None:
        return None
    headers = tuple(match["headers"].split(";"))
    return ParsedSignature(match["access"] or match["holder"], headers, match["value"], match["scope"])


def sign(request: HttpRequest, signed: tuple[str, ...], secret_key: str, scope: str | None = None) -> str:
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
    scope_line = [] if scope is None else [scope]
    to_sign = "\n".join([_ALGORITHM, request.header("X-Sdk-Date") or "", *scope_line, digest])
    return _hmac(_signing_key(secret_key, scope), to_sign).hex()


def _signing_key(secret_key: str, scope: str | None) -> bytes:
    if scope is None:
        return secret_key.encode()
    key = f"SDK{secret_key}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode("latin-1", "replace"), hashlib.sha256).digest()


def _canonical_path(path: str) -> str:
    """Decode and encode anew, with a slash at the end that the wire does not have."""
    encoded = "/".join(quote(part, safe="~") for part in unquote(path).split("/"))
    return encoded if encoded.endswith("/") else f"{encoded}/"


def _canonical_query(request: HttpRequest) -> str:
    return "&".join(
        f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(request.query_pairs)
    )


def _payload_hash(request: HttpRequest) -> str:
    """Hash the body, unless the client says what to take instead, such as UNSIGNED-PAYLOAD."""
    declared = request.header("X-Sdk-Content-Sha256") if request.body else None
    return declared or hashlib.sha256(request.body).hexdigest()
