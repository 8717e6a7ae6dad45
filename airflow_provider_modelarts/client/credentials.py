"""
Who we are: each kind of credentials puts its proof on a request, and renews it in time.

What is renewed lives in the credentials, so one object serves every request of its process.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from datetime import datetime, timezone

from airflow_provider_modelarts.client import iam
from airflow_provider_modelarts.client.http_types import Clock, Request, Response, Transport
from airflow_provider_modelarts.client.signing import sign
from airflow_provider_modelarts.exceptions import ApiError, AuthenticationError

REFUSAL_TTL = 300.0  # seconds
"""How long refused credentials are not sent again: five wrong signatures lock a key, and logins count too."""


class AuthenticationState:
    """
    Whether one service accepts one set of credentials, for all that send them there.

    Credentials are unproven until a reply shows that they were accepted, and again once they were refused.
    """

    def __init__(self) -> None:
        self.is_proven = False
        self.refused_at = -math.inf
        self._refusal: AuthenticationError | None = None
        self._renewed_at = -math.inf

    def check(self, now: float) -> None:
        """
        See that the credentials may be sent.

        :param now: monotonic seconds, here and below.
        :raises AuthenticationError: they were refused not long ago.
        """
        left = self.refused_at + REFUSAL_TTL - now
        if self._refusal is None or left <= 0:
            return
        # A new one each time: what is raised collects a traceback, and holds the frames in it.
        refusal = AuthenticationError(
            f"These credentials are not tried again for {math.ceil(left)} s, because they were refused "
            f"{max(0, round(now - self.refused_at))} s ago; change the connection or wait. "
            f"{self._refusal.message}",
            status=self._refusal.status,
            code=self._refusal.code,
            request_id=self._refusal.request_id,
            clock_skew=self._refusal.clock_skew,
        )
        refusal.may_have_been_processed = False
        raise refusal

    @property
    def doubted_at(self) -> float:
        """When they were last refused or renewed: what was sent before says nothing of them now."""
        return max(self.refused_at, self._renewed_at)

    def accept(self) -> None:
        """Note that a reply shows that the credentials are good."""
        self.is_proven = True
        self._refusal = None

    def refuse(self, error: AuthenticationError, now: float) -> None:
        """Note that the credentials were refused, and that nothing new can be obtained with them."""
        self.is_proven = False
        if self._refusal is None or now - self.refused_at >= REFUSAL_TTL:
            # Else it was on its way when another one was refused, and says nothing new.
            self.refused_at = now
            self._refusal = copy.copy(error)

    def begin_renewal(self, error: ApiError, now: float) -> bool:
        """
        Return whether a refused token or temporary key is worth a new one; if so, note that it is obtained.

        A new one that is refused as well is worth no third. Nor is, before its time, a refusal that may
        have another reason than the credentials: one request may meet it while all others pass.
        """
        was_accepted = self.is_proven and isinstance(error, AuthenticationError)
        self.is_proven = False
        if not was_accepted and now - self._renewed_at < REFUSAL_TTL:
            return False
        self._renewed_at = now
        return True

    def forget_refusal(self) -> None:
        """Let the credentials be sent again at once."""
        self._refusal = None


class Credentials:
    """
    What the conversation asks of every kind of credentials.

    :param register_secret: told of every secret that is obtained, so that logs can hide it.
    """

    def __init__(self, *, register_secret: Callable[[str], None] | None = None) -> None:
        self._projects: dict[tuple[str, str], str] = {}
        self._register_secret = register_secret or (lambda _: None)
        self._states: dict[str, AuthenticationState] = {}

    def state_at(self, endpoint: str) -> AuthenticationState:
        """
        Return whether a service accepts these credentials.

        :param endpoint: of ModelArts; empty for what they are exchanged at: IAM or the metadata service.
        """
        return self._states.setdefault(endpoint, AuthenticationState())

    def forget_refusals(self) -> None:
        """Let the credentials be sent again at once, because what led to their refusal was changed."""
        for state in self._states.values():
            state.forget_refusal()

    async def authenticate(self, request: Request, transport: Transport, clock: Clock) -> Request:
        """Return the request with the proof of who sends it; get a new proof first if it is time."""
        raise NotImplementedError

    def is_fresh(self, clock: Clock) -> bool:  # noqa: ARG002
        """Whether :meth:`authenticate` needs nobody but us now."""
        return True

    def is_current(self, request: Request) -> bool:  # noqa: ARG002
        """Whether a request sent now would carry the proof that this one carried."""
        return True

    def invalidate(self, request: Request) -> bool:  # noqa: ARG002
        """
        Forget the proof that this request carried, because it was refused.

        :return: whether there can be a new one. A wrong secret key stays wrong, and five wrong
            signatures lock the access key.
        """
        return False

    async def project_id(self, endpoint: str, name: str, transport: Transport, clock: Clock) -> str:
        """
        Return the id of a project, which IAM is asked for once.

        :param endpoint: of IAM.
        :raises InvalidConnectionError: there is none of that name, or more than one.
        """
        if (endpoint, name) not in self._projects:
            response = await self.send(iam.list_projects(endpoint, name), transport, clock)
            self._projects[endpoint, name] = iam.parse_project(response, name, _now(clock))
        return self._projects[endpoint, name]

    async def send(self, request: Request, transport: Transport, clock: Clock) -> Response:
        """Exchange a request to IAM with our proof for its reply; a proof that it refuses is renewed once."""
        signed = await self.authenticate(request, transport, clock)
        response = await transport.send(signed)
        if response.status == 401 and self.invalidate(signed):
            response = await transport.send(await self.authenticate(request, transport, clock))
        return response


class AccessKeyCredentials(Credentials):
    """
    An access key and its secret key; the latter signs and is never sent.

    :param security_token: makes them temporary keys.
    :param region: signs in the derived form with this region, which Open Telekom Cloud's page shows.
    """

    def __init__(
        self,
        access_key: str,
        secret_key: str,
        *,
        security_token: str | None = None,
        region: str | None = None,
    ) -> None:
        super().__init__()
        self._access_key = access_key
        self._secret_key = secret_key
        self._security_token = security_token
        self._region = region

    async def authenticate(self, request: Request, transport: Transport, clock: Clock) -> Request:  # noqa: ARG002
        """Sign the request."""
        if self._security_token:
            request = request.with_headers({"X-Security-Token": self._security_token})
        return sign(
            request,
            access_key=self._access_key,
            secret_key=self._secret_key,
            at=_now(clock),
            region=self._region,
        )


class PasswordCredentials(Credentials):
    """
    An IAM user's name and password, which are exchanged for a token.

    :param endpoint: of IAM.
    :param domain_name: the account that the user belongs to.
    :param project: ``{"id": …}`` or ``{"name": …}``.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        user_name: str,
        password: str,
        domain_name: str,
        project: dict[str, str],
        register_secret: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(register_secret=register_secret)
        self._login_request = iam.create_token(
            endpoint, user_name=user_name, password=password, domain_name=domain_name, project=project
        )
        self._token: iam.Token | None = None
        self._renew_at = 0.0

    async def authenticate(self, request: Request, transport: Transport, clock: Clock) -> Request:
        """Put the token on the request."""
        token = await self._current(transport, clock)
        return request.with_headers({"X-Auth-Token": token.value})

    def is_fresh(self, clock: Clock) -> bool:
        """Whether there is a token that is not to be renewed yet."""
        return self._token is not None and clock.monotonic() < self._renew_at

    def is_current(self, request: Request) -> bool:
        """Whether this is the token of the request."""
        return self._token is not None and request.headers.get("X-Auth-Token") == self._token.value

    def invalidate(self, request: Request) -> bool:
        """Forget the token; IAM gives another."""
        if self.is_current(request):
            self._token = None
        return True

    async def project_id(
        self,
        endpoint: str,  # noqa: ARG002
        name: str,  # noqa: ARG002
        transport: Transport,
        clock: Clock,
    ) -> str:
        """Return the project that the token is scoped to: no permission to list projects is needed."""
        return (await self._current(transport, clock)).project_id

    async def _current(self, transport: Transport, clock: Clock) -> iam.Token:
        if self._token is None or not self.is_fresh(clock):
            self._token = iam.parse_token(await transport.send(self._login_request), _now(clock))
            self._renew_at = clock.monotonic() + self._token.usable_for
            self._register_secret(self._token.value)
        return self._token


