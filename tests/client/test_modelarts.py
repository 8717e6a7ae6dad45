"""The conversation: what is sent, how a reply is read, how a list ends and how long a wait is."""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from email.utils import format_datetime
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_modelarts.client.calls import (
    create_image,
    delete_image,
    list_images,
    list_notebooks,
    show_image,
    show_notebook,
)
from airflow_provider_modelarts.client.errors import (
    ApiError,
    DeadlinePassed,
    ModelArtsError,
    NotAuthenticated,
    NotebookNotReady,
    NotFound,
    PermissionDenied,
    RequestRefused,
    ServiceFailed,
    TagTaken,
    Throttled,
    TransportFailed,
    UnexpectedReply,
)
from airflow_provider_modelarts.client.modelarts import MAX_PAGES, ModelArts
from airflow_provider_modelarts.client.models import CreateImageRequest, Image, Page
from airflow_provider_modelarts.client.signing import sign
from airflow_provider_modelarts.client.wire import Call, Request, Response
from tests.client.scripted import (
    ENDPOINT,
    IMAGE_ID,
    START,
    Scripted,
    Together,
    image,
    modelarts,
    reply,
    run,
    run_together,
)

LOGGER = "airflow_provider_modelarts.client.modelarts"
SAVE = create_image("n-1", CreateImageRequest(name="a", namespace="b", description="grün 漢"))
LOOK = show_image(IMAGE_ID)


# What is sent


def test_a_call_is_one_signed_request() -> None:
    """Below the project, with the headers of the guide, and nothing is asked twice."""
    transport = Scripted(image())
    assert run(modelarts(transport).call(LOOK)).id == IMAGE_ID
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
    assert request == sign(
        bare, access_key="AK", secret_key="SK", at=datetime.fromtimestamp(START, tz=timezone.utc)
    )
    assert transport.sleeps == []


def test_each_request_is_signed_with_its_own_time() -> None:
    """A signature is good for 15 minutes only."""
    transport = Scripted(image())
    client = modelarts(transport)
    run(client.call(LOOK))
    transport.now += 3600
    run(client.call(LOOK))
    dates = [request.headers["X-Sdk-Date"] for request in transport.requests]
    assert dates == ["20250615T150640Z", "20250615T160640Z"]


def test_a_body_is_json_in_utf_8() -> None:
    """Words are sent as they are, not as escapes."""
    transport = Scripted(image())
    run(modelarts(transport).call(SAVE))
    [request] = transport.requests
    assert (request.method, request.url) == ("POST", f"{ENDPOINT}/v1/p1/notebooks/n-1/create-image")
    assert request.body == '{"name": "a", "namespace": "b", "description": "grün 漢"}'.encode()


def test_a_call_without_fields_still_has_a_body() -> None:
    """A POST without any is signed differently by some of the vendors' own clients."""
    transport = Scripted(image())
    run(modelarts(transport).call(create_image("n-1", CreateImageRequest())))
    assert transport.requests[0].body == b"{}"


def test_a_query_is_sorted_and_escaped() -> None:
    """Blanks as %20, never as a plus."""
    transport = Scripted(reply({"data": []}))
    run(modelarts(transport).call(list_images(name="a b/c&d=ü~+", namespace="n")))
    assert transport.requests[0].url == (
        f"{ENDPOINT}/v1/p1/images?limit=200&name=a%20b%2Fc%26d%3D%C3%BC~%2B"
        "&name_fuzzy_match=false&namespace=n&type=DEDICATED"
    )


def test_a_project_is_one_segment_of_the_path() -> None:
    """Whatever a connection holds."""
    transport = Scripted(image())
    run(modelarts(transport, project_id="p/../q").call(LOOK))
    assert transport.requests[0].url.startswith(f"{ENDPOINT}/v1/p%2F..%2Fq/images/")
    assert transport.requests[0].headers["X-Project-Id"] == "p/../q"


def test_an_error_of_the_transport_comes_out_as_it_is() -> None:
    """With what it knows."""
    failure = TransportFailed("gone", arrived=False)
    with pytest.raises(TransportFailed) as failed:
        run(modelarts(Scripted(failure)).call(LOOK))
    assert failed.value is failure


# A good reply


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_good(status: int) -> None:
    """The pages allow two of them."""
    assert run(modelarts(Scripted(reply({"id": IMAGE_ID}, status))).call(LOOK)).id == IMAGE_ID


