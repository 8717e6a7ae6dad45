"""Signatures, compared with the vendor's signer, fixed vectors and the signing guide."""

from __future__ import annotations

import hashlib
import hmac
import string
from datetime import datetime, timezone
from types import SimpleNamespace
from urllib.parse import quote, unquote, urlencode

import pytest
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_modelarts.client.credentials import AccessKeyCredentials
from airflow_provider_modelarts.client.http_types import Request
from airflow_provider_modelarts.client.signing import canonical_request, sign

AT = datetime(2025, 1, 1, tzinfo=timezone.utc)
NOW = AT.timestamp()
EMPTY = hashlib.sha256(b"").hexdigest()
JSON = {"Content-Type": "application/json"}


def authorization(request: Request, secret_key: str = "SK", now: float = NOW) -> str:
    """Return the proof that a request gets."""
    return sign(request, access_key="AK", secret_key=secret_key, now=now).headers["Authorization"]


def canonical(request: Request) -> list[str]:
    """Return the lines of what is signed."""
    body_hash = hashlib.sha256(request.body).hexdigest()
    headers = tuple(request.headers.items())
    date = AT.strftime("%Y%m%dT%H%M%SZ")
    return canonical_request(request.method, request.url, headers, body_hash, date)[1].split("\n")


# The vendor's signer

_hosts = st.sampled_from(["h.example", "modelarts.eu-de.otc.t-systems.com", "127.0.0.1:8080", "[::1]:80"])
_text = st.text(max_size=8) | st.text("ab~%+ &=;:/?#._-*'\"\\é漢😀", max_size=8)
_left_raw = st.sampled_from(["", "~", "!$&'()*+,;=:@~"])
_queries = st.lists(st.tuples(_text, _text), max_size=5) | st.lists(
    st.tuples(st.sampled_from(["a", "b", ""]), st.sampled_from(["", "1", "10", "2", "a b", "~"])), max_size=6
)
_names = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=12).filter(
    lambda name: (
        name.lower() not in {"host", "authorization", "content-type", "x-sdk-date", "x-sdk-content-sha256"}
    )
)
_headers = st.lists(st.tuples(_names, _text), max_size=5, unique_by=lambda pair: pair[0].lower()).map(dict)
_keys = st.text(string.printable, min_size=1, max_size=40) | st.text(min_size=1, max_size=8)
_moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001 - the zone follows
    lambda at: at.replace(tzinfo=timezone.utc)
)


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "get"]),
    host=_hosts,
    segments=st.lists(_text, max_size=5),
    left_raw=_left_raw,
    query=_queries,
    headers=st.one_of(
        _headers,
        _headers.map(lambda headers: {**headers, **JSON}),
        st.tuples(_headers, _text).map(lambda pair: {**pair[0], "X-Security-Token": pair[1]}),
    ),
    body=st.binary(max_size=40),
    access_key=_keys,
    secret_key=_keys,
    at=_moments,
)
@example("GET", "h", ["a/b"], "", [], {}, b"", "AK", "SK", AT)
@example("GET", "h", ["%2F", "%41", "a b", "é"], "", [("k", "%2F"), ("k", "")], {}, b"", "AK", "SK", AT)
def test_sign_equals_vendor_signer(
    method: str,
    host: str,
    segments: list[str],
    left_raw: str,
    query: list[tuple[str, str]],
    headers: dict[str, str],
    body: bytes,
    access_key: str,
    secret_key: str,
    at: datetime,
) -> None:
    path = "".join(f"/{quote(segment, safe=left_raw)}" for segment in segments) or "/"
    url = f"https://{host}{path}{'?' if query else ''}{urlencode(query, quote_via=quote, safe='~')}"
    ours = sign(
        Request(method, url, headers, body), access_key=access_key, secret_key=secret_key, now=at.timestamp()
    )

    theirs = Signer(SimpleNamespace(ak=access_key, sk=secret_key)).sign(
        SdkRequest(
            method=method,
            schema="https",
            host=host,
            resource_path=path,
            query_params=list(query),
            header_params={**headers, "X-Sdk-Date": at.strftime("%Y%m%dT%H%M%SZ")},
            body=body,
        )
    )
    assert ours.headers["Authorization"] == theirs.header_params["Authorization"]
    assert ours.headers["X-Sdk-Date"] == theirs.header_params["X-Sdk-Date"]
    assert ours.headers["Host"] == theirs.header_params["Host"]
    assert (ours.method, ours.url, ours.body) == (method, url, body), "what is sent is left as it is"