class _TemporaryCredentials(Credentials):
    """Keys that somebody gives for a while."""

    def __init__(self, *, region: str | None, register_secret: Callable[[str], None] | None) -> None:
        super().__init__(register_secret=register_secret)
        self._region = region
        self._keys: iam.TemporaryKeys | None = None
        self._renew_at = 0.0

    async def authenticate(self, request: Request, transport: Transport, clock: Clock) -> Request:
        """Sign the request with the keys of the hour."""
        if self._keys is None or not self.is_fresh(clock):
            self._keys = await self._fetch(transport, clock)
            self._renew_at = clock.monotonic() + self._keys.usable_for
            self._register_secret(self._keys.secret_key)
            self._register_secret(self._keys.security_token)
        request = request.with_headers({"X-Security-Token": self._keys.security_token})
        return sign(
            request,
            access_key=self._keys.access_key,
            secret_key=self._keys.secret_key,
            at=_now(clock),
            region=self._region,
        )

    def is_fresh(self, clock: Clock) -> bool:
        """Whether there are keys that are not to be renewed yet."""
        return self._keys is not None and clock.monotonic() < self._renew_at

    def is_current(self, request: Request) -> bool:
        """Whether these are the keys of the request."""
        token = request.headers.get("X-Security-Token")
        return self._keys is not None and token == self._keys.security_token

    def invalidate(self, request: Request) -> bool:
        """Forget the keys; there are others where they came from."""
        if self.is_current(request):
            self._keys = None
        return True

    async def _fetch(self, transport: Transport, clock: Clock) -> iam.TemporaryKeys:
        raise NotImplementedError


