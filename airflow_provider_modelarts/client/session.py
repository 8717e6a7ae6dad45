"""Sends authenticated requests to one project, and renews tokens and temporary keys that were refused."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeGuard, TypeVar
from urllib.parse import quote, urlencode

from airflow_provider_modelarts.client.credentials import Credentials
from airflow_provider_modelarts.client.http_types import (
    Clock,
    Operation,
    Request,
    Response,
    Service,
    Transport,
)
from airflow_provider_modelarts.client.responses import parse_response
from airflow_provider_modelarts.exceptions import (
    RETRYABLE_ERRORS,
    ApiError,
    AuthenticationError,
    ModelArtsError,
)

T = TypeVar("T")
E = TypeVar("E", bound=ModelArtsError)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Project:
    """
    A project, by its id, or by its name and the IAM endpoint that returns the id.

    :param id: None if it must be requested from IAM.
    :param endpoint: scheme, host and port of IAM.
    """

    id: str | None
    name: str = ""
    endpoint: str = ""


class Session:
    """
    Sends requests to one service with one set of credentials.

    :param service: the name of the service, which derived signatures contain.
    :param endpoint: scheme, host and port of the service, without a path.
    :param lock: serialises logins and the first requests; see :class:`ModelArtsClient`.
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
        service: Service = "modelarts",
    ) -> None:
        self._service = service
        self._endpoint = endpoint
        self._project = project
        self._credentials = credentials
        self._transport = transport
        self._clock = clock
        self._lock = lock or nullcontext()
        self._login = credentials.state_at("")
        # One address may serve both, and each decides by itself whether it accepts the credentials.
        self._authentication = credentials.state_at(endpoint if service == "modelarts" else f"{endpoint}/swr")
        self._fixed: tuple[str, Mapping[str, str]] | None = None

    @property
    def project_id(self) -> str:
        """The id of the project that the last request was sent to; empty before the first."""
        fixed = self._fixed
        return fixed[1]["X-Project-Id"] if fixed else ""

    @property
    def refused_at(self) -> float:
        """When the credentials were last refused, in monotonic seconds."""
        return max(self._login.refused_at, self._authentication.refused_at)

    def check(self) -> None:
        """
        Check that the credentials may be sent.

        :raises AuthenticationError: they were refused in the last five minutes, by whichever call.
        """
        now = self._clock.monotonic()
        self._login.check(now)
        self._authentication.check(now)

    async def send(self, operation: Operation[T], *, timeout: float | None = None) -> T:
        """
        Send one operation and return its result, without retries.

        Only a refused token or temporary key is renewed once, and the operation sent again. Credentials that
        were not accepted yet are sent by one request at a time.

        :param timeout: seconds for the exchange.
        :raises ModelArtsError: as :meth:`ModelArtsClient.call`.
        """
        renewals = 0
        while True:
            queued_at = self._clock.monotonic()
            is_accepted = self._authentication.is_proven and self._credentials.is_fresh(self._clock)
            lock = None if is_accepted else AsyncExitStack()
            try:
                if lock is not None:
                    await lock.enter_async_context(self._lock)
                request = await self._request(operation, queued_at)
                if lock is not None and self._authentication.is_proven:
                    await lock.aclose()
                sent_at = self._clock.monotonic()
                try:
                    result = self._parse(operation, await self._transport.send(request, timeout=timeout))
                except ModelArtsError as error:
                    is_current = self._has_current_credentials(request, sent_at)
                    if not _is_refusal(error):
                        self._record_error(error, is_current=is_current)
                        raise
                    if is_current and not self._renew(request, error, is_last=renewals > 0):
                        raise
                    renewals += is_current
                else:
                    if not self._authentication.is_proven and self._has_current_credentials(request, sent_at):
                        self._authentication.accept()
                    return result
            finally:
                if lock is not None:
                    await lock.aclose()

    def _has_current_credentials(self, request: Request, sent_at: float) -> bool:
        """Whether a request's response shows if the present credentials are accepted."""
        return self._credentials.is_current(request) and sent_at >= self._authentication.changed_at

    def _renew(self, request: Request, error: ApiError, *, is_last: bool) -> bool:
        """
        Invalidate the token or key of a refused request, and return whether to send the request again.

        :param is_last: whether that was done before, so that no further token or key can help.
        """
        now = self._clock.monotonic()
        was_proven = self._authentication.is_proven
        is_renewable = not is_last and self._authentication.begin_renewal(error, now)
        if is_renewable and self._credentials.invalidate(request):
            log.info("Token or temporary key refused, renewing it: %s", error)
            return True
        if is_renewable and was_proven and not error.code:
            # The gateway refuses a signature with an error code. A 401 without one may come from a proxy,
            # and must not end all waits with a key that was accepted a moment ago.
            log.info("HTTP 401 without an error code, retrying once with the same credentials: %s", error)
            return True
        if isinstance(error, AuthenticationError):
            self._authentication.refuse(_unnamed(error), now)
        return False

    def _record_error(self, error: ModelArtsError, *, is_current: bool) -> None:
        """
        Record an error that does not refuse the credentials.

        :param is_current: whether the request was sent with the present credentials.
        """
        if isinstance(error, RETRYABLE_ERRORS):
            # It does not show whether the credentials are accepted; the calls in the queue fail with it too.
            if not self._authentication.is_proven:
                self._authentication.failure = self._clock.monotonic(), _unnamed(error)
        elif isinstance(error, ApiError) and is_current:
            self._authentication.accept()

    def _parse(self, operation: Operation[T], response: Response) -> T:
        last = operation.last
        if last is not None and response.status == 200 and response.body == last.body:
            result: T = last.result
            return result
        what = f"{operation.name} ({operation.method} {operation.path})"
        result = parse_response(what, response, operation.parse, self._clock.time())
        if last is not None and response.status == 200:
            last.body, last.result = response.body, result
        return result

    async def _request(self, operation: Operation[Any], queued_at: float) -> Request:
        """
        Return the authenticated request of an operation.

        :param queued_at: when the operation began to wait for the lock, in monotonic seconds.
        """
        self.check()
        failed_at, failure = self._authentication.failure
        if failure is not None and failed_at > queued_at:
            # It failed while this operation waited for the lock; a queue of them need not each time out.
            shared = copy.copy(failure)
            shared.may_have_been_processed = False
            raise shared.with_message(
                f"Nothing was sent, because another request with these credentials failed: {failure.message}"
            )
        try:
            project_id = self._project.id or await self._credentials.project_id(
                self._project.endpoint, self._project.name, self._transport, self._clock
            )
            request = self._unauthenticated_request(operation, project_id)
            return await self._credentials.authenticate(request, self._transport, self._clock)
        except ModelArtsError as error:
            # The login or the project lookup failed: the operation itself was not sent.
            error.may_have_been_processed = False
            if isinstance(error, AuthenticationError):
                self._login.refuse(error, self._clock.monotonic())
            else:
                self._authentication.failure = self._clock.monotonic(), copy.copy(error)
            raise

    def _unauthenticated_request(self, operation: Operation[Any], project_id: str) -> Request:
        fixed = self._fixed
        if fixed is None or fixed[1]["X-Project-Id"] != project_id:
            fixed = self._fixed = _request_prefix(self._service, self._endpoint, project_id)
        prefix, headers = fixed
        last = operation.last
        if last is not None and last.request is not None and last.request.headers is headers:
            return last.request
        url = f"{prefix}{operation.path}"
        if operation.query:
            url = f"{url}?{urlencode(sorted(operation.query.items()), quote_via=quote, safe='~')}"
        body = b"" if operation.body is None else json.dumps(operation.body, ensure_ascii=False).encode()
        request = Request(operation.method, url, headers, body, self._service, operation.max_bytes)
        if last is not None:
            last.request = request
        return request


def _is_refusal(error: ModelArtsError) -> TypeGuard[ApiError]:
    """Whether an error may mean that the credentials are wrong or have expired."""
    return isinstance(error, ApiError) and (error.status == 401 or isinstance(error, AuthenticationError))


def _unnamed(error: E) -> E:
    """Return a copy for other requests, whose message does not name the one that failed."""
    unnamed = copy.copy(error)
    return unnamed.with_message(error.reason or error.message)


def _request_prefix(service: Service, endpoint: str, project_id: str) -> tuple[str, Mapping[str, str]]:
    """Return how all addresses of a service begin, and the headers that all requests in a project have."""
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "X-Language": "en-us",
        "X-Project-Id": project_id,
    }
    path = "/v2/manage" if service == "swr" else f"/v1/{quote(project_id, safe='')}"
    return f"{endpoint}{path}", MappingProxyType(headers)
