"""
Signs requests with an access key, as pure functions of the request, the keys and the time.

https://support.huaweicloud.com/intl/en-us/devg-apisign/api-sign-algorithm.html
https://docs.otc.t-systems.com/modelarts/api-ref/calling_apis/making_an_api_request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import lru_cache
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from airflow_provider_modelarts.client.http_types import Request

ALGORITHM = "SDK-HMAC-SHA256"
SCOPE_END = "sdk_request"
"""The last part of the scope of a derived signature."""

_PLAIN_URL = re.compile(r"[a-z]+://([A-Za-z0-9.:\[\]-]+)(/[A-Za-z0-9._~/-]*)")
"""An address without a query whose path is its own canonical form: most of those that are signed often."""
_EMPTY = hashlib.sha256(b"").hexdigest()


def sign(
    request: Request, *, access_key: str, secret_key: str, at: datetime, region: str | None = None
) -> Request:
    """
    Return the request with the headers that authenticate it.

    Every header of the request is signed, so add the others first. The URL stays as it is: the signature
    covers its canonical form, which the gateway computes too.

    :param at: now; the gateway accepts a difference of 15 minutes.
    :param region: for the format ``Credential=``, whose key is derived from the region; None for the format
        ``Access=``.
    """
    moment = at.astimezone(timezone.utc).isoformat(timespec="seconds")[:19]
    moment = f"{moment.replace('-', '').replace(':', '')}Z"
    host, _, _ = _parts(request.url)
    headers = {**request.headers, "Host": host, "X-Sdk-Date": moment}
    canonical, names = canonical_request(request, headers)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    if region is None:
        signer, lines, key = f"Access={access_key}", [ALGORITHM, moment, digest], secret_key.encode()
    else:
        day = moment[:8]
        scope = f"{day}/{region}/{request.service}/{SCOPE_END}"
        signer, lines = f"Credential={access_key}/{scope}", [ALGORITHM, moment, scope, digest]
        key = _derived_key(secret_key, day, region, request.service)
    signature = _hmac(key, "\n".join(lines)).hex()
    headers["Authorization"] = f"{ALGORITHM} {signer}, SignedHeaders={names}, Signature={signature}"
    return Request(request.method, request.url, headers, request.body, request.service, request.max_bytes)


def canonical_request(request: Request, headers: Mapping[str, str]) -> tuple[str, str]:
    """
    Return the canonical form of a request, and the names of its signed headers.

    :param headers: of the request, with those that its signature adds.
    """
    _, path, query = _parts(request.url)
    # The gateway ignores names with an underscore, because some proxies drop them.
    signed = sorted([(k.lower(), v.strip()) for k, v in headers.items() if "_" not in k])
    names = ";".join([name for name, _ in signed])
    form = "\n".join(
        [
            request.method.upper(),
            path if path.endswith("/") else f"{path}/",
            query,
            "".join([f"{name}:{value}\n" for name, value in signed]),
            names,
            hashlib.sha256(request.body).hexdigest() if request.body else _EMPTY,
        ]
    )
    return form, names


@lru_cache(maxsize=1024)
def _parts(url: str) -> tuple[str, str, str]:
    """Return host and port of an address, and the canonical forms of its path and query."""
    if plain := _PLAIN_URL.fullmatch(url):
        return plain[1], plain[2], ""
    parts = urlsplit(url)
    path = "/".join(map(_quoted, unquote(parts.path).split("/")))
    query = sorted(parse_qsl(parts.query, keep_blank_values=True))
    return parts.netloc, path, "&".join(f"{_quoted(key)}={_quoted(value)}" for key, value in query)


@lru_cache(maxsize=16)
def _derived_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    """Return the key of a derived signature, which changes once a day."""
    key = f"SDK{secret_key}".encode()
    for part in (day, region, service, SCOPE_END):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, message: str) -> bytes:
    mac = _keyed(key).copy()
    mac.update(message.encode())
    return mac.digest()


@lru_cache(maxsize=64)
def _keyed(key: bytes) -> hmac.HMAC:
    """Return the state of an HMAC after its key, to which OpenSSL needs more time than to a short message."""
    return hmac.new(key, digestmod="sha256")


def _quoted(text: str) -> str:
    return quote(text, safe="~")
