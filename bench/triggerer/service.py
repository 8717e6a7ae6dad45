"""
The service that is polled: ModelArts' images, and what the peers poll, in a process of its own.

It answers from prepared bytes, so that the machine is free for what is measured, and counts what it gets. It
checks no signatures: the simulator does that in the tests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

OLDER_IMAGES = 500
"""ACTIVE images of the project that nobody waits for, older than those that are waited for."""
MAX_PAGE = 500
"""Records of the largest page, whatever the request asks for."""
DEFAULT_PAGE = 200
"""Records of a page without a limit in the query."""


def image_id(number: int) -> str:
    """Return the id of an image; those that are waited for are numbered from 0."""
    return f"{number:08x}-0000-4000-8000-000000000000"


@dataclass
class Counters:
    """What the service got since the last reset."""

    requests: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    refused: int = 0
    accepted: int = 0
    most_open: int = 0
    answered: set[int] = field(default_factory=set)
    longest_gap: float = 0.0
    """The longest time in seconds between two answers about one image."""


class Service:
    """
    Images that become ACTIVE, seen through the APIs of ModelArts and of the peers.

    :param waits: number of images that are not ACTIVE yet.
    :param rate: requests per second that are answered, the others with status 429; 0 for all.
    :param page_cap: records of the largest page.
    """

    def __init__(self, waits: int, *, rate: float, page_cap: int) -> None:
        self._waits = waits
        self._rate = rate
        self._tokens = rate
        self._refilled_at = 0.0
        self._page_cap = page_cap
        self.counters = Counters()
        self.open_connections = 0
        now = time.time()
        self._active_at = [float("inf")] * waits + [0.0] * OLDER_IMAGES
        self._answered_at = [now] * waits
        self._records = {
            status: [_record(number, status, now) for number in range(waits + OLDER_IMAGES)]
            for status in ("CREATING", "ACTIVE")
        }
        # Newest first: those that are waited for, and then the older ones.
        self._order = [*reversed(range(waits)), *range(waits, waits + OLDER_IMAGES)]
        self._numbers = {image_id(number): number for number in range(waits + OLDER_IMAGES)}

    def respond(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        """Return status and body of the response to a request."""
        if target.startswith("/control/"):
            return 200, json.dumps(self._control(target)).encode()
        now = time.time()
        self.counters.times.append(now)
        if not self._is_within_rate(now):
            self.counters.refused += 1
            return 429, b'{"error_code":"APIG.0308","error_msg":"The throttling threshold has been reached"}'
        parts = urlsplit(target)
        for prefix, kind, answer in (
            ("/peers/http/", "http", self._for_http),
            ("/api/2", "databricks", self._for_databricks),
            ("/api/v2/accounts/", "dbt-cloud", self._for_dbt_cloud),
        ):
            if parts.path.startswith(prefix):
                self.counters.requests[kind] += 1
                return answer(parts.path, body, now)
        _, _, _, collection, *rest = parts.path.split("/")
        if method == "GET" and collection == "images":
            self.counters.requests["ShowImage" if rest else "ListImages"] += 1
            return self._show(rest[0], now) if rest else self._list(parse_qs(parts.query), now)
        self.counters.requests[f"{method} {parts.path}"] += 1
        return 404, b'{"error_code":"ModelArts.0404","error_msg":"The benchmark has no such operation"}'

    def count_connection(self) -> None:
        """Count a connection with a first request."""
        self.open_connections += 1
        self.counters.accepted += 1
        self.counters.most_open = max(self.counters.most_open, self.open_connections)

    def _control(self, target: str) -> Any:
        """Do what the benchmark wants: read and reset the counters, or let the images become ACTIVE."""
        parts = urlsplit(target)
        counters = self.counters
        if parts.path == "/control/activate":
            over = float(parse_qs(parts.query)["over"][0])
            random, now = Random(1), time.time()  # noqa: S311 - the same for all
            self._active_at[: self._waits] = [now + random.uniform(0, over) for _ in range(self._waits)]
            return self._active_at[: self._waits]
        if parts.path == "/control/reset":
            self.counters = Counters(most_open=self.open_connections)
            self._answered_at = [time.time()] * self._waits
        else:
            for answered_at in self._answered_at:
                counters.longest_gap = max(counters.longest_gap, time.time() - answered_at)
        return {
            "requests": counters.requests,
            "times": counters.times,
            "refused": counters.refused,
            "accepted": counters.accepted,
            "most_open": counters.most_open,
            "answered": len(counters.answered),
            "longest_gap": counters.longest_gap,
        }

    def _is_within_rate(self, now: float) -> bool:
        if not self._rate:
            return True
        self._tokens = min(self._rate, self._tokens + (now - self._refilled_at) * self._rate)
        self._refilled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _note_answer(self, number: int, now: float) -> None:
        if number < self._waits:
            counters = self.counters
            counters.answered.add(number)
            counters.longest_gap = max(counters.longest_gap, now - self._answered_at[number])
            self._answered_at[number] = now

    def _status(self, number: int, now: float) -> str:
        return "ACTIVE" if self._active_at[number] <= now else "CREATING"

    def _show(self, wanted: str, now: float) -> tuple[int, bytes]:
        number = self._numbers[wanted]
        self._note_answer(number, now)
        return 200, self._records[self._status(number, now)][number]

    def _list(self, query: dict[str, list[str]], now: float) -> tuple[int, bytes]:
        offset = int(query.get("offset", ["0"])[0])
        size = min(int(query.get("limit", [str(DEFAULT_PAGE)])[0]), self._page_cap)
        numbers = self._order[offset : offset + size]
        for number in numbers:
            self._note_answer(number, now)
        items = b",".join(self._records[self._status(number, now)][number] for number in numbers)
        total = len(self._order)
        head = {"current": offset // size, "pages": -(-total // size), "size": size, "total": total}
        return 200, json.dumps(head).encode()[:-1] + b',"data":[' + items + b"]}"

    def _for_http(self, path: str, _: bytes, now: float) -> tuple[int, bytes]:
        number = int(path.rpartition("/")[2])
        self._note_answer(number, now)
        status = self._status(number, now)
        return (200 if status == "ACTIVE" else 404), self._records[status][number]

    def _for_databricks(self, _: str, body: bytes, now: float) -> tuple[int, bytes]:
        number = json.loads(body)["run_id"] - 1
        self._note_answer(number, now)
        is_done = self._status(number, now) == "ACTIVE"
        state = {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS", "state_message": ""}
        return 200, json.dumps({"state": state if is_done else {"life_cycle_state": "RUNNING"}}).encode()

    def _for_dbt_cloud(self, path: str, _: bytes, now: float) -> tuple[int, bytes]:
        number = int(path.rstrip("/").rpartition("/")[2]) - 1
        self._note_answer(number, now)
        status = 10 if self._status(number, now) == "ACTIVE" else 3
        return 200, json.dumps({"data": {"id": number + 1, "status": status}}).encode()


def _record(number: int, status: str, now: float) -> bytes:
    """Return an image as ShowImage and ListImages return it, as large as a real one."""
    at = int(now * 1000) - number * 1000
    return json.dumps(
        {
            "arch": "x86_64",
            "create_at": at,
            "description": f"Nightly snapshot of a notebook. [snapshot {number:032x} {image_id(number)}]",
            "dev_services": ["SSH", "NOTEBOOK"],
            "id": image_id(number),
            "name": f"research-{number}",
            "namespace": "team",
            "origin": "IMAGE_SAVE",
            "resource_categories": ["CPU", "GPU"],
            "service_type": "TRAIN",
            "size": 4_200_000_000,
            "status": status,
            "status_message": "",
            "support_res_categories": ["CPU", "GPU"],
            "swr_path": f"swr.eu-de.otc.t-systems.com/team/research-{number}:nightly-20260101t000000",
            "tag": "nightly-20260101t000000",
            "type": "DEDICATED",
            "update_at": at,
            "visibility": "PRIVATE",
            "workspace_id": "0",
        }
    ).encode()


class Connection(asyncio.Protocol):
    """One connection, with the requests on it one after the other."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._received = b""
        self._is_counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport: Any = transport

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """Count a connection of a client as closed."""
        self._service.open_connections -= self._is_counted

    def data_received(self, data: bytes) -> None:
        """Answer all requests that are complete."""
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, rest = self._received.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            self._received = rest[length:]
            method, target, _ = lines[0].split(" ")
            self._count(target)
            self._send(*self._service.respond(method, target, rest[:length]))

    def _count(self, target: str) -> None:
        if not self._is_counted and not target.startswith("/control/"):
            self._is_counted = True
            self._service.count_connection()

    def _send(self, status: int, body: bytes) -> None:
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        head = (
            f"HTTP/1.1 {status} Status\r\nDate: {date}\r\nContent-Type: application/json\r\n"
            f"X-Request-Id: 0123456789abcdef0123456789abcdef\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)


def control(port: int, what: str) -> Any:
    """Call the service's own operations: ``counters``, ``reset`` or ``activate?over=SECONDS``."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", f"/control/{what}")
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


async def serve(
    service: Service, certificate: Path | None, announce: Callable[[dict[str, int]], None]
) -> None:
    """Listen on loopback until the process is ended."""
    loop = asyncio.get_running_loop()
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    ports = {}
    for name, context in (("port", None), ("tls_port", tls)):
        server = await loop.create_server(
            lambda: Connection(service), "127.0.0.1", 0, ssl=context, backlog=10_000
        )
        ports[name] = server.sockets[0].getsockname()[1]
    announce(ports)
    await asyncio.Event().wait()


def main() -> None:
    """Serve; the first line of the output has the ports."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n", maxsplit=1)[0])
    parser.add_argument("--waits", type=int, required=True)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--page-cap", type=int, default=MAX_PAGE)
    parser.add_argument("--certificate", type=Path)
    given = parser.parse_args()
    service = Service(given.waits, rate=given.rate, page_cap=given.page_cap)
    asyncio.run(serve(service, given.certificate, lambda ports: print(json.dumps(ports), flush=True)))


if __name__ == "__main__":
    main()