# Fixed vectors, made with huaweicloudsdkcore 3.1.219

GET_URL = "https://modelarts.cn-north-4.myhuaweicloud.com/v1/pid/images?type=DEDICATED&name_fuzzy_match=false"
GET_FORM = f"""\
GET
/v1/pid/images/
name_fuzzy_match=false&type=DEDICATED
content-type:application/json
host:modelarts.cn-north-4.myhuaweicloud.com
x-project-id:pid
x-sdk-date:20250101T000000Z

content-type;host;x-project-id;x-sdk-date
{EMPTY}"""
POST_FORM = f"""\
POST
/v1/pid/notebooks/x/create-image/

content-type:application/json
host:h.example
x-sdk-date:20250101T000000Z

content-type;host;x-sdk-date
{hashlib.sha256(b'{"name":"a"}').hexdigest()}"""


@pytest.mark.parametrize(
    ("request_", "form", "signature"),
    [
        pytest.param(
            Request("GET", GET_URL, {**JSON, "X-Project-Id": "pid"}),
            GET_FORM,
            "7a35cee98613de8226f2f7b24b791295c195ad037e38028c703158756a4b6d47",
            id="list images",
        ),
        pytest.param(
            Request("POST", "https://h.example/v1/pid/notebooks/x/create-image", JSON, b'{"name":"a"}'),
            POST_FORM,
            "c37680bfe6d636cc6a859148e6ed05aa32b27dfdb9c5583016ef46559061ff1d",
            id="create image",
        ),
    ],
)
def test_sign_equals_fixed_vector_at_each_stage(request_: Request, form: str, signature: str) -> None:
    names = form.split("\n")[-2]
    assert canonical(request_) == form.split("\n")
    assert authorization(request_) == (
        f"SDK-HMAC-SHA256 Access=AK, SignedHeaders={names}, Signature={signature}"
    )


# The rules, a sentence each


@pytest.mark.parametrize(
    ("path", "signed"),
    [
        pytest.param("", "/", id="no path at all"),
        pytest.param("/", "/", id="the root"),
        pytest.param("/v1/p/images", "/v1/p/images/", id="a slash is put at the end"),
        pytest.param("/v1/p/images/", "/v1/p/images/", id="but not a second one"),
        pytest.param("/a//b", "/a//b/", id="an empty segment stays"),
        pytest.param("/a%20b/%c3%a9", "/a%20b/%C3%A9/", id="escapes are in capitals"),
        pytest.param("/a%7Eb~c%2Db", "/a~b~c-b/", id="what need not be escaped is not"),
        pytest.param("/a+b:c@d", "/a%2Bb%3Ac%40d/", id="anything else is"),
        pytest.param("/a%252Fb", "/a%252Fb/", id="escapes are undone once only"),
    ],
)
def test_sign_normalizes_path(path: str, signed: str) -> None:
    """It ends in a slash there, although none is sent."""
    assert canonical(Request("GET", f"https://h{path}"))[1] == signed


@pytest.mark.parametrize(
    ("query", "signed"),
    [
        pytest.param("", "", id="none"),
        pytest.param("b=2&a=1", "a=1&b=2", id="by key"),
        pytest.param("a=2&a=10&a=1", "a=1&a=10&a=2", id="then by value, as text"),
        pytest.param("a=&b", "a=&b=", id="empty values stay"),
        pytest.param("q=a%20b%7E%2F", "q=a%20b~%2F", id="escaped like the path"),
        pytest.param("a-b=1&a=2", "a=2&a-b=1", id="keys are sorted before they are joined"),
    ],
)
def test_sign_normalizes_query(query: str, signed: str) -> None:
    assert canonical(Request("GET", f"https://h/?{query}"))[2] == signed


