"""The operations on SWR: the request that each makes, and which response it accepts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_modelarts.client import operations
from airflow_provider_modelarts.client.clouds import (
    CLOUDS,
    CUSTOM,
    HUAWEI_CLOUD,
    HUAWEI_CLOUD_EU,
    OPEN_TELEKOM_CLOUD,
    Cloud,
)
from airflow_provider_modelarts.client.http_types import Operation, Response
from airflow_provider_modelarts.client.image_address import ImageAddress
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.client.registry import (
    RegistryTag,
    RetentionRule,
    is_in_enterprise_registry,
    registry_address,
    total_of,
)
from airflow_provider_modelarts.exceptions import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    InvalidConnectionError,
    InvalidResponseError,
    ModelArtsError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestValidationError,
    ServerError,
    TagConflictError,
)
from tests.client.fake_transport import FakeTransport, modelarts, reply, run

SWR = "https://swr-api.eu-de.otc.t-systems.com"
REPOSITORY = f"{SWR}/v2/manage/namespaces/team/repos/research"
LIST = operations.list_tags("team", "research")
DELETE = operations.delete_tag("team", "research", "v1")
CREATE = operations.create_tag(HUAWEI_CLOUD, "team", "research", source_tag="v1", destination_tag="stable")
RULES = operations.list_retention_rules("team", "research")
# The sample of Open Telekom Cloud's page.
MANIFEST = {"schemaVersion": 2, "layers": [{"size": 1292800, "digest": "sha256:8"}, {"size": 10240}]}
ITEM = {
    "id": 0,
    "repo_id": 0,
    "Tag": "latest",
    "image_id": "741f24a795d6",
    "manifest": json.dumps(MANIFEST),
    "digest": "sha256:57b605845a63",
    "schema": 2,
    "path": "swr.example.com/team/research:latest",
    "internal_path": "10.125.0.198:20202/team/research:latest",
    "size": 1304902,
    "is_trusted": False,
    "created": "2018-07-06T06:18:55Z",
    "updated": "2018-07-06T06:18:56Z",
    "deleted": None,
    "domain_id": "050",
    "scanned": False,
    "tag_type": 0,
}


def call(operation: Operation[Any], *answers: Response) -> tuple[Any, FakeTransport]:
    """Send an operation to a scripted SWR, and return its result or error."""
    transport = FakeTransport(*answers)
    client = modelarts(transport, swr_endpoint=SWR)
    try:
        return run(client.call(operation)), transport
    except ModelArtsError as error:
        return error, transport


@pytest.mark.parametrize(
    ("operation", "method", "url", "body", "answer"),
    [
        pytest.param(
            LIST,
            "GET",
            f"{REPOSITORY}/tags?limit=100&offset=0&order_column=updated_at&order_type=desc",
            b"",
            reply([]),
            id="list_tags",
        ),
        pytest.param(
            operations.list_tags("team", "deep/name", offset=20, limit=1000),
            "GET",
            f"{SWR}/v2/manage/namespaces/team/repos/deep$name/tags"
            "?limit=1000&offset=20&order_column=updated_at&order_type=desc",
            b"",
            reply([]),
            id="list_tags of a repository with a slash",
        ),
        pytest.param(DELETE, "DELETE", f"{REPOSITORY}/tags/v1", b"", reply(b"", 204), id="delete_tag"),
        pytest.param(
            CREATE,
            "POST",
            f"{REPOSITORY}/tags",
            b'{"source_tag": "v1", "destination_tag": "stable", "override": false}',
            reply(b"", 201),
            id="create_tag",
        ),
        pytest.param(RULES, "GET", f"{REPOSITORY}/retentions", b"", reply([]), id="list_retention_rules"),
    ],
)
def test_registry_operation_is_sent_to_swr(
    operation: Operation[Any], method: str, url: str, body: bytes, answer: Response
) -> None:
    result, transport = call(operation, answer)

    (request,) = transport.requests
    assert not isinstance(result, ModelArtsError)
    assert (request.method, request.url, request.body, request.service) == (method, url, body, "swr")
    assert request.headers["X-Project-Id"] == "p1"


@pytest.mark.parametrize("operation", [LIST, DELETE, CREATE, RULES], ids=lambda o: o.name)
def test_registry_operation_is_not_sent_without_endpoint(operation: Operation[Any]) -> None:
    transport = FakeTransport(reply([]))

    with pytest.raises(InvalidConnectionError, match="swr_endpoint"):
        run(modelarts(transport).call(operation))

    assert transport.requests == []


def test_registry_operation_is_sent_to_swr_by_poll_too() -> None:
    transport = FakeTransport(reply([]))
    client = modelarts(transport, swr_endpoint=SWR)
    assert not client.delay_before_poll(1)

    run(client.poll(LIST, poll_interval=1))

    assert transport.requests[0].url.startswith(SWR)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("operation", [DELETE, CREATE], ids=lambda o: o.name)
@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"OK"], ids=repr)
def test_registry_write_accepts_any_body(operation: Operation[Any], status: int, body: bytes) -> None:
    """No page documents one."""
    assert call(operation, reply(body, status))[0] is None


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"null", b'{"items": []}', b"<html>", b'{"data": []}'], ids=repr
)
@pytest.mark.parametrize("operation", [LIST, RULES], ids=lambda o: o.name)
def test_registry_list_that_is_no_array_is_no_empty_list(operation: Operation[Any], body: bytes) -> None:
    assert type(call(operation, reply(body))[0]) is InvalidResponseError


def test_registry_tag_is_parsed_from_sample_of_page() -> None:
    page, _ = call(LIST, reply([ITEM], content_range="0-1/250"))

    (tag,) = page.data
    assert (tag.tag, tag.id, tag.digest, tag.size_bytes) == ("latest", "latest", ITEM["digest"], 1304902)
    assert (tag.created_at, tag.updated_at) == (1530857935000, 1530857936000)
    assert (page.total, page.records) == (250, 1)
    assert tag.to_xcom() == {"digest": ITEM["digest"], "size_bytes": 1304902, "layers": 2}


@pytest.mark.parametrize(
    ("manifest", "layers"),
    [
        pytest.param(json.dumps(MANIFEST), 2, id="schema 2"),
        pytest.param('{"fsLayers": [{}, {}, {}]}', 3, id="schema 1"),
        pytest.param('{"manifests": [{}]}', None, id="a list of manifests"),
        pytest.param('{"layers": 7}', None, id="no list"),
        pytest.param("[]", None, id="no object"),
        pytest.param("not JSON", None, id="not JSON"),
        pytest.param("[" * 100_000, None, id="too deep"),
        pytest.param(f'{{"schemaVersion": {"9" * 5000}}}', None, id="too many digits"),
        pytest.param(None, None, id="missing"),
        pytest.param({"layers": []}, None, id="another type"),
    ],
)
def test_registry_tag_counts_layers_of_manifest(manifest: object, layers: int | None) -> None:
    assert RegistryTag.model_validate({"Tag": "v1", "manifest": manifest}).layers == layers


def test_registry_tag_without_name_is_left_out_and_counted() -> None:
    page, _ = call(LIST, reply([{"digest": "sha256:1"}, None, ITEM, 7], content_range="0-4/4"))

    assert [tag.tag for tag in page.data] == ["latest"]
    assert (page.records, page.total) == (4, 4)


@pytest.mark.parametrize(
    ("header", "total"),
    [
        ("0-10/32", 32),
        ("items 0-9/32", 32),
        ("0-0/0", 0),
        (" 0-10 / 32 ", 32),
        ("0-10/*", None),
        ("0-10", None),
        ("", None),
        (None, None),
        ("0-10/-3", None),
        ("0-1/" + "9" * 400, None),
    ],
    ids=repr,
)
def test_total_of_content_range(header: str | None, total: int | None) -> None:
    assert total_of(header) == total


def test_list_all_reads_every_page_of_tags() -> None:
    pages = [
        reply(
            [{"Tag": f"v{n}"} for n in range(start, min(start + 100, 250))], content_range=f"{start}-100/250"
        )
        for start in (0, 100, 200)
    ]
    transport = FakeTransport(*pages)

    tags = run(modelarts(transport, swr_endpoint=SWR).list_all(LIST))

    assert [tag.tag for tag in tags] == [f"v{n}" for n in range(250)]
    offsets = [request.url.partition("offset=")[2].partition("&")[0] for request in transport.requests]
    assert offsets == ["0", "100", "200"]


def test_list_all_reads_on_without_content_range() -> None:
    transport = FakeTransport(reply([{"Tag": "a"}, {"Tag": "b"}]), reply([]))
    assert len(run(modelarts(transport, swr_endpoint=SWR).list_all(LIST))) == 2


def test_list_all_never_returns_part_of_the_tags() -> None:
    transport = FakeTransport(reply([{"Tag": "a"}], content_range="0-1/2"))
    with pytest.raises(InvalidResponseError, match="incomplete list three times"):
        run(modelarts(transport, swr_endpoint=SWR).list_all(LIST))


CODE = "SVCSTG.SWR."


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda error: [error], id="as on the page"),
        pytest.param(lambda error: {"errors": [error]}, id="in an object"),
        pytest.param(lambda error: error, id="flat"),
    ],
)
@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (404, "4040048", NotFoundError),
        (404, "4040115", NotFoundError),
        (404, "4040113", NotFoundError),
        (404, "4040058", NotFoundError),
        (400, "4040115", NotFoundError),  # as ModelArts sends it
        (404, "4040083", BadRequestError),
        (409, "4090006", TagConflictError),
        (409, "4090023", RateLimitError),
        (401, "4010000", AuthenticationError),
        (401, "4011064", PermissionDeniedError),
        (403, "4039002", PermissionDeniedError),
        (500, "5000063", ServerError),
        (404, "4049999", ApiError),
    ],
)
def test_registry_error_is_chosen_by_code_in_either_form(
    wrap: Any, status: int, code: str, error: type[ApiError]
) -> None:
    body = wrap({"errorCode": CODE + code, "errorMessage": "the reason", "detail": ""})

    found, _ = call(DELETE, reply(body, status))

    assert type(found) is error
    assert (found.code, found.status) == (CODE + code, status)
    assert "the reason" in str(found)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'[{"detail": ""}]'], ids=repr)
def test_registry_404_without_code_is_transient(body: bytes) -> None:
    found, _ = call(LIST, reply(body, 404))
    assert type(found) is ApiError
    assert found.is_transient


@pytest.mark.parametrize("cloud", CLOUDS.values(), ids=list(CLOUDS))
def test_create_tag_is_refused_with_reason_where_swr_lacks_it(cloud: Cloud) -> None:
    def create() -> object:
        return operations.create_tag(cloud, "team", "research", source_tag="v1", destination_tag="v2")

    if cloud in (HUAWEI_CLOUD, HUAWEI_CLOUD_EU, CUSTOM):
        assert create()
    else:
        assert cloud is OPEN_TELEKOM_CLOUD
        with pytest.raises(RequestValidationError, match="SWR of Open Telekom Cloud has no such operation"):
            create()


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "..", "../x", "a//b", "/a", "a/", "a$b", "a%2Fb", "a?b", "é", None, 7]
)
def test_registry_operation_refuses_names_that_change_the_path(name: Any) -> None:
    for make in (operations.list_tags, operations.list_retention_rules):
        with pytest.raises(RequestValidationError, match="repository"):
            make("team", name)
    if name != "a//b":
        with pytest.raises(RequestValidationError, match="tag"):
            operations.delete_tag("team", "research", name)
    with pytest.raises(RequestValidationError, match="namespace"):
        operations.list_tags(name, "research")


@pytest.mark.parametrize("limit", [0, -1, 1001, "100", True, None])
def test_list_tags_refuses_limit_out_of_range(limit: Any) -> None:
    with pytest.raises(RequestValidationError, match="limit must be a whole number from 1 to 1000"):
        operations.list_tags("team", "research", limit=limit)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            {
                "template": "date_rule",
                "params": {"days": "30"},
                "tag_selectors": [{"kind": "label", "pattern": "v5"}],
            },
            "deletes tags older than 30 days, except v5",
        ),
        ({"template": "tag_rule", "params": {"num": "10"}}, "keeps 10 tags and deletes the others"),
        ({"template": "tag_rule", "params": {"num": 10}}, "keeps 10 tags and deletes the others"),
        ({"template": "new_rule", "params": []}, "deletes tags by an unknown rule"),
        ({"tag_selectors": "x"}, "deletes tags by an unknown rule"),
        ({"tag_selectors": True}, "deletes tags by an unknown rule"),
        (
            {"tag_selectors": [None, {"pattern": 7}]},
            "deletes tags by an unknown rule",
        ),
    ],
)
def test_retention_rules_are_described(rule: dict[str, Any], words: str) -> None:
    rules, _ = call(RULES, reply([{"algorithm": "or", "id": 222, "rules": [rule]}, {"rules": []}]))

    assert [found.describe() for found in rules] == [words]
    assert all(isinstance(found, RetentionRule) for found in rules)


@pytest.mark.parametrize(
    "policy", [{"rules": None}, {"rules": True}, {"rules": {}}, {"rules": [7]}, {}, 7], ids=str
)
def test_retention_policy_that_cannot_be_read_is_an_unknown_rule(policy: object) -> None:
    """It deletes tags nevertheless."""
    (rule,), _ = call(RULES, reply([policy]))

    assert rule.describe() == "deletes tags by an unknown rule"


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({"swr_path": "SWR.x:443/team/a/b:v1"}, ImageAddress("swr.x:443", "team/a/b", "v1")),
        ({"swr_path": "swr.x/team/n", "tag": "v2"}, ImageAddress("swr.x", "team/n", "v2")),
        ({"namespace": "team", "name": "n", "tag": "v3"}, ImageAddress("", "team/n", "v3")),
        ({"swr_path": "swr.x/team/n"}, None),
        ({"name": "n", "tag": "v3"}, None),
        ({}, None),
    ],
)
def test_registry_address_of_image(fields: dict[str, str], address: ImageAddress | None) -> None:
    found = registry_address(Image.model_validate({"id": "i", **fields}))

    assert found == address
    if found is not None:
        assert f"{found.namespace}/{found.repository}" == found.path


@pytest.mark.parametrize(
    ("fields", "is_enterprise"),
    [
        ({"swr_path": "swr.cn-north-4.myhuaweicloud.com/t/n:1"}, False),
        ({"swr_path": "swr.cn-north-4.myhuaweicloud.com/t/n:1", "swr_instance_id": "i"}, True),
        ({"swr_path": "mine-1.swr-pro.cn-north-4.myhuaweicloud.com/t/n:1"}, True),
        ({}, False),
    ],
)
def test_enterprise_registry_is_recognized(fields: dict[str, str], *, is_enterprise: bool) -> None:
    assert is_in_enterprise_registry(Image.model_validate({"id": "i", **fields})) is is_enterprise
