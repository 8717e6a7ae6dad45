"""A list of images in this process, without sockets: it counts the requests of thousands of waits."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from airflow_provider_modelarts.client.client import ModelArtsClient
from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.hooks.clients import create_client
from airflow_provider_modelarts.hooks.connection import Settings
from airflow_provider_modelarts.hooks.loop_local_pool import LoopLocalPool


class ImageService:
    """
    A transport that answers ShowImage and ListImages from a dict of statuses, newest last.

    :param images: of the project.
    :param cap: records of a page, whatever the limit is.
    :param is_ordered: whether the requested order is obeyed; else the oldest comes first.
    :param unlisted: ids that no page contains.
    """

    def __init__(self, images: int, *, cap: int = 500, is_ordered: bool = True) -> None:
        self.ids = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(images)]
        self.statuses = dict.fromkeys(self.ids, "CREATING")
        self.cap = cap
        self.is_ordered = is_ordered
        self.unlisted: set[str] = set()
        self.requests: list[tuple[float, str, dict[str, str]]] = []
        """When each request was sent, the API's name of its operation, and its query
        with the id."""

    def count(self, operation: str) -> int:
        return sum(name == operation for _, name, _ in self.requests)

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:  # noqa: ARG002
        url = urlsplit(request.url)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        image_id = url.path.rpartition("/images")[2].strip("/")
        query |= {"id": image_id} if image_id else {}
        self.requests.append((time.monotonic(), "ShowImage" if image_id else "ListImages", query))
        body = self._record(image_id) if image_id else self._page(query)
        return Response(200, {"content-type": "application/json"}, json.dumps(body).encode())

    async def sleep(self, seconds: float) -> None:  # noqa: ARG002
        raise AssertionError("the poller sleeps by itself")

    def _record(self, image_id: str) -> dict[str, Any]:
        return {"id": image_id, "status": self.statuses[image_id]}

    def _page(self, query: dict[str, str]) -> dict[str, Any]:
        listed = [image_id for image_id in self.ids if image_id not in self.unlisted]
        ordered = listed[::-1] if self.is_ordered else listed
        offset, limit = int(query["offset"]), min(int(query["limit"]), self.cap)
        page = ordered[offset : offset + limit]
        return {"total": len(listed), "data": [self._record(image_id) for image_id in page]}

    def pool(self) -> LoopLocalPool[Settings, ModelArtsClient]:
        """Return what takes the place of the pool of clients."""

        @asynccontextmanager
        async def open_client(settings: Settings) -> AsyncIterator[ModelArtsClient]:
            yield create_client(settings, self)

        return LoopLocalPool(open_client)