def test_a_delete_may_be_answered_with_nothing() -> None:
    """The page allows 204."""
    run(modelarts(Scripted(reply(b"", 204))).call(delete_image("i")))


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
def test_the_request_id_is_kept(
    headers: dict[str, str], body: dict[str, Any], request_id: str, status: int
) -> None:
    """From whichever place it came, of a good reply and of a refusal."""
    answer = Response(status, headers, json.dumps({"id": IMAGE_ID, **body}).encode())
    client = modelarts(Scripted(answer))
    if status == 200:
        assert run(client.call(LOOK)).request_id == request_id
        return
    with pytest.raises(ApiError) as refused:
        run(client.call(LOOK))
    assert refused.value.request_id == request_id
    assert ("request id" in str(refused.value)) is bool(request_id)


# A reply that nobody promised

HTML = b"<html><body>Welcome, hidden-word</body></html>"


@pytest.mark.parametrize(
    ("call", "body", "reason"),
    [
        pytest.param(LOOK, HTML, "the body: Input should be", id="a web page"),
        pytest.param(LOOK, b"", "the body: Input should be", id="nothing"),
        pytest.param(LOOK, b'{"id": "hidden-wo', "the body: Input should be", id="cut off"),
        pytest.param(LOOK, b'\xff\xfe{"hidden-word": 1}', "the body: Input should be", id="not UTF-8"),
        pytest.param(LOOK, b'"hidden-word"', "the body: Input should be", id="a text"),
        pytest.param(LOOK, b'["hidden-word"]', "the body: Input should be", id="a list"),
        pytest.param(LOOK, b"null", "the body: Input should be", id="null"),
        pytest.param(LOOK, b'{"name": "hidden-word"}', "id: Field required", id="no id"),
        pytest.param(LOOK, b'{"id": ["hidden-word"]}', "id: Input should be", id="a strange id"),
        pytest.param(LOOK, b'{"id": ""}', "id: String should have", id="an empty id"),
        pytest.param(
            LOOK, b'{"id": "i", "size": "hidden-word"}', "size: Input should be", id="a strange size"
        ),
        pytest.param(LOOK, b'{"id": "i", "size": Infinity}', "size: Input should be", id="an endless size"),
        pytest.param(
            LOOK,
            b'{"id": "i", "dev_services": [{"hidden-word": "hidden-word"}]}',
            "dev_services.0: Input should be",
            id="a strange item",
        ),
        pytest.param(
            show_notebook("n-1"),
            b'{"id": "n-1", "token": "hidden-word", "lease": "hidden-word"}',
            "lease: Input should be",
            id="a notebook with its token",
        ),
        pytest.param(
            list_notebooks(),
            b'{"data": [{"id": "n-1"}, {"token": "hidden-word"}]}',
            "data.1.id: Field required",
            id="a list with a token",
        ),
        pytest.param(list_images(), b'{"data": "hidden-word"}', "data: Input should be", id="a strange list"),
        pytest.param(SAVE, b"[" * 100_000, "the body: Input should be", id="too deep"),
        pytest.param(
            LOOK, b'{"id": ' + b"1" * 5000 + b"}", "the body: Input should be", id="too long a number"
        ),
    ],
)
def test_a_strange_reply_is_described_and_not_shown(call: Call[Any], body: bytes, reason: str) -> None:
    """Where it is strange, its type and size: a part of it could be a secret."""
    with pytest.raises(UnexpectedReply) as unexpected:
        run(modelarts(Scripted(reply(body, x_request_id="r-1"))).call(call))
    text = str(unexpected.value)
    assert f"{call.operation} ({call.method} {call.path}) brought an unexpected reply: {reason}" in text
    assert text.endswith(f"(HTTP 200, application/json, {len(body)} bytes, request id r-1)")
    assert "hidden" not in "".join(traceback.format_exception(unexpected.value))
    assert unexpected.value.is_transient


def test_a_reply_without_a_type_says_so() -> None:
    """And leaves out the request id that it does not have."""
    with pytest.raises(UnexpectedReply, match=r"\(HTTP 200, no content type, 0 bytes\)$"):
        run(modelarts(Scripted(Response(200))).call(LOOK))


def test_a_reply_about_another_image_is_unexpected() -> None:
    """Some cache answered."""
    with pytest.raises(UnexpectedReply, match="it is about image i-2"):
        run(modelarts(Scripted(reply({"id": "i-2", "status": "ACTIVE"}))).call(LOOK))


@pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    """The signature is for one host: the connection must be corrected."""
    transport = Scripted(reply(b"", status, location="https://elsewhere.example/"))
    with pytest.raises(UnexpectedReply, match=r"was redirected.*check the connection's host \(HTTP 3"):
        run(modelarts(transport).call(LOOK))
    assert len(transport.requests) == 1


# A refusal


