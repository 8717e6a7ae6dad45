"""``ModelArtsClient.call``: the request that is sent, and how responses and errors are parsed."""

from __future__ import annotations

import json
import time
import traceback
from typing import Any

import pytest

from airflow_provider_modelarts.client.http_types import Operation, Request, Response
from airflow_provider_modelarts.client.models import CreateImageRequest, Image, Page
from airflow_provider_modelarts.client.operations import (
    create_image,
    delete_image,
    list_images,
    show_image,
    show_notebook,
)
from airflow_provider_modelarts.client.signing import sign
from airflow_provider_modelarts.exceptions import (
    ApiError,
    AuthenticationError,
    InvalidResponseError,
    ModelArtsError,
    NotebookNotReadyError,
    NotFoundError,
    RateLimitError,
    ServerError,
    TagConflictError,
    TransportError,
)
from tests.client.fake_transport import (
    ENDPOINT,
    IMAGE_ID,
    START,
    FakeTransport,
    http_date,
    image,
    modelarts,
    reply,
    run,
)

SAVE = create_image("n-1", CreateImageRequest(name="a", namespace="b", description="grün 漢"))
SHOW = show_image(IMAGE_ID)


# What is sent


def test_call_sends_one_signed_request() -> None:
    transport = FakeTransport(image())
    assert run(modelarts(transport).call(SHOW)).id == IMAGE_ID
    [request] = transport.requests
    bare = Request(
        "GET",
        f"{ENDPOINT}/v1/p1/images/{IMAGE_ID}",
        {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "X-Language": "en-us",
            "X-Project-Id": "p1",
        },
    )
    assert request == sign(bare, access_key="AK", secret_key="SK", now=START)
    assert transport.sleeps == []


def test_call_signs_each_request_with_its_own_time() -> None:
    """A signature is valid for 15 minutes."""
    transport = FakeTransport(image())
    client = modelarts(transport)
    run(client.call(SHOW))
    transport.now += 3600
    run(client.call(SHOW))
    dates = [request.headers["X-Sdk-Date"] for request in transport.requests]
    assert dates == ["20250615T150640Z", "20250615T160640Z"]


def test_call_sends_body_as_json_in_utf_8() -> None:
    transport = FakeTransport(image())
    run(modelarts(transport).call(SAVE))
    [request] = transport.requests
    assert (request.method, request.url) == ("POST", f"{ENDPOINT}/v1/p1/notebooks/n-1/create-image")
    assert request.body == '{"name": "a", "namespace": "b", "description": "grün 漢"}'.encode()


def test_call_sends_empty_json_body_without_fields() -> None:
    """Some of the vendors' own clients sign a POST without a body differently."""
    transport = FakeTransport(image())
    run(modelarts(transport).call(create_image("n-1", CreateImageRequest())))
    assert transport.requests[0].body == b"{}"


def test_call_sorts_and_escapes_query() -> None:
    transport = FakeTransport(reply({"data": []}))
    run(modelarts(transport).call(list_images(name="a b/c&d=ü~+", namespace="n")))
    assert transport.requests[0].url == (
        f"{ENDPOINT}/v1/p1/images?limit=200&name=a%20b%2Fc%26d%3D%C3%BC~%2B"
        "&name_fuzzy_match=false&namespace=n&type=DEDICATED"
    )


def test_call_escapes_project_id_in_path() -> None:
    transport = FakeTransport(image())
    run(modelarts(transport, project_id="p/../q").call(SHOW))
    assert transport.requests[0].url.startswith(f"{ENDPOINT}/v1/p%2F..%2Fq/images/")
    assert transport.requests[0].headers["X-Project-Id"] == "p/../q"


def test_call_raises_transport_error_unchanged() -> None:
    failure = TransportError("gone", may_have_been_processed=False)
    with pytest.raises(TransportError) as failed:
        run(modelarts(FakeTransport(failure)).call(SHOW))
    assert failed.value is failure


# Successful responses


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_call_accepts_any_2xx(status: int) -> None:
    """The pages document two of them."""
    assert run(modelarts(FakeTransport(reply({"id": IMAGE_ID}, status))).call(SHOW)).id == IMAGE_ID


