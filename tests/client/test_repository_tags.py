"""Lists of tags of SWR, and what an empty or incomplete one means."""

from __future__ import annotations

import pytest

from airflow_provider_modelarts.client.http_types import Response
from airflow_provider_modelarts.client.image_address import ImageAddress
from airflow_provider_modelarts.client.repository_tags import find_tags, read_tags
from airflow_provider_modelarts.exceptions import InvalidResponseError, NotFoundError
from tests.client.fake_transport import FakeTransport, modelarts, reply, run

REPOSITORY = ImageAddress("swr.example", "team/research", "v1")


def tags(*names: str, total: int) -> Response:
    records = [{"Tag": name, "digest": f"sha256:{name}"} for name in names]
    return reply(records, Content_Range=f"0-{len(names)}/{total}")


def absent(code: str) -> Response:
    return reply({"errors": [{"errorCode": code, "errorMessage": "absent"}]}, 404)


def read(*answers: Response, may_be_empty: bool = True) -> list[str]:
    modelarts_client = modelarts(FakeTransport(*answers), swr_endpoint="https://swr-api.example")
    return [*run(read_tags(modelarts_client, REPOSITORY, may_be_empty=may_be_empty))]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        pytest.param(tags("v1", "v2", total=2), ["v1", "v2"], id="tags"),
        pytest.param(tags(total=0), [], id="none"),
        pytest.param(absent("SVCSTG.SWR.4040009"), [], id="no repository"),
    ],
)
def test_repository_tags_are_read_by_name(answer: Response, found: list[str]) -> None:
    assert read(answer) == found


def test_repository_tags_of_unknown_organization_are_an_error() -> None:
    with pytest.raises(NotFoundError, match="no such organization"):
        read(absent("SVCSTG.SWR.4040058"))


def test_repository_tags_that_must_exist_are_an_error_without_any() -> None:
    with pytest.raises(
        InvalidResponseError, match=r"SWR lists no tag of team.research, .*\. Check swr_endpoint"
    ):
        read(tags(total=0), may_be_empty=False)


def test_find_tags_reads_no_further_page_than_needed() -> None:
    transport = FakeTransport(tags("v1", "v2", total=300))
    modelarts_client = modelarts(transport, swr_endpoint="https://swr-api.example")

    assert [*run(find_tags(modelarts_client, REPOSITORY, ["v1"]))] == ["v1"]
    assert len(transport.requests) == 1
