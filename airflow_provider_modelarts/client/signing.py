"""
Signs requests with an access key, as pure functions of the request, the keys and the time.

https://support.huaweicloud.com/intl/en-us/devg-apisign/api-sign-algorithm.html
https://docs.otc.t-systems.com/modelarts/api-ref/calling_apis/making_an_api_request.html
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timezone
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from airflow_provider_modelarts.client.http_types import Request

ALGORITHM = "SDK-HMAC-SHA256"


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
    moment = at.astimezone(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    request = request.with_headers({"Host": urlsplit(request.url).netloc, "X-Sdk-Date": moment})
    canonical, names = canonical_request(request)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    if region is None:
        signer, lines, key = f"Access={access_key}", [ALGORITHM, moment, digest], secret_key.encode()
    else:
        parts = [moment[:8], region, request.service, "sdk_request"]
        scope = "/".join(parts)
        signer, lines = f"Credential={access_key}/{scope}", [ALGORITHM, moment, scope, digest]
        key = f"SDK{secret_key}".encode()
        for part in parts:
            key = _hmac(key, part).digest()
    signature = _hmac(key, "\n".join(lines)).hexdigest()
    authorization = f"{ALGORITHM} {signer}, SignedHeaders={names}, Signature={signature}"
    return request.with_headers({"Authorization": authorization})


def canonical_request(request: Request) -> tuple[str, str]:
    """Return the canonical form of a request, and the names of its signed headers."""
    url = urlsplit(request.url)
    path = "/".join(map(_quoted, unquote(url.path).split("/")))
    query = sorted(parse_qsl(url.query, keep_blank_values=True))
    # The gateway ignores names with an underscore, because some proxies drop them.
    headers = sorted((k.lower(), v.strip()) for k, v in request.headers.items() if "_" not in k)
    names = ";".join(name for name, _ in headers)
    form = "\n".join(
        [
            request.method.upper(),
            path if path.endswith("/") else f"{path}/",
            "&".join(f"{_quoted(key)}={_quoted(value)}" for key, value in query),
            "".join(f"{name}:{value}\n" for name, value in headers),
            names,
            hashlib.sha256(request.body).hexdigest(),
        ]
    )
    return form, names


def _hmac(key: bytes, message: str) -> hmac.HMAC:
    return hmac.new(key, message.encode(), hashlib.sha256)


def _quoted(text: str) -> str:
    return quote(text, safe="~")
