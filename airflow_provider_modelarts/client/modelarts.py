"""The conversation with ModelArts: the only place that signs, pages, polls and turns replies into errors."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from random import Random
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlencode

from pydantic import ValidationError

from airflow_provider_modelarts.client.auth import Credentials
from airflow_provider_modelarts.client.errors import (
    DeadlinePassed,
    ModelArtsError,
    ServiceFailed,
    Throttled,
    TransportFailed,
    UnexpectedReply,
    meaning,
)
from airflow_provider_modelarts.client.models import Page
from airflow_provider_modelarts.client.wire import Call, Request, Response, Transport

T = TypeVar("T")

MAX_PAGES = 1_000
SHORTEST_INTERVAL = 1.0
"""Seconds between two looks, whatever was asked for: no wait may hammer the service."""
HEARTBEAT = 300.0
"""Seconds after which a wait that sees no change says that it is still there."""

log = logging.getLogger(__name__)


class HasId(Protocol):
    """What a list must hold so that its pages can be put together."""

    @property
    def id(self) -> str:
        """What tells it from the others."""


Item = TypeVar("Item", bound=HasId)


class Watched(Protocol):
    """What can be waited for."""

    def describe(self) -> str:
        """Return a line for the log, which changes when something changed."""


Seen = TypeVar("Seen", bound=Watched)


class Weather:
    """
    The back-off that all waits on one project share.

    In good weather everyone looks when it is their turn. After a failure one look at a time
    probes for all, until the first good reply.
    """

    LONGEST_PAUSE = 60.0
    LONGEST_RETRY_AFTER = 600.0

    def __init__(self, random: Random) -> None:
        self._random = random
        self._failures = 0
        self._shut_until = 0.0

    @property
    def is_bad(self) -> bool:
        """Whether the last reply was a failure."""
        return self._failures > 0

    def claim(self, now: float, poll_interval: float) -> float:
        """Return 0 if one may look now, or the seconds until it is worth asking again."""
        if now < self._shut_until:
            return self._shut_until - now
        if self._failures:
            self._shut_until = now + self._pause(poll_interval)
        return 0.0

    def worsen(self, now: float, poll_interval: float, retry_after: float | None) -> None:
        """Note a failure; the service may have said how long it wants to be left alone."""
        self._failures += 1
        asked_for = min(retry_after or 0.0, self.LONGEST_RETRY_AFTER)
        self._shut_until = now + max(asked_for, self._pause(poll_interval))

    def clear(self) -> None:
        """Note a good reply."""
        self._failures = 0
        self._shut_until = 0.0

    def _pause(self, poll_interval: float) -> float:
        backoff = min(self.LONGEST_PAUSE, 2.0 ** min(self._failures, 10))
        return max(poll_interval, backoff) * self._random.uniform(1.0, 1.25)


class ModelArts:
    """
    One account's conversation with one project of ModelArts.

    :param endpoint: scheme, host and port; no path.
    :param clock: the time in seconds since the epoch.
    :param random: for jitter.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        project_id: str,
        credentials: Credentials,
        transport: Transport,
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self._base = f"{endpoint}/v1/{quote(project_id, safe='')}"
        self._project_id = project_id
        self._credentials = credentials
        self._transport = transport
        self._clock = clock
        self._random = random
        self._weather = Weather(random)

    async def call(self, call: Call[T]) -> T:
        """
        Make one call and return what it says.

        :raises TransportFailed: nothing came back, so a write may or may not have taken effect.
        :raises UnexpectedReply: what came back cannot be read.
        :raises ApiError: the class says why it was refused.
        """
        response = await self._transport.send(self._request(call))
        return self._read(call, response)

    async def collect(self, call: Call[Page[Item]]) -> list[Item]:
        """
        Return all items of a list, each once.

        Only the items are trusted: the vendors' examples of ``current`` and ``pages`` contradict each
        other. Should ``offset`` turn out to count pages and not records, it is stepped as such.

        :raises UnexpectedReply: the list does not end.
        """
        found: dict[str, Item] = {}
        offset, counts_pages = 0, False
        for _ in range(MAX_PAGES):
            page = await self.call(call.with_query(offset=str(offset)))
            new = {item.id: item for item in page.data if item.id not in found}
            found |= new
            if page.total is not None and len(found) >= page.total:
                return list(found.values())
            if not new:
                nothing_more = page.total is None and not page.data
                if offset == 0 or counts_pages or nothing_more:
                    return list(found.values())
                offset, counts_pages = 0, True
            offset += 1 if counts_pages else len(page.data)
        raise UnexpectedReply(f"{call.operation} did not end after {MAX_PAGES} pages; narrow its filters")

    async def watch(
        self,
        call: Call[Seen],
        *,
        is_over: Callable[[Seen], bool],
        poll_interval: float,
        deadline: float,
    ) -> Seen:
        """
        Look again and again until it is over, and return what was seen last.

        Transient errors are waited out, however many there are. The first look comes after a random
        part of the interval, so that waits which start together do not look together; the last one
        comes at the deadline, even if that passed long ago, so that no good end is missed.

        :param poll_interval: seconds between looks.
        :param deadline: epoch seconds after which there is no further look.
        :raises DeadlinePassed: it was not over by then.
        :raises ModelArtsError: any error that waiting does not cure.
        """
        last: Seen | None = None
        said, said_at = "", self._clock()
        poll_interval = max(SHORTEST_INTERVAL, poll_interval)
        pause = self._random.uniform(0.0, poll_interval)
        while True:
            left = max(0.0, deadline - self._clock())
            is_last = pause >= left
            await self._transport.sleep(min(pause, left))
            pause = self._weather.claim(self._clock(), poll_interval)
            if not pause:
                try:
                    last = await self.call(call)
                except ModelArtsError as error:
                    if not error.is_transient:
                        raise
                    self._note(error, poll_interval)
                else:
                    self._clear_up()
                    line, now = last.describe(), self._clock()
                    if line != said or now - said_at >= HEARTBEAT:
                        log.info("%s", line)
                        said, said_at = line, now
                    if is_over(last):
                        return last
                pause = poll_interval * self._random.uniform(0.9, 1.1)
            if is_last:
                state = last.describe() if last else "No look succeeded"
                raise DeadlinePassed(f"{state}; the time to wait for it is over")

    def _clear_up(self) -> None:
        if self._weather.is_bad:
            log.info("ModelArts answers again")
        self._weather.clear()

    def _note(self, error: ModelArtsError, poll_interval: float) -> None:
        """Say the first of a run of errors aloud; a reply that cannot be read is no bad weather."""
        level = logging.DEBUG if self._weather.is_bad else logging.WARNING
        log.log(level, "Still waiting, although a look failed: %s", error)
        if isinstance(error, (TransportFailed, Throttled, ServiceFailed)):
            retry_after = getattr(error, "retry_after", None)
            self._weather.worsen(self._clock(), poll_interval, retry_after)

    def _request(self, call: Call[Any]) -> Request:
        query = urlencode(sorted(call.query.items()), quote_via=quote, safe="~")
        body = b"" if call.body is None else json.dumps(call.body, ensure_ascii=False).encode()
        request = Request(
            method=call.method,
            url=f"{self._base}{call.path}{'?' if query else ''}{query}",
            headers={
                "Accept": "application/json",
                "Content-Type": "application/json",
                "X-Language": "en-us",
                "X-Project-Id": self._project_id,
            },
            body=body,
        )
        return self._credentials.authorise(request, datetime.fromtimestamp(self._clock(), tz=timezone.utc))

    def _read(self, call: Call[T], response: Response) -> T:
        """Turn a reply into what the call promises, or into the error that it stands for."""
        what = f"{call.operation} ({call.method} {call.path})"
        reply = _decoded(response.body)
        request_id = _request_id(response, reply)
        if 200 <= response.status < 300:
            if isinstance(reply, dict):
                reply = {**reply, "request_id": request_id}
            try:
                return call.parse(reply)
            except ValidationError as error:
                # Neither the values nor the body: a notebook's reply holds its access token.
                first = error.errors(include_url=False, include_input=False, include_context=False)[0]
                place = ".".join(map(str, first["loc"])) or "the body"
                reason = f"{place}: {first['msg']}"
            except ValueError as error:
                reason = str(error)
            raise UnexpectedReply(
                f"{what} brought an unexpected reply: {reason} ({_facts(response, request_id)})"
            )
        if 300 <= response.status < 400:
            raise UnexpectedReply(
                f"{what} was redirected, which a signed request does not follow: "
                f"check the connection's host ({_facts(response, request_id)})"
            )
        code, text = _refusal(reply)
        known = meaning(response.status, code)
        raise known.error(
            " ".join(
                filter(
                    None,
                    [f"{what} was refused: {text or 'no reason given'}.", known.remedy],
                )
            ),
            status=response.status,
            code=code,
            request_id=request_id,
            retry_after=self._retry_after(response.headers.get("retry-after", "")),
        )

    def _retry_after(self, value: str) -> float | None:
        """Return the seconds that the header asks for, given as seconds or as a date."""
        if value.strip().isdecimal():
            return float(value)
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - self._clock())
        except (TypeError, ValueError, OverflowError):
            return None