@pytest.mark.parametrize(
    ("status", "body", "error", "code", "words"),
    [
        pytest.param(
            400,
            {"error_code": "ModelArts.6404", "error_msg": "The resource is not found."},
            NotFound,
            "ModelArts.6404",
            "The resource is not found. Check the id",
            id="ModelArts",
        ),
        pytest.param(
            400,
            {"error_code": "ModelArts.6737", "error_message": "conflict tag"},
            TagTaken,
            "ModelArts.6737",
            "conflict tag. An image cannot be overwritten",
            id="its older API",
        ),
        pytest.param(
            429,
            {"error_msg": "throttled", "error_code": "APIGW.0308", "request_id": "b"},
            Throttled,
            "APIGW.0308",
            "throttled. ",
            id="the gateway",
        ),
        pytest.param(
            401,
            {"error_msg": "Incorrect IAM authentication information", "error_code": "APIG.0301"},
            NotAuthenticated,
            "APIG.0301",
            "lock the key for five minutes",
            id="the gateway under its other name",
        ),
        pytest.param(
            401,
            {"error": {"code": 401, "message": "Log in.", "title": "Unauthorized"}},
            NotAuthenticated,
            "401",
            "Log in. ",
            id="IAM",
        ),
        pytest.param(
            403,
            {"error_code": "PAP5.0009", "error_msg": "no", "encoded_authorization_message": "x" * 500},
            PermissionDenied,
            "PAP5.0009",
            "no. Grant the action",
            id="a policy of the new kind",
        ),
        pytest.param(
            400, {"errorCode": "X.1", "errorMsg": "camel"}, RequestRefused, "X.1", "camel.", id="in camels"
        ),
        pytest.param(400, {"code": "X.2", "message": "plain"}, RequestRefused, "X.2", "plain.", id="plain"),
        pytest.param(
            400,
            {"error_code": "ModelArts.6327"},
            NotebookNotReady,
            "ModelArts.6327",
            "no reason given.",
            id="mute",
        ),
        pytest.param(
            400, {"error_code": None, "error_msg": None}, RequestRefused, "", "no reason given.", id="null"
        ),
        pytest.param(
            400, {"error_code": 6, "error_msg": ["a", 1]}, RequestRefused, "6", "['a', 1].", id="other types"
        ),
        pytest.param(
            500,
            {"meta": 1, "fault": {"code": "X.3", "message": "deep"}},
            ServiceFailed,
            "X.3",
            "deep.",
            id="deeper",
        ),
        pytest.param(
            500,
            {"meta": {}, "error": {"code": "X.4", "message": "second"}},
            ServiceFailed,
            "X.4",
            "second.",
            id="deeper, behind something else",
        ),
        pytest.param(502, HTML, ServiceFailed, "", "no reason given.", id="a proxy"),
        pytest.param(503, b"", ServiceFailed, "", "no reason given.", id="nothing"),
        pytest.param(404, b"[]", NotFound, "", "no reason given.", id="a list"),
        pytest.param(404, {}, NotFound, "", "no reason given.", id="an empty object"),
        *[
            pytest.param(
                500,
                b'{"a":' * depth + b"1" + b"}" * depth,
                ServiceFailed,
                "",
                "no reason given.",
                id=f"{depth} deep",
            )
            for depth in (100, 400, 900, 5000)
        ],
        pytest.param(100, b"", RequestRefused, "", "no reason given.", id="a status that is no answer"),
    ],
)
def test_a_refusal_is_read_in_every_envelope(
    status: int, body: object, error: type[ApiError], code: str, words: str
) -> None:
    """Class, status and code for the caller; words and remedy for the reader."""
    with pytest.raises(ApiError) as refused:
        run(modelarts(Scripted(reply(body, status))).call(LOOK))
    assert type(refused.value) is error
    assert (refused.value.status, refused.value.code) == (status, code)
    assert refused.value.message.startswith(f"ShowImage (GET /images/{IMAGE_ID}) was refused: ")
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
def test_the_gateways_echo_of_the_request_is_cut(echo: str) -> None:
    """It repeats headers, a security token among them."""
    body = {"error_code": "APIGW.0301", "error_msg": f"Incorrect IAM authentication information: {echo}"}
    with pytest.raises(NotAuthenticated) as refused:
        run(modelarts(Scripted(reply(body, 401))).call(LOOK))
    assert "information: verify aksk signature fail. Check access key" in str(refused.value)
    assert "hidden" not in "".join(traceback.format_exception(refused.value))


