"""
Any response, event, id or connection is parsed or rejected with an error of this package.

More of it: ``bash run.sh test --hypothesis-profile=nightly tests/test_fuzz.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow.providers.common.compat.sdk import Connection
from hypothesis import event, example, given
from hypothesis import strategies as st
from yarl import URL

from airflow_provider_modelarts.client import iam, operations
from airflow_provider_modelarts.client.error_codes import ERROR_CODES, classify
from airflow_provider_modelarts.client.http_types import Operation, Response
from airflow_provider_modelarts.client.models import CreateImageRequest, Image
from airflow_provider_modelarts.client.responses import parse_response
from airflow_provider_modelarts.exceptions import (
    ApiError,
    InvalidConnectionError,
    InvalidResponseError,
    ModelArtsError,
    RequestValidationError,
    WaitTimeoutError,
)
from airflow_provider_modelarts.hooks.connection import parse_connection
from airflow_provider_modelarts.triggers.events import ImageEvent
from airflow_provider_modelarts.triggers.image import NotebookImageTrigger
from tests.airflow_versions import deserialized, serialized
from tests.mutations import any_text, anything, bodies, documents, headers, mostly, mutated, scalars

NOW = datetime(2026, 11, 21, tzinfo=timezone.utc)
ID = "6fa459ea-ee8a-3ca4-894e-db77e160355e"
PLANTED = "hidden-word-7d1f"

IMAGE = {
    "arch": "x86_64",
    "create_at": 1671786468811,
    "description": "nightly",
    "dev_services": ["NOTEBOOK", "SSH"],
    "id": ID,
    "name": "research",
    "namespace": "team",
    "origin": "IMAGE_SAVE",
    "resource_categories": ["CPU", "GPU"],
    "size": 3376133259,
    "status": "ACTIVE",
    "status_message": "Build successful.",
    "swr_path": "swr.example.com/team/research:nightly",
    "tag": "nightly",
    "update_at": 1671786468812,
    "workspace_id": "0",
    "token": PLANTED,
}
NOTEBOOK = {
    "id": ID,
    "name": "notebook_5c2d",
    "status": "RUNNING",
    "token": PLANTED,
    "image": {"id": "e1a07296", "name": "mindspore1.2", "swr_path": "swr.x/atelier/m:1", "token": PLANTED},
    "lease": {"create_at": 1638841744515, "duration": 3600000, "enable": True, "update_at": 1638841744515},
    "user": {"id": "u", "name": PLANTED},
    "workspace_id": "0",
}
REFUSALS: list[Any] = [
    {"error_code": "ModelArts.6404", "error_msg": "The image is not found.", "token": PLANTED},
    {"error_code": "ModelArts.0108", "error_message": "No permission.", "request_id": "r-1"},
    {"error_code": "APIGW.0301", "error_msg": f"verify failed, canonicalRequest: GET {PLANTED}"},
    {"error": {"code": 401, "message": "The request needs authentication.", "title": "Unauthorized"}},
    {"errors": [{"errorCode": "X.1", "errorMsg": "no"}], "data": {"token": PLANTED}},
    [{"errorCode": "SVCSTG.SWR.4040115", "errorMessage": "no tag", "detail": PLANTED}],
]
PAGES: list[Any] = [
    {"current": 0, "data": [IMAGE, {"id": "b"}], "pages": 1, "total": 2},
    {"current": 0, "data": [NOTEBOOK], "pages": 1, "total": 1},
]
CALLS: dict[str, Operation[Any]] = {
    "CreateImage": operations.create_image(ID, CreateImageRequest()),
    "ShowImage": operations.show_image(ID),
    "ListImages": operations.list_images(),
    "DeleteImage": operations.delete_image(ID),
    "ShowNotebook": operations.show_notebook(ID),
    "ListNotebooks": operations.list_notebooks(),
    "StartNotebook": operations.start_notebook(ID),
    "ShowLease": operations.show_lease(ID),
    "RenewLease": operations.renew_lease(ID, timedelta(hours=1)),
    "RegisterImage": operations.register_image("swr.example.com/team/research:v1"),
    "ListRepositoryTags": operations.list_tags("team", "research"),
    "ListRetentions": operations.list_retention_rules("team", "research"),
}

OWN: dict[str, Any] = {
    "CreateImage": IMAGE,
    "ShowImage": IMAGE,
    "ListImages": PAGES[0],
    "DeleteImage": {},
    "ShowNotebook": NOTEBOOK,
    "ListNotebooks": PAGES[1],
    "StartNotebook": NOTEBOOK,
    "ShowLease": NOTEBOOK["lease"],
    "RenewLease": NOTEBOOK["lease"],
    "RegisterImage": {"id": ID},
    "ListRepositoryTags": [
        {
            "Tag": "v1",
            "digest": "sha256:1",
            "size": 9,
            "manifest": '{"layers": [{}]}',
            "created": "2026-01-02",
        },
    ],
    "ListRetentions": [{"rules": [{"template": "tag_rule", "params": {"num": "10"}, "tag_selectors": []}]}],
}
FAILED = {**IMAGE, "status": "CREATE_FAILED", "status_message": "The disk is full."}

statuses = st.sampled_from([201, 302, 400, 400, 401, 403, 404, 408, 429, 500, 502, 504]) | st.integers(
    -1, 1000
)


def exchanges(own: dict[str, Any]) -> st.SearchStrategy[tuple[str, Response]]:
    """Return who reads and what came: mostly what should come, or a refusal, or what others should get."""

    def exchange(name: str) -> st.SearchStrategy[tuple[str, Response]]:
        document = st.sampled_from([own[name], own[name], *own.values(), *REFUSALS])
        response = st.builds(Response, st.just(200) | statuses, headers, document.flatmap(bodies))
        return st.tuples(st.just(name), response)

    return st.sampled_from(sorted(own)).flatmap(exchange)


def check_error(error: ModelArtsError) -> None:
    """Check that an error is one printable line of limited length without secrets, and valid JSON."""
    text = str(error)
    assert text.isprintable(), text
    assert len(text) < 2_000
    assert PLANTED not in text
    ImageEvent.of_error(error, {}).model_dump_json().encode()


@given(exchange=exchanges(OWN))
def test_parse_response_returns_model_or_raises_package_error(exchange: tuple[str, Response]) -> None:
    """For each operation, also with responses to others."""
    name, response = exchange
    try:
        found = parse_response(name, response, CALLS[name].parse, NOW.timestamp())
    except (ApiError, InvalidResponseError) as error:
        check_error(error)
        event(type(error).__name__)
    else:
        assert 200 <= response.status < 300
        assert PLANTED not in f"{found!r}"
        event(f"read as {type(found).__name__}")


@given(
    document=mutated(IMAGE) | mutated(FAILED),
    passthrough=st.fixed_dictionaries({}, optional={"adopted": st.booleans()}),
)
def test_parsed_image_is_valid_for_event_and_xcom(document: Any, passthrough: dict[str, Any]) -> None:
    try:
        image = parse_response(
            "ShowImage",
            Response(200, {}, json.dumps(document).encode()),
            Image.model_validate,
            NOW.timestamp(),
        )
    except InvalidResponseError:
        event("unreadable")
        return
    summary = image.to_xcom()
    assert json.loads(json.dumps(summary, ensure_ascii=False).encode()) == summary
    assert image.describe().isprintable()
    try:
        sent = ImageEvent.of_image(image.raise_for_status(), passthrough)
    except ModelArtsError as error:
        check_error(error)
        event("failed")
    else:
        received = ImageEvent.read(json.loads(sent.model_dump_json()))
        assert received.result() == {**summary, **passthrough}
        event("pushed to XCom")


@given(
    error=st.sampled_from(sorted(ERROR_CODES)) | st.tuples(st.integers(), any_text),
    status=st.none() | st.integers(),
)
def test_every_status_and_code_has_exception_and_remedy(error: tuple[int, str], status: int | None) -> None:
    known = classify(error[0] if status is None else status, error[1])

    assert issubclass(known.error, ApiError)
    assert isinstance(known.error("x", status=error[0], code=error[1]), ModelArtsError)


SUCCESS = ImageEvent.of_image(Image.model_validate(IMAGE), {"notebook_id": "n"}).model_dump(mode="json")
FAILURE = ImageEvent.of_error(WaitTimeoutError("too late"), {"notebook_id": "n"}).model_dump(mode="json")


@given(given_=mutated(SUCCESS) | mutated(FAILURE) | documents)
@example(given_={"status": "success", "image": {"image_id": None, "swr_path": None}})
def test_event_read_never_returns_success_without_image(given_: Any) -> None:
    try:
        outcome = ImageEvent.read(given_).result()
    except ModelArtsError:
        event("failure")
        return
    assert isinstance(outcome["image_id"], str)
    assert outcome["image_id"]
    assert "swr_path" in outcome
    event("success")


Make = Callable[[str], Operation[Any]]
MAKERS: dict[str, Make] = {
    "CreateImage": lambda value: operations.create_image(value, CreateImageRequest()),
    "ShowImage": operations.show_image,
    "DeleteImage": operations.delete_image,
    "ShowNotebook": operations.show_notebook,
    "StopNotebook": operations.stop_notebook,
    "RenewLease": lambda value: operations.renew_lease(value, timedelta(hours=1)),
}
_odd_ids = st.sampled_from(
    ["..", ".", "a/b", "a%2Fb", "a?b", "a#b", "a;b", "a\\b", "%2e%2e", "é", "a:b", "@", "a+b"]
)


@given(name=st.sampled_from(sorted(MAKERS)), value=st.just(ID) | any_text | _odd_ids | scalars | st.binary())
def test_operation_rejects_id_or_escapes_it_as_one_segment(name: str, value: Any) -> None:
    try:
        path = MAKERS[name](value).path
    except RequestValidationError as error:
        check_error(error)
        event("refused")
        return
    ends = ("/create-image", "/stop", "/lease")
    end = next((end for end in ends if path.endswith(end)), "")
    url = f"https://modelarts.example.com/v1/p{path}"
    parts = urlsplit(url)
    assert (parts.netloc, parts.query, parts.fragment) == ("modelarts.example.com", "", "")
    assert parts.path.isascii()
    _, v1, project, kind, segment = parts.path.removesuffix(end).split("/")
    assert (v1, project, unquote(segment)) == ("v1", "p", value)
    assert kind in {"images", "notebooks"}
    assert URL(url, encoded=True).raw_path == parts.path
    event("a segment")


EXTRAS = (
    {
        "region": "eu-de",
        "project_id": "p",
        "verify": "true",
        "read_timeout": 30,
        "proxy": "http://proxy:3128",
    },
    {
        "region": "cn-north-4",
        "auth": "password",
        "domain_name": "d",
        "console_url": "https://console.example",
    },
    {"cloud": "custom", "iam_endpoint": "https://iam.example", "agency_name": "a", "agency_domain_name": "d"},
)
_odd_hosts = [
    "http://[::1",
    "http://[v1.x]",
    "http://a:b",
    "//",
    "http://é",
    "ftp://example.com",
    "a@b",
    "a/b",
]
_fields = st.fixed_dictionaries(
    {"login": st.just("AK"), "password": st.just(PLANTED)},
    optional={
        "host": st.sampled_from(["", "example.com", "https://example.com:8443/"])
        | st.sampled_from(_odd_hosts)
        | any_text,
        "schema": st.sampled_from(["", "http", "https", "ftp"]) | any_text,
        "port": st.sampled_from([0, 443, 8443, 65535, -1, 70000]),
    },
)


@given(
    extra=mostly(
        st.sampled_from(EXTRAS).flatmap(mutated).map(json.dumps), anything.map(json.dumps) | any_text
    ),
    fields=mostly(st.just({"host": "example.com", "login": "AK", "password": PLANTED}), _fields),
)
@example(extra='{"region": "eu-de", "read_timeout": 1' + "0" * 400 + "}", fields={})
@example(extra="[" * 5_000, fields={})
def test_parse_connection_returns_settings_or_raises_without_password(
    extra: str, fields: dict[str, Any]
) -> None:
    connection = Connection(conn_id="c", conn_type="modelarts", extra=extra, **fields)
    try:
        settings = parse_connection(connection)
    except InvalidConnectionError as error:
        text = str(error)
        assert PLANTED not in text
        event("invalid")
        return
    for endpoint in filter(None, [settings.endpoint, settings.identity.iam_endpoint]):
        assert urlsplit(endpoint).scheme in {"http", "https"}
        assert urlsplit(endpoint).hostname
    assert PLANTED not in repr(settings)
    assert 0 < settings.transport_config.read_timeout < 86_400
    hash(settings)
    event("understood")


TOKEN = {"token": {"expires_at": "2026-11-22T00:00:00.000000Z", "project": {"id": "p", "name": "eu-de"}}}
KEYS = {
    "credential": {
        "access": "AK",
        "secret": PLANTED,
        "securitytoken": PLANTED,
        "expires_at": "2026-11-22T00:00:00.000000Z",
    }
}
PROJECTS = {"projects": [{"id": "p", "name": "eu-de"}, {"id": "q", "name": "eu-de_research"}]}
Read = Callable[[Response], Any]
READERS: dict[str, Read] = {
    "token": lambda response: iam.parse_token(response, NOW),
    "keys": lambda response: iam.parse_temporary_keys("ShowSecurityKey", response, NOW),
    "project": lambda response: iam.parse_project(response, "eu-de", NOW),
}


def _of_iam(name: str, document: Any) -> tuple[str, Response]:
    return name, Response(200, {"x-subject-token": "t"}, json.dumps(document).encode())


@given(exchange=exchanges({"token": TOKEN, "keys": KEYS, "project": PROJECTS}))
@example(exchange=_of_iam("token", {"token": {**TOKEN["token"], "expires_at": "2027-01-01T00:00:00"}}))
@example(exchange=_of_iam("token", {"token": {**TOKEN["token"], "expires_at": "9999-12-31T23:59:59-23:59"}}))
@example(exchange=_of_iam("project", {"projects": [{"id": "p\n\x1b[31m"}, {"id": "q" * 9_999}]}))
def test_iam_response_is_parsed_or_raises_package_error(exchange: tuple[str, Response]) -> None:
    name, response = exchange
    try:
        found = READERS[name](response)
    except ModelArtsError as error:
        check_error(error)
        event(type(error).__name__)
        return
    assert PLANTED not in repr(found)
    if not isinstance(found, str):
        assert found.usable_for > 0
    event(type(found).__name__)


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | any_text,
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(
    image_id=any_text,
    conn_id=any_text,
    poll_interval=st.floats(0, 1e6),
    deadline=st.floats(-1e12, 1e12),
    passthrough=st.none() | st.dictionaries(st.sampled_from(["notebook_id", "adopted", "x"]), _json),
)
def test_trigger_is_equal_after_serialization(
    image_id: str, conn_id: str, poll_interval: float, deadline: float, passthrough: dict[str, Any] | None
) -> None:
    trigger = NotebookImageTrigger(
        image_id=image_id,
        modelarts_conn_id=conn_id,
        poll_interval=poll_interval,
        deadline=deadline,
        passthrough=passthrough,
    )
    path, arguments = trigger.serialize()
    stored: Any = deserialized(json.loads(json.dumps(serialized(arguments))))

    assert path.rpartition(".")[2] == "NotebookImageTrigger"
    assert NotebookImageTrigger(**stored).serialize() == (path, arguments)
