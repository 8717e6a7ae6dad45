"""
Parsing and verification of AK/SK signatures.

Two forms are called SDK-HMAC-SHA256. The form in Huawei's API signing guide has the key in ``Access=`` and
signs with the secret itself. The form of OTC's SDKs has the key in ``Credential=``, with a day, a region and
a service from which the signing key is derived. Both sign the same canonical request. It is computed from the
request as received, so a client must send exactly what it signs.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from .exchange import HttpRequest

FORMS = ("either", "access", "credential")
"""The forms of signatures that a gateway can accept."""

_ALGORITHM = "SDK-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{_ALGORITHM} "
    r"(?:Access=(?P<access>[^,\s]+)"
    r"|Credential=(?P<holder>[^,/\s]+)/(?P<scope>\d{8}/[^,/\s]*/[^,/\s]*/sdk_request)), ?"
    r"SignedHeaders=(?P<headers>[^,\s]+), ?Signature=(?P<value>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class ParsedSignature:
    """A parsed Authorization header; only the form with a credential has a scope."""

    access_key: str
    headers: tuple[str, ...]
    value: str
    scope: str | None

    @property
    def form(self) -> str:
        """The name of the form, as in :data:`FORMS`."""
        return "access" if self.scope is None else "credential"

    @property
    def day(self) -> str | None:
        """The day of the scope, which must match X-Sdk-Date; region and service are not checked."""
        return None if self.scope is None else self.scope.partition("/")[0]

    def fits(self, request: HttpRequest, secret_key: str) -> bool:
        """Return whether this is the signature of the request with this secret."""
        return hmac.compare_digest(sign(request, self.headers, secret_key, self.scope), self.value)


def read(authorization: str) -> ParsedSignature | None:
    """Parse an Authorization header; return None if it has neither form."""
    match = _AUTHORIZATION.fullmatch(authorization.strip())
    if match is None:
        return None
    headers = tuple(match["headers"].split(";"))
    return ParsedSignature(match["access"] or match["holder"], headers, match["value"], match["scope"])


def sign(request: HttpRequest, signed: tuple[str, ...], secret_key: str, scope: str | None = None) -> str:
    """Return the signature of a request over the named headers."""
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
    # Header bytes were decoded as Latin-1; encoding them the same way restores the bytes as received.
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
    """Decode and encode the path again, and append the slash that only the canonical form has."""
    encoded = "/".join(quote(part, safe="~") for part in unquote(path).split("/"))
    return encoded if encoded.endswith("/") else f"{encoded}/"


def _canonical_query(request: HttpRequest) -> str:
    return "&".join(
        f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(request.query_pairs)
    )


def _payload_hash(request: HttpRequest) -> str:
    """Return the hash of the body, or the client's X-Sdk-Content-Sha256, such as UNSIGNED-PAYLOAD."""
    declared = request.header("X-Sdk-Content-Sha256") if request.body else None
    return declared or hashlib.sha256(request.body).hexdigest()
