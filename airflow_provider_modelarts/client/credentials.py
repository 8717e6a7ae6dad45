"""
Credentials: each kind authenticates requests, and renews its token or temporary keys before they expire.

An object caches its token or keys, so that one object can serve all requests of a process.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from datetime import datetime, timezone

from airflow_provider_modelarts.client import iam
from airflow_provider_modelarts.client.http_types import Clock, Request, Response, Transport
from airflow_provider_modelarts.client.signing import sign
from airflow_provider_modelarts.exceptions import ApiError, AuthenticationError, ModelArtsError

REFUSAL_TTL = 300.0
"""
Seconds for which refused credentials are not sent again.

Five wrong signatures lock an access key, and wrong logins a user.
"""


class AuthenticationState:
    """
    Whether one service accepts one set of credentials, shared by all clients that send them.

    Credentials are proven from the first response that accepts them until one refuses them.
    """

    def __init__(self) -> None:
        self.is_proven = False
        self.refused_at = -math.inf
        self.failure: tuple[float, ModelArtsError | None] = -math.inf, None
        """The last error that does not show whether they are accepted, for calls that waited for its end."""
        self._refusal: AuthenticationError | None = None
        self._renewed_at = -math.inf

    def check(self, now: float) -> None:
        """
        Check that the credentials may be sent.

        :param now: monotonic seconds, here and below.
        :raises AuthenticationError: they were refused in the last :data:`REFUSAL_TTL` seconds.
        """
        first = self._refusal
        if first is None or (left := self.refused_at + REFUSAL_TTL - now) <= 0:
            return
        # A new one each time: a raised exception keeps its traceback, and thereby all frames in it.
        refusal = AuthenticationError(
            f"These credentials were refused {max(0, round(now - self.refused_at))} s ago and are not sent "
            f"again for {math.ceil(left)} s: correct the connection, or wait. "
            f"{first.message}",
            status=first.status,
            code=first.code,
            request_id=first.request_id,
            clock_skew=first.clock_skew,
        )
        refusal.may_have_been_processed = False
        raise refusal

    @property
    def changed_at(self) -> float:
        """When they were last refused or renewed; responses to earlier requests no longer count."""
        return max(self.refused_at, self._renewed_at)

    def accept(self) -> None:
        """Record that a response accepted the credentials."""
        self.is_proven = True
        self._refusal = None

    def refuse(self, error: AuthenticationError, now: float) -> None:
        """
        Record that the credentials were refused and cannot be renewed.

        :param now: monotonic seconds, as everywhere here.
        """
        self.is_proven = False
        if self._refusal is None or now - self.refused_at >= REFUSAL_TTL:
            # Otherwise the request was in flight during the first refusal, which still counts.
            self.refused_at = now
            self._refusal = copy.copy(error)

    def begin_renewal(self, error: ApiError, now: float) -> bool:
        """
        Return whether to renew a refused token or temporary key; if so, record the renewal.

        A new one that is refused too is not renewed. A refusal that may have another cause than the
        credentials renews them at most once in :data:`REFUSAL_TTL` seconds, as it may affect one kind of
        request only.
        """
        was_accepted = self.is_proven and isinstance(error, AuthenticationError)
        self.is_proven = False
        if not was_accepted and now - self._renewed_at < REFUSAL_TTL:
            return False
        self._renewed_at = now
        return True

    def clear_refusal(self) -> None:
        """Allow the credentials to be sent again at once."""
        self._refusal = None


class Credentials:
    """
    The base class of all kinds of credentials.

    :param register_secret: called with every token or secret key that is obtained, so that logs mask it.
    """

    def __init__(self, *, register_secret: Callable[[str], None] | None = None) -> None:
        self._projects: dict[tuple[str, str], str] = {}
        self._register_secret = register_secret or (lambda _: None)
        self._states: dict[str, AuthenticationState] = {}

    def state_at(self, endpoint: str) -> AuthenticationState:
        """
        Return the state of these credentials at a service.

        :param endpoint: of ModelArts; empty for IAM or the metadata service, which exchange them.
        """
        return self._states.setdefault(endpoint, AuthenticationState())

    def clear_refusals(self) -> None:
        """Allow the credentials to be sent again at once, because the cause of a refusal was corrected."""
        for state in self._states.values():
            state.clear_refusal()

    async def authenticate(self, request: Request, transport: Transport, clock: Clock) -> Request:
        """
        Return the request with a signature or token, after a login if one is due.

        :raises ModelArtsError: the login failed.
        """
        raise NotImplementedError

    def is_fresh(self, clock: Clock) -> bool:  # noqa: ARG002
        """Whether :meth:`authenticate` needs no login now."""
        return True

    def is_current(self, request: Request) -> bool:  # noqa: ARG002
        """Whether a request was authenticated with the present token or keys."""
        return True

    def invalidate(self, request: Request) -> bool:  # noqa: ARG002
        """
        Discard the token or keys of a request that was refused.

        :return: whether new ones can be obtained. A permanent access key has no replacement, and five wrong
            signatures lock it.
        """
        return False

    async def project_id(self, endpoint: str, name: str, transport: Transport, clock: Clock) -> str:
        """
        Return the id of a project, which is requested from IAM once.

        :param endpoint: scheme, host and port of IAM.
        :raises InvalidConnectionError: no project has that name, or several have.
        :raises ModelArtsError: the request to IAM failed.
        """
        if (endpoint, name) not in self._projects:
            response = await self.send(iam.list_projects(endpoint, name), transport, clock)
            self._projects[endpoint, name] = iam.parse_project(response, name, _now(clock))
        return self._projects[endpoint, name]

    async def send(self, request: Request, transport: Transport, clock: Clock) -> Response:
        """Send an authenticated request to IAM; a token or keys that it refuses are renewed once."""
        signed = await self.authenticate(request, transport, clock)
        response = await transport.send(signed)
        if response.status == 401 and self.invalidate(signed):
            response = await transport.send(await self.authenticate(request, transport, clock))
        return response


class AccessKeyCredentials(Credentials):
    """
    An access key and a secret key, with which requests are signed.

    :param security_token: of temporary keys; None for permanent ones.
    :param region: if set, the signature has the derived form of Open Telekom Cloud, which contains it.
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
            now=clock.time(),
            region=self._region,
        )