def test_delete_image_accepts_empty_response() -> None:
    """The page allows 204."""
    run(modelarts(FakeTransport(reply(b"", 204))).call(delete_image("i")))


@pytest.mark.parametrize(
    ("headers", "body", "request_id"),
    [
        ({"x-request-id": "h", "x-iam-trace-id": "t"}, {"request_id": "b"}, "h"),
        ({"x-iam-trace-id": "t"}, {"request_id": "b"}, "t"),
        ({}, {"request_id": "b"}, "b"),
        ({}, {"request_id": 7}, "7"),
        ({}, {"request_id": None}, ""),
        ({"x-request-id": ""}, {}, ""),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_call_keeps_request_id_of_success_and_error(
    headers: dict[str, str], body: dict[str, Any], request_id: str, status: int
) -> None:
    answer = Response(status, headers, json.dumps({"id": IMAGE_ID, **body}).encode())
    client = modelarts(FakeTransport(answer))
    if status == 200:
        assert run(client.call(SHOW)).request_id == request_id
        return
    with pytest.raises(ApiError) as refused:
        run(client.call(SHOW))
    assert refused.value.request_id == request_id
    assert ("request id" in str(refused.value)) is bool(request_id)


# Responses that differ from the documents

HTML = b"<html><body>Welcome, hidden-word</body></html>"


@pytest.mark.parametrize(
    ("call", "body", "reason"),
    [
        pytest.param(SHOW, HTML, "the body: Input should be", id="a web page"),
        pytest.param(SHOW, b"", "the body: Input should be", id="nothing"),
        pytest.param(SHOW, b'{"id": "hidden-wo', "the body: Input should be", id="cut off"),
        pytest.param(SHOW, b'\xff\xfe{"hidden-word": 1}', "the body: Input should be", id="not UTF-8"),
        pytest.param(SHOW, b'"hidden-word"', "the body: Input should be", id="a text"),
        pytest.param(SHOW, b'["hidden-word"]', "the body: Input should be", id="a list"),
        pytest.param(SHOW, b"null", "the body: Input should be", id="null"),
        pytest.param(SHOW, b'{"name": "hidden-word"}', "id: Field required", id="no id"),
        pytest.param(SHOW, b'{"id": ["hidden-word"]}', "id: Input should be", id="a strange id"),
        pytest.param(SHOW, b'{"id": ""}', "id: String should have", id="an empty id"),
        pytest.param(
            show_notebook("n-1"),
            b'{"id": {"hidden-word": 1}, "token": "hidden-word"}',
            "id: Input should be",
            id="a notebook with its token",
        ),
        pytest.param(list_images(), b'{"data": "hidden-word"}', "data: Input should be", id="a strange list"),
        pytest.param(SAVE, b"[" * 100_000, "the body: Input should be", id="too deep"),
        pytest.param(SHOW, b'{"id": ' + b"1" * 5000 + b"}", "id: Input should be", id="too long a number"),
    ],
)
def test_call_describes_invalid_response_without_quoting_it(
    call: Operation[Any], body: bytes, reason: str
) -> None:
    """A part of it could be a secret."""
    with pytest.raises(InvalidResponseError) as unexpected:
        run(modelarts(FakeTransport(reply(body, x_request_id="r-1"))).call(call))
    text = str(unexpected.value)
    assert f"{call.name} ({call.method} {call.path}) returned an unexpected response: {reason}" in text
    assert text.endswith(f"(HTTP 200, application/json, {len(body)} bytes, request id r-1)")
    assert "hidden" not in "".join(traceback.format_exception(unexpected.value))
    assert unexpected.value.is_transient


def test_call_names_missing_content_type() -> None:
    with pytest.raises(InvalidResponseError, match=r"\(HTTP 200, no content type, 0 bytes\)$"):
        run(modelarts(FakeTransport(Response(200))).call(SHOW))


def test_call_rejects_response_for_another_image() -> None:
    """For instance one from a cache."""
    with pytest.raises(InvalidResponseError, match="it is about image i-2"):
        run(modelarts(FakeTransport(reply({"id": "i-2", "status": "ACTIVE"}))).call(SHOW))


@pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 308])
def test_call_does_not_follow_redirect(status: int) -> None:
    """The signature is for one host."""
    transport = FakeTransport(reply(b"", status, location="https://elsewhere.example/"))
    with pytest.raises(InvalidResponseError, match=r"was redirected.*check the connection's host \(HTTP 3"):
        run(modelarts(transport).call(SHOW))
    assert len(transport.requests) == 1