class AgencyCredentials(_TemporaryCredentials):
    """
    An agency through which another account lets us act.

    :param source_credentials: who we are without it; needs the permission ``Agent Operator``.
    :param endpoint: of IAM.
    :param region: see :class:`AccessKeyCredentials`.
    """

    def __init__(
        self,
        source_credentials: Credentials,
        *,
        endpoint: str,
        agency_name: str,
        agency_domain_name: str,
        region: str | None = None,
        register_secret: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(region=region, register_secret=register_secret)
        self._source_credentials = source_credentials
        self._assume = iam.create_temporary_keys(
            endpoint, agency_name=agency_name, agency_domain_name=agency_domain_name
        )

    async def _fetch(self, transport: Transport, clock: Clock) -> iam.TemporaryKeys:
        response = await self._source_credentials.send(self._assume, transport, clock)
        what = "CreateTemporaryAccessKey (POST /v3.0/OS-CREDENTIAL/securitytokens)"
        return iam.parse_temporary_keys(what, response, _now(clock))


class EcsAgencyCredentials(_TemporaryCredentials):
    """
    The agency of the ECS that we run on, whose keys its metadata service gives to all that runs there.

    :param region: see :class:`AccessKeyCredentials`.
    """

    def __init__(
        self,
        *,
        region: str | None = None,
        endpoint: str = iam.METADATA_ENDPOINT,
        register_secret: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(region=region, register_secret=register_secret)
        self._endpoint = endpoint

    async def _fetch(self, transport: Transport, clock: Clock) -> iam.TemporaryKeys:
        leave = await transport.send(iam.create_metadata_token(self._endpoint))
        token = iam.parse_metadata_token(leave, _now(clock))
        response = await transport.send(iam.show_security_key(self._endpoint, token))
        if response.status in {401, 404}:
            raise AuthenticationError(
                "This host has no agency whose keys it could give: assign one to the ECS, or change auth",
                status=response.status,
            )
        what = "ShowSecurityKey (GET /openstack/latest/securitykey)"
        return iam.parse_temporary_keys(what, response, _now(clock))


def _now(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.time(), tz=timezone.utc)
