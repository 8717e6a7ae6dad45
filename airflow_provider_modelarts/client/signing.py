"""
Signs requests with an access key, as pure functions of the request, the keys and the time.

https://support.huaweicloud.com/intl/en-us/devg-apisign/api-sign-algorithm.html
https://docs.otc.t-systems.com/modelarts/api-ref/calling_apis/making_an_api_request.html
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timezone
from functools import lru_cache
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from airflow_provider_modelarts.client.http_types import Request

ALGORITHM = "SDK-HMAC-SHA256"
SCOPE_END = "sdk_request"
"""The last part of the scope of a derived signature."""

_EMPTY = hashlib.sha256(b"").hexdigest()
_DATE, _TOKEN = "\0X-Sdk-Date\0", "\0X-Security-Token\0"
"""Where time and token stand in a canonical form that serves many requests; no header can contain them."""


def sign(
    request: Request, *, access_key: str, secret_key: str, now: float, region: str | None = None
) -> Request:
    """
    Return the request with the headers that authenticate it.

    Every header of the request is signed, so add the others first. The URL stays as it is: the signature
    covers its canonical form, which the gateway computes too.

    :param now: epoch seconds; the gateway accepts a difference of 15 minutes.
    :param region: for the format ``Credential=``, whose key is derived from the region; None for the format
        ``Access=``.
    """
    days, second = divmod(int(now), 86_400)
    day = _date(days)
    moment = f"{day}T{second // 3600:02}{second // 60 % 60:02}{second % 60:02}Z"
    body_hash = hashlib.sha256(request.body).hexdigest() if request.body else _EMPTY
    token = request.headers.get("X-Security-Token", "")
    fixed = {**request.headers, "X-Security-Token": _TOKEN} if token else request.headers
    host, form, names = canonical_request(request.method, request.url, tuple(fixed.items()), body_hash, _DATE)
    form = form.replace(_DATE, moment).replace(_TOKEN, token.strip())
    digest = hashlib.sha256(form.encode()).hexdigest()
    if region is None:
        signer, lines, key = f"Access={access_key}", [ALGORITHM, moment, digest], secret_key.encode()
    else:
        scope = f"{day}/{region}/{request.service}/{SCOPE_END}"
        signer, lines = f"Credential={access_key}/{scope}", [ALGORITHM, moment, scope, digest]
        key = _derived_key(secret_key, day, region, request.service)
    signature = _keyed_hash(key).copy()
    signature.update("\n".join(lines).encode())
    headers = {
        **request.headers,
        "Host": host,
        "X-Sdk-Date": moment,
        "Authorization": f"{ALGORITHM} {signer}, SignedHeaders={names}, Signature={signature.hexdigest()}",
    }
    return Request(request.method, request.url, headers, request.body, request.service, request.max_bytes)


@lru_cache(maxsize=256)
def canonical_request(
    method: str, url: str, headers: tuple[tuple[str, str], ...], body_hash: str, date: str
) -> tuple[str, str, str]:
    """
    Return a request's host and port, its canonical form, and the names of its signed headers.

    :param headers: of the request, without those that its signature adds.
    :param date: value of ``X-Sdk-Date``.
    """
    parts = urlsplit(url)
    path = "/".join(map(_quoted, unquote(parts.path).split("/")))
    query = sorted(parse_qsl(parts.query, keep_blank_values=True))
    # The gateway ignores names with an underscore, because some proxies drop them.
    sent = [*headers, ("Host", parts.netloc), ("X-Sdk-Date", date)]
    signed = sorted([(name.lower(), value.strip()) for name, value in sent if "_" not in name])
    names = ";".join([name for name, _ in signed])
    form = "\n".join(
        [
            method.upper(),
            path if path.endswith("/") else f"{path}/",
            "&".join([f"{_quoted(key)}={_quoted(value)}" for key, value in query]),
            "".join([f"{name}:{value}\n" for name, value in signed]),
            names,
            body_hash,
        ]
    )
    return parts.netloc, form, names


@lru_cache(maxsize=2)
def _date(days: int) -> str:
    """Return a date in UTC as digits; days are those since 1970."""
    return f"{datetime.fromtimestamp(86_400 * days, tz=timezone.utc):%Y%m%d}"


@lru_cache(maxsize=16)
def _keyed_hash(key: bytes) -> hmac.HMAC:
    """Return the hash with which a key signs, before the message: most of the work is the same each time."""
    return hmac.new(key, digestmod="sha256")


@lru_cache(maxsize=16)
def _derived_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    """Return the key of a derived signature, which changes once a day."""
    key = f"SDK{secret_key}".encode()
    for part in (day, region, service, SCOPE_END):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _quoted(text: str) -> str:
    return quote(text, safe="~")