# A refusal


@pytest.mark.parametrize(
    ("status", "body", "error", "code", "words"),
    [
        pytest.param(
            400,
            {"error_code": "ModelArts.6404", "error_msg": "The resource is not found."},
            NotFoundError,
            "ModelArts.6404",
            "The resource is not found. Check the id",
            id="ModelArts",
        ),
        pytest.param(
            400,
            {"error_code": "ModelArts.6737", "error_message": "conflict tag"},
            TagConflictError,
            "ModelArts.6737",
            "conflict tag. An image cannot be overwritten",
            id="its older API",
        ),
        pytest.param(
            429,
            {"error_msg": "throttled", "error_code": "APIGW.0308", "request_id": "b"},
            RateLimitError,
            "APIGW.0308",
            "throttled. ",
            id="the gateway",
        ),
        pytest.param(
            401,
            {"error_msg": "Incorrect IAM authentication information", "error_code": "APIG.0301"},
            AuthenticationError,
            "APIG.0301",
            "lock the key for five minutes",
            id="the gateway under its other name",
        ),
        pytest.param(
            401,
            {"error": {"code": 401, "message": "Log in.", "title": "Unauthorized"}},
            AuthenticationError,
            "",
            "Log in. ",
            id="IAM",
        ),
        pytest.param(
            403,
            {"error_code": "PAP5.0009", "error_msg": "no", "encoded_authorization_message": "x" * 500},
            ApiError,
            "PAP5.0009",
            "no. The reason is unknown to this provider",
            id="a policy of the new kind",
        ),
        pytest.param(
            400, {"errorCode": "X.1", "errorMsg": "camel"}, ApiError, "X.1", "camel.", id="in camels"
        ),
        pytest.param(
            400,
            {"errors": [None, {"error_code": "ModelArts.6404", "error_msg": "listed"}]},
            NotFoundError,
            "ModelArts.6404",
            "listed.",
            id="in a list",
        ),
        pytest.param(
            400,
            {"error_code": None, "error_msg": None, "error": {"code": "ModelArts.6404", "message": "deep"}},
            NotFoundError,
            "ModelArts.6404",
            "deep.",
            id="behind nulls",
        ),
        pytest.param(
            401, {"error_code": "", "error_msg": "words"}, AuthenticationError, "", "words.", id="words alone"
        ),
        pytest.param(400, {"code": "X.2", "message": "plain"}, ApiError, "X.2", "plain.", id="plain"),
        pytest.param(
            400,
            {"error_code": "ModelArts.6327"},
            NotebookNotReadyError,
            "ModelArts.6327",
            "no reason given.",
            id="mute",
        ),
        pytest.param(
            400, {"error_code": None, "error_msg": None}, ApiError, "", "no reason given.", id="null"
        ),
        pytest.param(
            400, {"error_code": 6, "error_msg": ["a", 1]}, ApiError, "6", "['a', 1].", id="other types"
        ),
        pytest.param(
            500,
            {"meta": 1, "fault": {"code": "X.3", "message": "deep"}},
            ServerError,
            "X.3",
            "deep.",
            id="deeper",
        ),
        pytest.param(
            500,
            {"meta": {}, "error": {"code": "X.4", "message": "second"}},
            ServerError,
            "X.4",
            "second.",
            id="deeper, behind something else",
        ),
        pytest.param(502, HTML, ServerError, "", "no reason given.", id="a proxy"),
        pytest.param(503, b"", ServerError, "", "no reason given.", id="nothing"),
        pytest.param(404, b"[]", ApiError, "", "no reason given.", id="a list"),
        pytest.param(404, {}, ApiError, "", "no reason given.", id="an empty object"),
        *[
            pytest.param(
                500,
                b'{"a":' * depth + b"1" + b"}" * depth,
                ServerError,
                "",
                "no reason given.",
                id=f"{depth} deep",
            )
            for depth in (100, 400, 900, 5000)
        ],
        pytest.param(100, b"", ApiError, "", "no reason given.", id="a status that is no answer"),
    ],
)
def test_call_parses_error_of_every_envelope(
    status: int, body: object, error: type[ApiError], code: str, words: str
) -> None:
    with pytest.raises(ApiError) as refused:
        run(modelarts(FakeTransport(reply(body, status))).call(SHOW))
    assert type(refused.value) is error
    assert (refused.value.status, refused.value.code) == (status, code)
    assert refused.value.message.startswith(f"ShowImage (GET /images/{IMAGE_ID}) failed: ")
    assert words in refused.value.message
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    "echo",
    [
        "verify aksk signature fail, canonicalRequest:GET|/v1/p1/images/|host:hidden-word",
        "verify aksk signature fail, Canonical Request: GET\nhidden-word",
        "verify aksk signature fail. CANONICAL_REQUEST hidden-word",
    ],
)
def test_call_removes_request_headers_that_gateway_echoes(echo: str) -> None:
    """They may include a security token."""
    body = {"error_code": "APIGW.0301", "error_msg": f"Incorrect IAM authentication information: {echo}"}
    with pytest.raises(AuthenticationError) as refused:
        run(modelarts(FakeTransport(reply(body, 401))).call(SHOW))
    assert "information: verify aksk signature fail. Check access key" in str(refused.value)
    assert "hidden" not in "".join(traceback.format_exception(refused.value))