def test_sign_lowers_header_names_trims_values_and_sorts() -> None:
    request = Request("GET", "https://h/", {"X-B": "  two  words ", "a": "1", "X-a": ""})
    assert canonical(request)[3:8] == [
        "a:1",
        "host:h",
        "x-a:",
        "x-b:two  words",
        "x-sdk-date:20250101T000000Z",
    ]


def test_sign_skips_header_with_underscore() -> None:
    """Some proxies drop such names."""
    bare = Request("GET", "https://h/")
    extra = Request("GET", "https://h/", {"X_Extra": "1"})
    assert authorization(extra) == authorization(bare)
    assert sign(extra, access_key="AK", secret_key="SK", now=NOW).headers["X_Extra"] == "1"


def test_sign_includes_host_and_date() -> None:
    signed = sign(Request("GET", "https://h.example:8443/"), access_key="AK", secret_key="SK", now=NOW)
    assert "SignedHeaders=host;x-sdk-date, " in signed.headers["Authorization"]
    assert signed.headers["Host"] == "h.example:8443"
    assert signed.headers["X-Sdk-Date"] == "20250101T000000Z"


@pytest.mark.parametrize(
    ("now", "date"),
    [
        pytest.param(NOW, "20250101T000000Z", id="first second of a day"),
        pytest.param(NOW - 0.001, "20241231T235959Z", id="fraction of the last one"),
        pytest.param(1709210096.5, "20240229T123456Z", id="leap day"),
        pytest.param(0.0, "19700101T000000Z", id="first of the epoch"),
    ],
)
def test_sign_formats_date_in_utc(now: float, date: str) -> None:
    signed = sign(Request("GET", "https://h/"), access_key="AK", secret_key="SK", now=now)
    assert signed.headers["X-Sdk-Date"] == date


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(Request("POST", "https://h/p?q=1", {"A": "1"}, b"b"), id="method"),
        pytest.param(Request("PUT", "https://g/p?q=1", {"A": "1"}, b"b"), id="host"),
        pytest.param(Request("PUT", "https://h/r?q=1", {"A": "1"}, b"b"), id="path"),
        pytest.param(Request("PUT", "https://h/p?q=2", {"A": "1"}, b"b"), id="query"),
        pytest.param(Request("PUT", "https://h/p?q=1", {"A": "2"}, b"b"), id="header"),
        pytest.param(Request("PUT", "https://h/p?q=1", {"A": "1", "B": ""}, b"b"), id="one header more"),
        pytest.param(Request("PUT", "https://h/p?q=1", {"A": "1"}, b"c"), id="body"),
    ],
)
def test_sign_covers_every_part_of_request(changed: Request) -> None:
    assert authorization(changed) != authorization(Request("PUT", "https://h/p?q=1", {"A": "1"}, b"b"))


def test_sign_depends_on_second_and_key() -> None:
    request = Request("GET", "https://h/")
    proofs = {
        authorization(request),
        authorization(request, now=NOW + 1),
        authorization(request, secret_key="SL"),
    }
    assert len(proofs) == 3


# Secrets


def test_sign_does_not_send_secret_key() -> None:
    bare = Request("POST", "https://h/p?q=1", {"A": "1"}, b"b")
    signed = sign(bare, access_key="AK", secret_key="hidden-word", now=NOW)
    everything = f"{signed!r} {signed.url} {dict(signed.headers)} {signed.body!r}"
    assert "hidden-word" not in everything


def test_request_repr_shows_no_secret() -> None:
    bare = Request("POST", "https://h/p", {"X-Security-Token": "hidden-token"}, b"hidden")
    signed = sign(bare, access_key="AK", secret_key="hidden-word", now=NOW)
    assert "hidden" not in repr(AccessKeyCredentials("AK", "hidden-word", security_token="hidden-token"))
    assert repr(signed) == "Request(method='POST', url='https://h/p', service='modelarts')"


