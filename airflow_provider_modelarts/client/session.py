"""Sends the requests of one account to one project: signs them, renews what proves who sends them."""

from __future__ import annotations

import copy
import json
import logging
import math
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from airflow_provider_modelarts.client.credentials import Credentials
from airflow_provider_modelarts.client.http_types import Clock, Operation, Request, Transport
from airflow_provider_modelarts.client.responses import parse_response
from airflow_provider_modelarts.exceptions import (
    RETRYABLE_ERRORS,
    ApiError,
    AuthenticationError,
    ModelArtsError,
)

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Project:
    """
    Which project is talked about: its id, or its name and the IAM that knows the id.

    :param endpoint: of IAM.
    """

    id: str | None
    name: str = ""
    endpoint: str = ""


class Session:
    """
    What all calls to one service with one set of credentials share.

    :param endpoint: scheme, host and port; no path.
    :param lock: for what must not happen twice at once; see :class:`ModelArtsClient`.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        project: Project,
        credentials: Credentials,
        transport: Transport,
        clock: Clock,
        lock: AbstractAsyncContextManager[Any] | None,
    ) -> None:
        self._endpoint = endpoint
        self._project = project
        self._credentials = credentials
        self._transport = transport
        self._clock = clock
        self._lock = lock or nullcontext()
        self._login_request = credentials.state_at("")
        self._authentication = credentials.state_at(endpoint)
        self._failure: tuple[float, ModelArtsError | None] = -math.inf, None

    @property
    def refused_at(self) -> float:
        """When the credentials were last refused, in monotonic seconds."""
        return max(self._login_request.refused_at, self._authentication.refused_at)

    def check(self) -> None:
        """
        See that the credentials may be sent.

        :raises AuthenticationError: they were refused not long ago, whichever call sent them.
        """
        now = self._clock.monotonic()
        self._login_request.check(now)
        self._authentication.check(now)

    async def send(self, call: Operation[T], *, timeout: float | None = None) -> T:
        """
        Make one call, whatever becomes of it; a token or temporary key that is refused is renewed once.

        Credentials that nobody has accepted yet are sent by one call at a time.

        :param timeout: seconds for the exchange.
        """
        renewals = 0
        while True:
            queued_at = self._clock.monotonic()
            async with AsyncExitStack() as alone:
                if not (self._authentication.is_proven and self._credentials.is_fresh(self._clock)):
                    await alone.enter_async_context(self._lock)
                request = await self._request(call, queued_at)
                if self._authentication.is_proven:
                    await alone.aclose()
                sent_at = self._clock.monotonic()
                try:
                    result = await self._exchange(call, request, timeout)
                except ApiError as error:
                    if error.status != 401 and not isinstance(error, AuthenticationError):
                        self._passed(error, is_news=self._is_news(request, sent_at))
                        raise
                    if self._is_news(request, sent_at):
                        renewals += 1
                        self._refused(request, error, is_last=renewals > 1)
                except ModelArtsError as error:
                    self._passed(error, is_news=self._is_news(request, sent_at))
                    raise
                else:
                    if self._is_news(request, sent_at):
                        self._authentication.accept()
                    return result

    def _is_news(self, request: Request, sent_at: float) -> bool:
        """Whether what became of a request says something of the credentials as they are now."""
        return self._credentials.is_current(request) and sent_at >= self._authentication.doubted_at

    def _refused(self, request: Request, error: ApiError, *, is_last: bool) -> None:
        """Forget the proof of a request that was refused, or raise the refusal if that is of no use."""
        now = self._clock.monotonic()
        was_proven = self._authentication.is_proven
        is_renewable = not is_last and self._authentication.begin_renewal(error, now)
        if is_renewable and self._credentials.invalidate(request):
            log.info("The credentials are renewed, because they were refused: %s", error)
            return
        if is_renewable and was_proven and not error.code:
            # Who refuses a signature says so with a code. This may be a page of something on the way, and one
            # page must not end all waits with a key that was good a moment ago.
            log.info("The same credentials are sent once more, as no code came with the refusal: %s", error)
            return
        if isinstance(error, AuthenticationError):
            self._authentication.refuse(error, now)
        raise error

    def _passed(self, error: ModelArtsError, *, is_news: bool) -> None:
        """Note what an error that is no refusal of the credentials says of them."""
        if isinstance(error, RETRYABLE_ERRORS):
            # Nothing: neither need those who queue to send theirs find out for themselves.
            if not self._authentication.is_proven:
                self._failure = self._clock.monotonic(), copy.copy(error)
        elif isinstance(error, ApiError) and is_news:
            self._authentication.accept()

    async def _exchange(self, call: Operation[T], request: Request, timeout: float | None) -> T:
        response = await self._transport.send(request, timeout=timeout)
        return parse_response(f"{call.name} ({call.method} {call.path})", response, call.parse, self._now())

    async def _request(self, call: Operation[Any], queued_at: float) -> Request:
        """
        Return the request that makes a call, with the proof of who makes it.

        :param queued_at: when the call began to wait for its turn, in monotonic seconds.
        """
        self.check()
        failed_at, failure = self._failure
        if failure is not None and failed_at > queued_at:
            # It failed while this call waited for its turn: a thousand calls need not each fail so.
            shared = copy.copy(failure)
            shared.may_have_been_processed = False
            raise shared
        try:
            return await self._build_request(call)
        except ModelArtsError as error:
            # It was about who asks: the call itself was never sent.
            error.may_have_been_processed = False
            if isinstance(error, AuthenticationError):
                self._login_request.refuse(error, self._clock.monotonic())
            else:
                self._failure = self._clock.monotonic(), copy.copy(error)
            raise

    async def _build_request(self, call: Operation[Any]) -> Request:
        project_id = self._project.id or await self._credentials.project_id(
            self._project.endpoint, self._project.name, self._transport, self._clock
        )
        query = urlencode(sorted(call.query.items()), quote_via=quote, safe="~")
        path = f"/v1/{quote(project_id, safe='')}{call.path}"
        request = Request(
            method=call.method,
            url=f"{self._endpoint}{path}{'?' if query else ''}{query}",
            headers={
                "Accept": "application/json",
                "Content-Type": "application/json",
                "X-Language": "en-us",
                "X-Project-Id": project_id,
            },
            body=b"" if call.body is None else json.dumps(call.body, ensure_ascii=False).encode(),
            max_bytes=call.max_bytes,
        )
        return await self._credentials.authenticate(request, self._transport, self._clock)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.time(), tz=timezone.utc)
