"""Saves whose image may exist, while no list has it yet and an answer about the notebook is unclear."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.http_types import Response
from airflow_provider_modelarts.client.idempotent_create import IdempotentCreate
from airflow_provider_modelarts.client.notebook_save import NotebookSave, Saved, SaveRules
from airflow_provider_modelarts.exceptions import PERMANENT, ModelArtsError, TransportError
from tests.client.fake_transport import IMAGE_ID, START, modelarts, reply, run
from tests.client.save_service import (
    CREATED,
    FORBIDDEN,
    HTML,
    LIST,
    NOTEBOOK_ID,
    NOTHING,
    OWN_KEY,
    POST,
    RUNNING,
    SHOW_IMAGE,
    SHOW_NOTEBOOK,
    Service,
    lost,
    refused,
)

RUNS = reply({"id": NOTEBOOK_ID, "status": "RUNNING", "image": {"id": IMAGE_ID}})
NAMED = {"name": "research", "namespace": "team"}
UNCLEAR = {
    "404 of a gateway": refused(404),
    "400 of a gateway": refused(400),
    "unknown code": refused(400, "ModelArts.9999"),
    "a page": reply(HTML),
    "another image": reply({"id": "another"}),
}
MISSING = refused(400, "ModelArts.6404")

unclear = pytest.mark.parametrize("answer", UNCLEAR.values(), ids=UNCLEAR)


def retry(service: Service, rules: SaveRules = SaveRules(), **names: Any) -> Saved:  # noqa: B008
    """Save as a later try does, on the cloud that needs no name."""
    client = modelarts(service)
    how: dict[str, Any] = {"tag": "nightly", "deadline": START + 5, **names}
    creation = IdempotentCreate(client, CLOUDS["otc"], NOTEBOOK_ID, OWN_KEY, **how)
    save = NotebookSave(client, creation, NOTEBOOK_ID, rules, deadline=START + 5)
    return run(save.save(check_existing=True))


@unclear
def test_create_does_not_resend_after_lost_response_if_image_is_unclear(answer: Response) -> None:
    """The image that the notebook runs may be that of the request whose response was lost."""
    service = Service({POST: [lost(), CREATED], LIST: [NOTHING], SHOW_NOTEBOOK: [RUNS], SHOW_IMAGE: [answer]})
    error = service.fails(TransportError)
    assert "Cannot check whether this task already saved" in str(error)
    assert service.posts == 1


@unclear
def test_save_of_later_try_without_name_sends_nothing_if_image_is_unclear(answer: Response) -> None:
    service = Service({LIST: [NOTHING], SHOW_NOTEBOOK: [RUNS], SHOW_IMAGE: [answer], POST: [CREATED]})
    with pytest.raises(ModelArtsError) as caught:
        retry(service)
    assert not isinstance(caught.value, PERMANENT)
    assert service.posts == 0


@pytest.mark.parametrize("answer", [refused(500), refused(404), reply(HTML), lost()], ids=repr)
def test_save_of_later_try_without_name_sends_nothing_if_notebook_is_unclear(
    answer: Response | Exception,
) -> None:
    service = Service({LIST: [NOTHING], SHOW_NOTEBOOK: [answer], POST: [CREATED]})
    with pytest.raises(ModelArtsError) as caught:
        retry(service)
    assert not isinstance(caught.value, PERMANENT)
    assert service.posts == 0


@pytest.mark.parametrize(
    ("notebook", "image"),
    [(FORBIDDEN, MISSING), (RUNS, FORBIDDEN), (RUNS, MISSING), (RUNNING, MISSING)],
    ids=["notebook forbidden", "image forbidden", "image gone", "no image"],
)
def test_save_of_later_try_without_name_is_sent_if_answer_is_clear_or_lasts(
    notebook: Response, image: Response
) -> None:
    service = Service({LIST: [NOTHING], SHOW_NOTEBOOK: [notebook], SHOW_IMAGE: [image], POST: [CREATED]})
    assert retry(service).is_adopted is False


@unclear
def test_save_of_later_try_with_name_is_sent_if_image_is_unclear(answer: Response) -> None:
    """The tag prevents a second image, so what the notebook runs may stay unknown."""
    service = Service({LIST: [NOTHING], SHOW_NOTEBOOK: [RUNS], SHOW_IMAGE: [answer], POST: [CREATED]})
    assert retry(service, SaveRules(skips_stopped=True), **NAMED).is_adopted is False