def test_call_shortens_long_error_message_to_one_line() -> None:
    body = {"error_code": "X", "error_msg": "one\n\ttwo " + "x" * 500}
    with pytest.raises(ApiError) as refused:
        run(modelarts(FakeTransport(reply(body, 400))).call(SHOW))
    assert f"failed: one two {'x' * 292}…." in refused.value.message
    assert "\n" not in str(refused.value)


ODD = "a\n\x1b[31mb\u2028\u202ec\ud800d"
"""Of which a terminal, a log and a database each dislike something."""


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        pytest.param(400, {}, {"error_code": ODD, "error_msg": "no"}, id="code"),
        pytest.param(400, {}, {"error_code": ["deep", ODD], "error_msg": "no"}, id="a list for a code"),
        pytest.param(400, {}, {"error_code": "X", "error_msg": ODD}, id="words"),
        pytest.param(400, {}, {"request_id": ODD}, id="request id"),
        pytest.param(400, {"x-request-id": ODD}, {}, id="request id in a header"),
        pytest.param(200, {"content-type": ODD}, {}, id="type"),
    ],
)
def test_call_replaces_unprintable_characters_of_server(
    status: int, headers: dict[str, str], body: object
) -> None:
    with pytest.raises(ModelArtsError) as caught:
        run(modelarts(FakeTransport(Response(status, headers, json.dumps(body).encode()))).call(SHOW))
    assert "[31mb" in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        (http_date(START + 90), 90.0),
        (http_date(START - 90), 0.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("Wed, 99 Foo 2025 00:00:00 GMT", None),
    ],
)
def test_call_parses_retry_after_as_seconds_and_date(header: str, seconds: float | None) -> None:
    with pytest.raises(RateLimitError) as refused:
        run(modelarts(FakeTransport(reply({}, 429, retry_after=header))).call(SHOW, deadline=START))
    assert refused.value.retry_after == seconds


def test_call_reads_retry_after_without_zone_as_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    header = http_date(START + 90).replace("GMT", "-0000")
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        with pytest.raises(RateLimitError) as refused:
            run(modelarts(FakeTransport(reply({}, 429, retry_after=header))).call(SHOW, deadline=START))
    time.tzset()
    assert refused.value.retry_after == 90


def test_call_has_no_retry_after_without_header() -> None:
    with pytest.raises(ServerError) as refused:
        run(modelarts(FakeTransport(reply({}, 503))).call(SHOW))
    assert refused.value.retry_after is None


# The seam


def test_call_returns_single_page() -> None:
    transport = FakeTransport(reply({"data": [{"id": "a"}], "total": 107}, x_request_id="r"))
    page = run(modelarts(transport).call(list_images()))
    assert page == Page[Image](data=[Image(id="a")], total=107, request_id="r")
