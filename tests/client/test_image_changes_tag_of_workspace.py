"""A new tag for an image whose record does not show its workspace, of which the connection has the id."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.client.image_changes import tag_image
from airflow_provider_modelarts.exceptions import TagConflictError
from tests.client.fake_transport import IMAGE_ID, FakeTransport, modelarts, reply, run
from tests.snapshots import OTHER, marker

RECORD = {"status": "ACTIVE", "namespace": "team", "name": "research"}


@pytest.mark.parametrize(("of_record", "given"), [({}, "w1"), ({"workspace_id": "w1"}, "w2")])
def test_tag_of_another_snapshot_of_the_workspace_is_not_moved(of_record: dict[str, Any], given: str) -> None:
    """Without the filter, the service lists the images of the default workspace."""

    def answer(request: Request) -> Response:
        parts = urlsplit(request.url)
        if not parts.path.endswith("/images"):
            return reply({"id": IMAGE_ID, "tag": "v2", **RECORD, **of_record})
        is_asked = parse_qs(parts.query).get("workspace_id") == ["w1"]
        other = {"id": "other", "tag": "stable", "description": marker(OTHER), **RECORD}
        return reply({"data": [other] if is_asked else [], "total": int(is_asked)})

    transport = FakeTransport(answer)
    tagging = tag_image(modelarts(transport), CLOUDS["huaweicloud"], IMAGE_ID, "stable", workspace_id=given)

    with pytest.raises(TagConflictError, match="a snapshot of notebook"):
        run(tagging)

    assert {request.method for request in transport.requests} == {"GET"}
