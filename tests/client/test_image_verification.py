"""What the checks of an image's tag in SWR log; their outcomes are tested in tests/integration."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_modelarts.client.client import NO_RETRY
from airflow_provider_modelarts.client.http_types import Response
from airflow_provider_modelarts.client.image_verification import CHECK_ATTEMPTS, verify_image
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import ApiError, ImageNotInRegistryError
from tests.client.fake_transport import FakeTransport, modelarts, reply, run

IMAGE = Image.model_validate(
    {"id": "i-1", "status": "ACTIVE", "swr_path": "swr.example/team/research:v1", "name": "research"}
)


@pytest.mark.parametrize(
    ("answer", "error", "cause"),
    [
        pytest.param(reply([]), ImageNotInRegistryError, "it is not listed", id="not listed"),
        pytest.param(reply(b"", 404), ApiError, "HTTP 404", id="gateway"),
    ],
)
def test_verification_logs_why_each_check_found_no_tag(
    answer: Response, error: type[Exception], cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "airflow_provider_modelarts.client.image_verification")
    transport = FakeTransport(answer)
    client = modelarts(transport, swr_endpoint="https://swr-api.example")

    with pytest.raises(error):
        run(verify_image(client, IMAGE, workspace_id="0", deadline=NO_RETRY))

    assert len(caplog.messages) == CHECK_ATTEMPTS
    for number, message in enumerate(caplog.messages, 1):
        assert message.startswith(
            f"Image i-1: check {number} of {CHECK_ATTEMPTS}, one each 5 s, found no tag "
        )
        assert "team/research:v1 in SWR" in message
        assert cause in message
