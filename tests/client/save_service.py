"""A service on paper for saves: what it answers to each kind of request is a script of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from airflow_provider_modelarts.client.clouds import CLOUDS
from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.client.idempotent_create import IdempotentCreate
from airflow_provider_modelarts.client.marker import IdempotencyKey
from airflow_provider_modelarts.exceptions import ModelArtsError, TransportError
from tests.client.fake_transport import IMAGE_ID, FakeTransport, modelarts, reply, run

NOTEBOOK_ID = "6B1C2D3E-4F50-4A61-8B72-9C83AD94BE05"
OWN_KEY = IdempotencyKey("nightly", "save", "run", -1)
OTHER_KEY = IdempotencyKey("weekly", "save", "run", -1)
FIELDS = {"name": "research", "namespace": "team", "tag": "nightly", "description": "after the course"}
HTML = b"<html>"
POST, LIST, SHOW_NOTEBOOK, SHOW_IMAGE, DELETE = "create-image", "list", "notebook", "image", "delete"


def record(**fields: object) -> dict[str, object]:
    """Return this task's image, as a list holds it."""
    own = {
        "tag": "nightly",
        "description": OWN_KEY.append_to("after the course", NOTEBOOK_ID),
        "status": "CREATING",
    }
    return {"id": IMAGE_ID, "name": "research", "namespace": "team", **own, **fields}


def listed(*records: object) -> Response:
    return reply({"data": list(records), "total": len(records)})


def refused(status: int, code: str = "", **headers: str) -> Response:
    """Return a refusal; without a code it is a gateway's page."""
    if not code:
        return reply(HTML, status, x_request_id="r-1", **headers)
    return reply({"error_code": code, "error_msg": "no"}, status, x_request_id="r-1", **headers)


NOTHING = listed()
FOUND = listed(record())
RUNNING = reply({"id": NOTEBOOK_ID.lower(), "status": "RUNNING"})
BUSY = reply({"id": NOTEBOOK_ID, "status": "SNAPSHOTTING"})
CREATED = reply(record(status="INIT"))
FORBIDDEN = refused(403, "ModelArts.0112")

TAKEN = refused(400, "ModelArts.6737")

Answers = Mapping[str, Sequence[Response | Exception]]


class Service(FakeTransport):
    """A service with a script of responses for each kind of request, the last of which it repeats."""

    def __init__(self, answers: Answers) -> None:
        super().__init__(self._answer)
        self.scripts = {kind: list(script) for kind, script in answers.items()}
        self.kinds: list[str] = []

    def _answer(self, request: Request) -> Response:
        path = request.url.partition("?")[0]
        if request.method == "DELETE":
            kind = DELETE
        elif path.endswith("/create-image"):
            kind = POST
        elif path.endswith("/images"):
            kind = LIST
        else:
            kind = SHOW_NOTEBOOK if "/notebooks/" in path else SHOW_IMAGE
        self.kinds.append(kind)
        script = self.scripts[kind]
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def save(
        self,
        *,
        check_existing: bool = False,
        image_id_hint: str | None = None,
        key: IdempotencyKey = OWN_KEY,
        **how: Any,
    ) -> tuple[str, bool]:
        """Save through it, and return the image's id and whether it was adopted."""
        given = {**FIELDS, **how}
        saving = IdempotentCreate(modelarts(self), CLOUDS["huaweicloud"], NOTEBOOK_ID, key, **given)
        image, adopted = run(saving.save(check_existing=check_existing, image_id_hint=image_id_hint))
        return image.id, adopted

    def fails(self, error: type[ModelArtsError], **how: Any) -> ModelArtsError:
        """Save through it, and return the error, which is of this very class."""
        with pytest.raises(ModelArtsError) as caught:
            self.save(**how)
        assert type(caught.value) is error, repr(caught.value)
        assert not is_ring(caught.value)
        return caught.value

    @property
    def posts(self) -> int:
        """How often the save was sent."""
        return self.kinds.count(POST)


def is_ring(error: BaseException) -> bool:
    """Whether a chain of errors comes back to where it was; who prints it might never end."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None:
        if id(link) in seen:
            return True
        seen.add(id(link))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return False


def lost() -> Exception:
    return TransportError("No reply", stage="timeout")