def test_a_long_reason_is_cut_and_on_one_line() -> None:
    """A log line is no place for a stack trace."""
    body = {"error_code": "X", "error_msg": "one\n\ttwo " + "x" * 500}
    with pytest.raises(RequestRefused) as refused:
        run(modelarts(Scripted(reply(body, 400))).call(LOOK))
    assert f"refused: one two {'x' * 292}…." in refused.value.message
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
        pytest.param(200, {}, {"id": ODD}, id="another image"),
    ],
)
def test_what_a_server_says_stays_printable(status: int, headers: dict[str, str], body: object) -> None:
    """Wherever in the message it ends up."""
    with pytest.raises(ModelArtsError) as caught:
        run(modelarts(Scripted(Response(status, headers, json.dumps(body).encode()))).call(LOOK))
    assert "[31mb" in str(caught.value)
    assert str(caught.value).isprintable()


def http_date(seconds: float) -> str:
    """Return a time as an HTTP header has it."""
    return format_datetime(datetime.fromtimestamp(seconds, tz=timezone.utc), usegmt=True)


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
def test_retry_after_is_read_in_both_forms(header: str, seconds: float | None) -> None:
    """Seconds or a date; what cannot be read is as good as nothing."""
    with pytest.raises(Throttled) as refused:
        run(modelarts(Scripted(reply({}, 429, retry_after=header))).call(LOOK, deadline=START))
    assert refused.value.retry_after == seconds