def _decoded(body: bytes) -> Any:
    """Return the JSON of a body, or None: what is missing and what is broken end alike."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _request_id(response: Response, reply: Any) -> str:
    in_body = reply.get("request_id") if isinstance(reply, dict) else None
    headers = response.headers
    return headers.get("x-request-id") or headers.get("x-iam-trace-id") or str(in_body or "")


def _facts(response: Response, request_id: str) -> str:
    kind = response.headers.get("content-type", "no content type")
    facts = f"HTTP {response.status}, {kind}, {len(response.body)} bytes"
    return f"{facts}, request id {request_id}" if request_id else facts


# Each producer has an envelope of its own: ModelArts, its older API, the gateway, other services, IAM.
_ENVELOPES = (
    ("error_code", "error_msg"),
    ("error_code", "error_message"),
    ("errorCode", "errorMsg"),
    ("code", "message"),
)


def _refusal(reply: Any) -> tuple[str, str]:
    """Return the server's code and its words, from whichever envelope it used."""
    if not isinstance(reply, dict):
        return "", ""
    for code, message in _ENVELOPES:
        if code in reply and message in reply:
            return str(reply[code] or ""), _scrubbed(reply[message])
    if "error_code" in reply:
        return str(reply["error_code"] or ""), ""
    inner = (_refusal(value) for value in reply.values())
    return next((found for found in inner if any(found)), ("", ""))


def _scrubbed(message: Any) -> str:
    """Return a server's words on one short line, without the request that the gateway may echo."""
    text = re.split(r"canonical", str(message or ""), maxsplit=1, flags=re.IGNORECASE)[0]
    text = " ".join(text.split()).rstrip(" ,.:;")
    return text if len(text) <= 300 else f"{text[:300]}…"