def test_sign_keeps_no_security_token() -> None:
    """Each renewal brings another one."""
    canonical_request.cache_clear()
    for token in ("first", "second"):
        request = Request("GET", "https://h/", {"X-Security-Token": token})
        sign(request, access_key="AK", secret_key="SK", now=NOW)
    assert canonical_request.cache_info().currsize == 1


def test_sign_leaves_request_unchanged() -> None:
    """A retry signs it again, with a new date."""
    request = Request("GET", "https://h/", JSON)
    sign(request, access_key="AK", secret_key="SK", now=NOW)
    assert request == Request("GET", "https://h/", JSON)


# The derived form, read a second time


def derived(request: Request, access_key: str, secret_key: str, at: datetime, region: str) -> str:
    """
    Return the proof in the form ``Credential=``, by a reading of the rules that shares no code with ours.

    https://docs.otc.t-systems.com/modelarts/api-ref/calling_apis/making_an_api_request.html
    """
    day, moment = f"{at:%Y%m%d}", f"{at:%Y%m%dT%H%M%SZ}"
    address, _, query = request.url.partition("://")[2].partition("?")
    host, slash, path = address.partition("/")
    lines = [request.method, quote(unquote(slash + path), safe="/~").rstrip("/") + "/"]
    pairs = sorted(tuple(map(unquote, pair.split("="))) for pair in query.split("&") if pair)
    lines.append("&".join(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in pairs))
    headers = {name.lower(): value.strip() for name, value in request.headers.items()}
    headers |= {"host": host, "x-sdk-date": moment}
    lines += [f"{name}:{headers[name]}" for name in sorted(headers)]
    lines += ["", ";".join(sorted(headers)), hashlib.sha256(request.body).hexdigest()]
    scope = f"{day}/{region}/modelarts/sdk_request"
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    key = b"SDK" + secret_key.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, f"SDK-HMAC-SHA256\n{moment}\n{scope}\n{digest}".encode(), "sha256").hex()
    names = ";".join(sorted(headers))
    return f"SDK-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}"


@given(
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    segments=st.lists(st.text("ab~%é漢 .-_", min_size=1, max_size=6), min_size=1, max_size=4),
    query=st.lists(st.tuples(st.sampled_from("abc"), st.text("x y~%é", max_size=4)), max_size=4),
    headers=st.dictionaries(
        st.sampled_from(["Content-Type", "X-Project-Id", "Accept"]), st.text("ab c", max_size=4)
    ),
    body=st.binary(max_size=20),
    secret_key=st.text(string.ascii_letters, min_size=1, max_size=40),
    at=_moments,
    region=st.sampled_from(["eu-de", "eu-nl", ""]),
)
def test_derived_signature_equals_second_implementation(
    method: str,
    segments: list[str],
    query: list[tuple[str, str]],
    headers: dict[str, str],
    body: bytes,
    secret_key: str,
    at: datetime,
    region: str,
) -> None:
    path = "".join(f"/{quote(segment, safe='~')}" for segment in segments)
    url = f"https://h.example{path}{'?' if query else ''}{urlencode(query, quote_via=quote, safe='~')}"
    request = Request(method, url, headers, body)

    ours = sign(request, access_key="AK", secret_key=secret_key, now=at.timestamp(), region=region)

    assert ours.headers["Authorization"] == derived(request, "AK", secret_key, at, region)


def test_derived_signature_uses_iam_service_for_iam_request() -> None:
    request = Request("GET", "https://h/v3/projects", service="iam")

    proof = sign(request, access_key="AK", secret_key="SK", now=NOW, region="eu-de").headers["Authorization"]

    assert proof.startswith("SDK-HMAC-SHA256 Credential=AK/20250101/eu-de/iam/sdk_request, ")