class PasswordCredentials(Credentials):
    """
    An IAM user's name and password, which a login exchanges for a token.

    :param endpoint: scheme, host and port of IAM.
    :param domain_name: the account that the user belongs to.
    :param project: ``{"id": …}`` or ``{"name": …}``, to which the token is scoped.
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
        """Return the request with the token, after a login if one is due."""
        token = await self._current(transport, clock)
        return request.with_headers({"X-Auth-Token": token.value})

    def is_fresh(self, clock: Clock) -> bool:
        """Whether there is a token that need not be renewed yet."""
        return self._token is not None and clock.monotonic() < self._renew_at

    def is_current(self, request: Request) -> bool:
        """Whether the request has the present token."""
        token = self._token
        return token is not None and request.headers.get("X-Auth-Token") == token.value

    def invalidate(self, request: Request) -> bool:
        """Discard the token of a refused request; a login returns another."""
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
        """Return the id of the token's project, which needs no permission to list projects."""
        return (await self._current(transport, clock)).project_id

    async def _current(self, transport: Transport, clock: Clock) -> iam.Token:
        token = self._token  # which another thread may discard meanwhile
        if token is None or not self.is_fresh(clock):
            token = iam.parse_token(await transport.send(self._login_request), _now(clock))
            self._register_secret(token.value)
            self._renew_at = clock.monotonic() + token.usable_for
            self._token = token
        return token


class _TemporaryCredentials(Credentials):
    """Temporary keys that a service issues for a limited time."""

    def __init__(self, *, region: str | None, register_secret: Callable[[str], None] | None) -> None:
        super().__init__(register_secret=register_secret)
        self._region = region
        self._keys: iam.TemporaryKeys | None = None
        self._renew_at = 0.0

    async def authenticate(self, request: Request, transport: Transport, clock: Clock) -> Request:
        """Return the request signed with temporary keys, after a request for new ones if they are due."""
        keys = self._keys  # which another thread may discard meanwhile
        if keys is None or not self.is_fresh(clock):
            keys = await self._fetch(transport, clock)
            self._register_secret(keys.secret_key)
            self._register_secret(keys.security_token)
            self._renew_at = clock.monotonic() + keys.usable_for
            self._keys = keys
        request = request.with_headers({"X-Security-Token": keys.security_token})
        return sign(
            request,
            access_key=keys.access_key,
            secret_key=keys.secret_key,
            now=clock.time(),
            region=self._region,
        )

    def is_fresh(self, clock: Clock) -> bool:
        """Whether there are keys that need not be renewed yet."""
        return self._keys is not None and clock.monotonic() < self._renew_at

    def is_current(self, request: Request) -> bool:
        """Whether the request was signed with the present keys."""
        keys = self._keys
        return keys is not None and request.headers.get("X-Security-Token") == keys.security_token

    def invalidate(self, request: Request) -> bool:
        """Discard the keys of a refused request; the service issues others."""
        if self.is_current(request):
            self._keys = None
        return True

    async def _fetch(self, transport: Transport, clock: Clock) -> iam.TemporaryKeys:
        raise NotImplementedError


class AgencyCredentials(_TemporaryCredentials):
    """
    Temporary keys of an agency, with which another account delegates permissions.

    :param source_credentials: credentials that may assume the agency (permission ``Agent Operator``).
    :param endpoint: scheme, host and port of IAM.
    :param agency_domain_name: the account that owns the agency.
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
    Temporary keys of this ECS's agency, which its metadata service issues to every process on it.

    :param region: see :class:`AccessKeyCredentials`.
    :param endpoint: scheme, host and port of the metadata service.
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
        response = await transport.send(iam.create_metadata_token(self._endpoint))
        token = iam.parse_metadata_token(response, _now(clock))
        response = await transport.send(iam.show_security_key(self._endpoint, token))
        if response.status in {401, 404}:
            raise AuthenticationError(
                "This host has no agency: assign one to the ECS, or set another auth in the connection",
                status=response.status,
            )
        what = "ShowSecurityKey (GET /openstack/latest/securitykey)"
        return iam.parse_temporary_keys(what, response, _now(clock))


def _now(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.time(), tz=timezone.utc)