def test_a_date_without_a_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever time it is where we are."""
    header = http_date(START + 90).replace("GMT", "-0000")
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        with pytest.raises(Throttled) as refused:
            run(modelarts(Scripted(reply({}, 429, retry_after=header))).call(LOOK, deadline=START))
    time.tzset()
    assert refused.value.retry_after == 90


def test_without_retry_after_there_is_none() -> None:
    """And none is made up."""
    with pytest.raises(ServiceFailed) as refused:
        run(modelarts(Scripted(reply({}, 503))).call(LOOK))
    assert refused.value.retry_after is None


# Lists


def listing(
    ids: list[str],
    *,
    unit: str = "records",
    page_size: int = 2,
    **envelope: object,
) -> Callable[[Request], Response]:
    """Return a service that gives a list page by page, with whatever it says about it."""

    def answer(request: Request) -> Response:
        offset = int(parse_qs(urlsplit(request.url).query)["offset"][0])
        first = offset * page_size if unit == "pages" else offset
        data = [{"id": id_} for id_ in ids[first : first + page_size]]
        return reply({"data": data, **envelope})

    return answer


def collected(service: Callable[[Request], Response]) -> tuple[list[str], list[str]]:
    """Return the ids that were collected, and the offsets that were asked for."""
    transport = Scripted(service)
    items = run(modelarts(transport).collect(list_images()))
    offsets = [parse_qs(urlsplit(request.url).query)["offset"][0] for request in transport.requests]
    return [item.id for item in items], offsets


FIVE = ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("service", "ids", "offsets"),
    [
        pytest.param(listing(FIVE, total=5), FIVE, ["0", "2", "4"], id="as documented"),
        pytest.param(listing([], total=0), [], ["0"], id="empty"),
        pytest.param(listing(["a", "b"], total=2), ["a", "b"], ["0"], id="one page"),
        pytest.param(
            listing(FIVE, total=5, current=4, pages=54, size=2),
            FIVE,
            ["0", "2", "4"],
            id="current and pages contradict it",
        ),
        pytest.param(
            listing(FIVE, total=5, current=0, pages=0, size=0), FIVE, ["0", "2", "4"], id="or are all 0"
        ),
        pytest.param(listing(FIVE), FIVE, ["0", "2", "4", "5"], id="total is missing"),
        pytest.param(listing([]), [], ["0"], id="total is missing and nothing is there"),
        pytest.param(listing(FIVE, total=None), FIVE, ["0", "2", "4", "5"], id="total is null"),
        pytest.param(
            listing(FIVE, total=9), FIVE, ["0", "2", "4", "5", "1"], id="total is larger than the list"
        ),
        pytest.param(listing([], total=9), [], ["0"], id="total of an empty list"),
        pytest.param(
            listing(FIVE, unit="pages", total=5),
            ["a", "b", "e", "c", "d"],
            ["0", "2", "3", "1"],
            id="offset counts pages",
        ),
        pytest.param(
            listing([str(n) for n in range(20)], unit="pages", total=20, page_size=4),
            [*"0123", "16", "17", "18", "19", *"456789", "10", "11", "12", "13", "14", "15"],
            ["0", "4", "8", "1", "2", "3"],
            id="offset counts many pages",
        ),
        pytest.param(
            listing(["a", "b", "b", "c", "c"], total=3),
            ["a", "b", "c"],
            ["0", "2"],
            id="seen twice, kept once",
        ),
        pytest.param(listing(["a", "a", "b"], total=2), ["a", "b"], ["0", "2"], id="twice on a page"),
    ],
)
def test_a_list_is_collected(
    service: Callable[[Request], Response], ids: list[str], offsets: list[str]
) -> None:
    """Each item once, whatever the service says about the list."""
    assert collected(service) == (ids, offsets)


def test_short_pages_are_pages() -> None:
    """A service may give fewer than it was asked for."""
    pages = [["a", "b"], ["c"], ["d", "e"]]
    transport = Scripted(*[reply({"data": [{"id": id_} for id_ in page], "total": 5}) for page in pages])
    assert [item.id for item in run(modelarts(transport).collect(list_images()))] == FIVE
    offsets = [parse_qs(urlsplit(request.url).query)["offset"][0] for request in transport.requests]
    assert offsets == ["0", "2", "3"]


def test_filters_are_sent_with_every_page() -> None:
    """Or the second page would be of another list."""
    transport = Scripted(listing(FIVE, total=5))
    run(modelarts(transport).collect(list_images(namespace="n", limit=2)))
    queries = [parse_qs(urlsplit(request.url).query) for request in transport.requests]
    assert len(queries) == 3
    for query in queries:
        del query["offset"]
        assert query == {
            "limit": ["2"],
            "name_fuzzy_match": ["false"],
            "namespace": ["n"],
            "type": ["DEDICATED"],
        }


def test_a_list_that_repeats_itself_ends() -> None:
    """A service that ignores the offset gives its first page for ever."""
    same = reply({"data": [{"id": "a"}, {"id": "b"}], "total": 9})
    transport = Scripted(same)
    assert [item.id for item in run(modelarts(transport).collect(list_images()))] == ["a", "b"]
    assert len(transport.requests) == 3


def test_a_list_that_never_ends_is_given_up() -> None:
    """After a thousand pages, with what to do about it."""

    def endless(numbers: Iterator[int]) -> Callable[[Request], Response]:
        return lambda _: reply({"data": [{"id": next(numbers)}]})

    transport = Scripted(endless(iter(range(2 * MAX_PAGES))))
    with pytest.raises(UnexpectedReply, match="ListImages did not end after 1000 pages; narrow its filters"):
        run(modelarts(transport).collect(list_images()))
    assert len(transport.requests) == MAX_PAGES


def test_an_error_on_a_later_page_is_the_callers_to_see() -> None:
    """Half a list is not a list."""
    transport = Scripted(reply({"data": [{"id": "a"}], "total": 2}), reply({}, 503))
    with pytest.raises(ServiceFailed):
        run(modelarts(transport).collect(list_images()))


# Waits


def is_over(seen: Image) -> bool:
    """Say whether there is nothing more to wait for."""
    return not seen.is_pending


def watch(
    transport: Scripted, *, poll_interval: float = 10.0, timeout: float = 3600.0, seed: int = 1
) -> Image:
    """Wait for the image."""
    return run(
        modelarts(transport, seed=seed).watch(
            LOOK, is_over=is_over, poll_interval=poll_interval, deadline=START + timeout
        )
    )


def gaps(times: list[float]) -> list[float]:
    """Return the seconds between one look and the next."""
    return [later - earlier for earlier, later in pairwise(times)]


@pytest.mark.parametrize("status", ["ACTIVE", "CREATE_FAILED", "ERROR", "DELETED"])
def test_a_wait_ends_with_what_was_seen_last(status: str) -> None:
    """Good or bad: that is for the caller to say."""
    transport = Scripted(image("INIT"), image("CREATING"), image(status))
    assert watch(transport).status == status
    assert len(transport.requests) == 3


def test_a_status_of_tomorrow_is_waited_out() -> None:
    """It may pass."""
    assert watch(Scripted(image("PUSHING"), image("ACTIVE"))).is_active


def test_a_status_that_goes_backwards_is_waited_out(said: Callable[..., list[str]]) -> None:
    """Replicas of a service may disagree for a while; each change is said."""
    steps = ["CREATING", "INIT", "CREATING", "PUSHING", "INIT", "ACTIVE"]
    assert watch(Scripted(*map(image, steps))).is_active
    assert [line.split(",")[0] for line in said()] == [f"Image {IMAGE_ID} is {step}" for step in steps]


@pytest.mark.parametrize("seed", range(20))
def test_looks_are_spread(seed: int) -> None:
    """The first one within the interval, the others about an interval apart."""
    transport = Scripted(*[image()] * 20, image("ACTIVE"))
    watch(transport, seed=seed)
    assert 0 <= transport.times[0] <= 10
    assert all(9 <= gap <= 11 for gap in gaps(transport.times))
    assert len(set(gaps(transport.times))) > 10


def test_waits_that_start_together_do_not_look_together() -> None:
    """Their first looks are all over the interval."""
    first = []
    for seed in range(100):
        transport = Scripted(image("ACTIVE"))
        watch(transport, seed=seed)
        first.append(transport.times[0])
    assert min(first) < 1
    assert max(first) > 9


@pytest.mark.parametrize("poll_interval", [0.5, 0.0, -5.0])
def test_no_wait_hammers_the_service(poll_interval: float) -> None:
    """A second is the least, whatever was asked for."""
    transport = Scripted(*[image()] * 20, image("ACTIVE"))
    watch(transport, poll_interval=poll_interval)
    assert all(0.9 <= gap <= 1.1 for gap in gaps(transport.times))


TRANSIENT = [
    TransportFailed("gone"),
    TransportFailed("refused", arrived=False),
    reply(HTML),
    reply(b"", 503),
    reply({"error_code": "ModelArts.6102", "error_msg": "internal"}, 500),
    reply({"error_code": "APIGW.0308", "error_msg": "throttled"}, 429),
    reply({"id": "another", "status": "ACTIVE"}),
    reply({}, 408),
    reply(b"", 302),
]


@pytest.mark.parametrize("failure", TRANSIENT)
def test_a_wait_outlives_what_a_moment_may_cure(failure: Response | Exception) -> None:
    """However often it happens before the deadline."""
    assert watch(Scripted(image(), *[failure] * 30, image("ACTIVE"))).is_active


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (reply({"error_code": "ModelArts.6404", "error_msg": "not found"}, 400), NotFound),
        (reply({}, 401), NotAuthenticated),
        (reply({}, 403), PermissionDenied),
        (reply({}, 400), RequestRefused),
    ],
)
def test_what_waiting_does_not_cure_is_told_at_once(failure: Response, error: type[ApiError]) -> None:
    """A wrong key tried again and again would be locked."""
    transport = Scripted(image(), failure)
    with pytest.raises(error):
        watch(transport)
    assert len(transport.requests) == 2


def test_a_wait_that_is_too_long_looks_once_more_at_its_deadline() -> None:
    """Exactly then, and not after it."""
    transport = Scripted(image(status_message="pushing"))
    with pytest.raises(DeadlinePassed) as passed:
        watch(transport, timeout=95)
    assert str(passed.value) == f"Image {IMAGE_ID} is CREATING: pushing; the time to wait for it is over"
    assert transport.times[-1] == 95
    assert transport.times[-2] < 95


def test_a_good_end_at_the_deadline_is_not_missed() -> None:
    """The last look counts."""

    def answer(_: Request) -> Response:
        return image("ACTIVE" if transport.now >= START + 95 else "CREATING")

    transport = Scripted(answer)
    assert watch(transport, timeout=95).is_active


@pytest.mark.parametrize("timeout", [0.0, -1.0, -86_400.0])
def test_after_its_deadline_a_wait_still_looks_once(timeout: float) -> None:
    """At once: a triggerer may have been away while the image was saved."""
    transport = Scripted(image("ACTIVE"))
    assert watch(transport, timeout=timeout).is_active
    assert transport.sleeps == [0.0]
    late = Scripted(image())
    with pytest.raises(DeadlinePassed):
        watch(late, timeout=timeout)
    assert len(late.requests) == 1


def test_a_wait_in_which_no_look_succeeded_says_so() -> None:
    """Rather than a status that nobody saw."""
    with pytest.raises(DeadlinePassed, match=r"^No look succeeded; the time to wait for it is over$"):
        watch(Scripted(reply({}, 503)), timeout=300)


# Bad weather


def test_failures_are_asked_less_and_less_often() -> None:
    """From the third in a row on twice as long each time, to a minute and a little more."""
    transport = Scripted(*[reply({}, 503)] * 12, image("ACTIVE"))
    watch(transport, poll_interval=1)
    for failures, gap in enumerate(gaps(transport.times), start=1):
        pause = 1.0 if failures < 3 else min(60, 2**failures)
        assert 0.9 * pause <= gap <= 1.25 * pause + 1.1


@pytest.mark.parametrize("failures", [1, 2])
def test_a_failure_among_good_replies_is_no_bad_weather(failures: int) -> None:
    """The others go on as if nothing had happened: one lost reply in twenty must not slow a thousand."""
    transport = Together(*[reply({}, 503)] * failures, image())
    outcomes = run_together(transport, *watches(modelarts(transport), 20, timeout=100))
    assert all(isinstance(outcome, DeadlinePassed) for outcome in outcomes)
    assert 20 * 9 <= len(transport.times) <= 20 * 13


@pytest.mark.parametrize("retry_after", [{}, {"retry_after": "30"}])
def test_a_service_that_asks_for_less_is_heard_at_once(retry_after: dict[str, str]) -> None:
    """Whoever was refused speaks for all."""
    transport = Together(reply({}, 429, **retry_after), image())
    run_together(transport, *watches(modelarts(transport), 20, timeout=100))
    assert transport.times[1] - transport.times[0] >= 10


def test_a_long_interval_is_kept_in_bad_weather() -> None:
    """No failure makes a wait look more often."""
    transport = Scripted(*[reply({}, 503)] * 5, image("ACTIVE"))
    watch(transport, poll_interval=120)
    assert all(120 <= gap <= 1.25 * 120 + 132 for gap in gaps(transport.times))


@pytest.mark.parametrize(
    ("retry_after", "least"),
    [
        pytest.param("200", 200, id="seconds"),
        pytest.param(http_date(START + 200), 190, id="a date"),
        pytest.param("86400", 600, id="a day is too long"),
        pytest.param("9" * 400, 600, id="for ever as well"),
        pytest.param("0", 10, id="at once is too soon"),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(retry_after: str, least: float, status: int) -> None:
    """Within reason: at least the interval, at most ten minutes."""
    transport = Scripted(reply({}, status, retry_after=retry_after), image("ACTIVE"))
    watch(transport)
    [gap] = gaps(transport.times)
    assert least - 0.001 <= gap <= least + 25


def test_bad_weather_ends_with_the_first_good_reply() -> None:
    """From then on looks are an interval apart again."""
    transport = Scripted(*[reply({}, 503)] * 6, *[image()] * 5, image("ACTIVE"))
    watch(transport, poll_interval=2)
    assert gaps(transport.times)[5] > 60
    assert all(1.8 <= gap <= 2.2 for gap in gaps(transport.times)[6:])


def test_the_back_off_starts_anew_after_good_weather() -> None:
    """It does not remember the failures of yesterday."""
    bad = [reply({}, 503)] * 6
    transport = Scripted(*bad, image(), *bad, image("ACTIVE"))
    watch(transport, poll_interval=1)
    assert gaps(transport.times)[7] <= 1.25 * 2 + 1.1


def test_a_reply_that_cannot_be_read_is_no_bad_weather() -> None:
    """The service is there; looks stay an interval apart."""
    transport = Scripted(*[reply(HTML)] * 10, image("ACTIVE"))
    watch(transport)
    assert all(9 <= gap <= 11 for gap in gaps(transport.times))


def weather(*phases: tuple[float, Response], transport: Scripted) -> Callable[[Request], Response]:
    """Return a service that answers as each phase says until that second."""

    def answer(_: Request) -> Response:
        return next(given for until, given in phases if transport.now - START < until)

    return answer


def watches(client: ModelArts, count: int, *, timeout: float = 36_000) -> list[Any]:
    """Return waits that share one conversation."""
    return [
        client.watch(LOOK, is_over=is_over, poll_interval=10, deadline=START + timeout) for _ in range(count)
    ]


@pytest.mark.parametrize("count", [2, 50])
def test_waits_share_their_back_off(count: int) -> None:
    """In bad weather one look at a time probes for all of them; then each goes its own way again."""
    transport = Together()
    transport.answers = [
        weather(
            (60, image()),
            (1200, reply({}, 503)),
            (1800, image()),
            (9e9, image("ACTIVE")),
            transport=transport,
        )
    ]
    outcomes = run_together(transport, *watches(modelarts(transport), count))
    assert [outcome.status for outcome in outcomes] == ["ACTIVE"] * count
    bad = [at for at in transport.times if 60 <= at < 1200]
    if count > 2:
        assert bad[2] - bad[0] < 10, "three failures in a row are bad weather"
    assert all(gap >= 10 for gap in gaps(bad[2:]))
    assert len(bad) < 30, "the pause grows to a minute"
    again = [at for at in transport.times if 1300 <= at < 1400]
    assert 9 * count <= len(again) <= 12 * count
    back = [at for at in transport.times if 1200 <= at < 1300]
    assert len({round(at) for at in back}) >= min(count, 8), "they come back one by one"


def test_one_good_reply_clears_the_weather_for_all() -> None:
    """The others need no probe of their own."""
    transport = Together(reply({}, 503, retry_after="300"), image("ACTIVE"))
    outcomes = run_together(transport, *watches(modelarts(transport), 5))
    assert [outcome.status for outcome in outcomes] == ["ACTIVE"] * 5
    assert len(transport.requests) == 6
    assert transport.times[1] - transport.times[0] >= 300


def test_two_conversations_have_weather_of_their_own() -> None:
    """Another project may be fine."""
    transport = Together(reply({}, 503, retry_after="600"), image("ACTIVE"))
    run_together(transport, *watches(modelarts(transport), 1), *watches(modelarts(transport, seed=2), 1))
    assert transport.times[1] <= 10


# What a wait says


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[..., list[str]]:
    """Return the lines that were said aloud."""
    caplog.set_level(logging.DEBUG, LOGGER)

    def lines(level: int = logging.INFO) -> list[str]:
        return [
            record.getMessage()
            for record in caplog.records
            if record.name == LOGGER and record.levelno >= level
        ]

    return lines


def test_a_wait_says_what_changes(said: Callable[..., list[str]]) -> None:
    """And not that it looked."""
    transport = Scripted(
        image("INIT"),
        *[image()] * 10,
        *[image(status_message="pushing")] * 10,
        image("PUSHING"),
        image("ACTIVE"),
    )
    watch(transport)
    assert said() == [
        f"Image {IMAGE_ID} is INIT",
        f"Image {IMAGE_ID} is CREATING",
        f"Image {IMAGE_ID} is CREATING: pushing",
        f"Image {IMAGE_ID} is PUSHING, a status this provider does not know and takes as pending",
        f"Image {IMAGE_ID} is ACTIVE",
    ]


def test_a_wait_without_change_says_every_five_minutes_that_it_is_there(
    said: Callable[..., list[str]],
) -> None:
    """A thousand seconds of the same are four lines."""
    with pytest.raises(DeadlinePassed):
        watch(Scripted(image()), timeout=1000)
    assert said() == [f"Image {IMAGE_ID} is CREATING"] * 4


@pytest.mark.parametrize("failure", [TRANSIENT[0], TRANSIENT[3], TRANSIENT[5]])
def test_bad_weather_is_said_once_and_so_is_its_end(
    said: Callable[..., list[str]], failure: Response | Exception
) -> None:
    """Not at every look; the others are there for whoever debugs, and every five minutes a sign of life."""
    watch(Scripted(image(), *[failure] * 20, image(), image("ACTIVE")))
    before, warning, *rest = said()
    assert before == f"Image {IMAGE_ID} is CREATING"
    assert warning.startswith("Still waiting, although a look failed: ")
    alive = [line for line in rest if line == f"Still waiting, last seen: {before}"]
    assert 1 <= len(alive) <= 4
    assert [line for line in rest if line not in alive] == [
        "ModelArts answers again",
        f"Image {IMAGE_ID} is ACTIVE",
    ]
    assert len(said(logging.DEBUG)) == 4 + len(alive) + 19


@pytest.mark.parametrize("failure", [TRANSIENT[2], TRANSIENT[6], TRANSIENT[8]])
def test_a_run_of_strange_replies_is_said_once(said: Callable[..., list[str]], failure: Response) -> None:
    """No line per look, here as little as in bad weather."""
    watch(Scripted(image(), *[failure] * 20, image("ACTIVE")))
    assert len(said(logging.WARNING)) == 1


def test_bad_weather_is_said_by_those_who_met_it(said: Callable[..., list[str]]) -> None:
    """The three who made it out and the few who probed; the others say that they are still there."""
    transport = Together()
    transport.answers = [weather((1000, reply({}, 503)), (9e9, image("ACTIVE")), transport=transport)]
    run_together(transport, *watches(modelarts(transport), 20))
    warnings = len(said(logging.WARNING))
    assert 3 <= warnings <= 20
    assert said().count("ModelArts answers again") == warnings
    alive = said().count("Still waiting, last seen: nothing yet")
    assert 2 * 20 <= alive <= 4 * 20


def test_failures_that_come_and_go_are_said_every_five_minutes(said: Callable[..., list[str]]) -> None:
    """A wait of an hour with one bad reply in four leaves a dozen lines of it, not a hundred."""
    transport = Scripted(*[image(), image(), image(), reply({}, 503)] * 90, image("ACTIVE"))
    watch(transport)
    assert 8 <= len(said(logging.WARNING)) <= 13


def test_no_line_holds_a_secret(said: Callable[..., list[str]]) -> None:
    """Neither of the reply nor of the keys."""
    watch(Scripted(reply(HTML), reply(HTML, 502), image("ACTIVE")))
    text = "\n".join(said(logging.DEBUG))
    assert "hidden" not in text
    assert "SK" not in text


# The seam


def test_a_page_can_be_asked_for_by_itself() -> None:
    """Collecting is a convenience, not a must."""
    transport = Scripted(reply({"data": [{"id": "a"}], "total": 107}, x_request_id="r"))
    page = run(modelarts(transport).call(list_images()))
    assert page == Page[Image](data=[Image(id="a")], total=107, request_id="r")
