"""
Who we are: each kind of credentials puts its proof on a request, and renews it in time.

What is renewed lives in the credentials, so one object serves every request of its process.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

from airflow_provider_modelarts.client import iam
from airflow_provider_modelarts.client.errors import NotAuthenticated
from airflow_provider_modelarts.client.signing import sign
from airflow_provider_modelarts.client.wire import Clock, Request, Transport


class Credentials:
    """
    What the conversation asks of every kind of credentials.

    :param on_secret: told of every secret that is obtained, so that logs can hide it.
    """

    def __init__(self, *, on_secret: Callable[[str], None] | None = None) -> None:
        self._projects: dict[tuple[str, str], str] = {}
        self._on_secret = on_secret or (lambda _: None)

    async def authorise(self, request: Request, transport: Transport, clock: Clock) -> Request:
        """Return the request with the proof of who sends it; get a new proof first if it is time."""
        raise NotImplementedError

    def forget(self, request: Request) -> bool:  # noqa: ARG002
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
        :raises InvalidConnection: there is none of that name, or more than one.
        """
        if (endpoint, name) not in self._projects:
            request = await self.authorise(iam.list_projects(endpoint, name), transport, clock)
            self._projects[endpoint, name] = iam.project_of(await transport.send(request), name, _now(clock))
        return self._projects[endpoint, name]


class AccessKey(Credentials):
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

    async def authorise(self, request: Request, transport: Transport, clock: Clock) -> Request:  # noqa: ARG002
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


class Password(Credentials):
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
        on_secret: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(on_secret=on_secret)
        self._log_in = iam.create_token(
            endpoint, user_name=user_name, password=password, domain_name=domain_name, project=project
        )
        self._token: iam.Token | None = None
        self._renew_at = 0.0

    async def authorise(self, request: Request, transport: Transport, clock: Clock) -> Request:
        """Put the token on the request."""
        token = await self._current(transport, clock)
        return request.with_headers({"X-Auth-Token": token.value})

    def forget(self, request: Request) -> bool:
        """Forget the token; IAM gives another."""
        if self._token and request.headers.get("X-Auth-Token") == self._token.value:
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
        if self._token is None or clock.monotonic() >= self._renew_at:
            self._token = iam.token_of(await transport.send(self._log_in), _now(clock))
            self._renew_at = clock.monotonic() + self._token.usable_for
            self._on_secret(self._token.value)
        return self._token


class _Temporary(Credentials):
    """Keys that somebody gives for a while."""

    def __init__(self, *, region: str | None, on_secret: Callable[[str], None] | None) -> None:
        super().__init__(on_secret=on_secret)
        self._region = region
        self._keys: iam.TemporaryKeys | None = None
        self._renew_at = 0.0

    async def authorise(self, request: Request, transport: Transport, clock: Clock) -> Request:
        """Sign the request with the keys of the hour."""
        if self._keys is None or clock.monotonic() >= self._renew_at:
            self._keys = await self._fetch(transport, clock)
            self._renew_at = clock.monotonic() + self._keys.usable_for
            self._on_secret(self._keys.secret_key)
            self._on_secret(self._keys.security_token)
        request = request.with_headers({"X-Security-Token": self._keys.security_token})
        return sign(
            request,
            access_key=self._keys.access_key,
            secret_key=self._keys.secret_key,
            at=_now(clock),
            region=self._region,
        )

    def forget(self, request: Request) -> bool:
        """Forget the keys; there are others where they came from."""
        if self._keys and request.headers.get("X-Security-Token") == self._keys.security_token:
            self._keys = None
        return True

    async def _fetch(self, transport: Transport, clock: Clock) -> iam.TemporaryKeys:
        raise NotImplementedError


class Agency(_Temporary):
    """
    An agency through which another account lets us act.

    :param base: who we are without it; needs the permission ``Agent Operator``.
    :param endpoint: of IAM.
    :param region: see :class:`AccessKey`.
    """

    def __init__(
        self,
        base: Credentials,
        *,
        endpoint: str,
        agency_name: str,
        agency_domain_name: str,
        region: str | None = None,
        on_secret: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(region=region, on_secret=on_secret)
        self._base = base
        self._assume = iam.create_temporary_keys(
            endpoint, agency_name=agency_name, agency_domain_name=agency_domain_name
        )

    async def _fetch(self, transport: Transport, clock: Clock) -> iam.TemporaryKeys:
        request = await self._base.authorise(self._assume, transport, clock)
        response = await transport.send(request)
        # A token may have been revoked meanwhile: that is worth one new one, as in the conversation.
        if response.status == 401 and self._base.forget(request):
            request = await self._base.authorise(self._assume, transport, clock)
            response = await transport.send(request)
        what = "CreateTemporaryAccessKey (POST /v3.0/OS-CREDENTIAL/securitytokens)"
        return iam.temporary_keys_of(what, response, _now(clock))


class HostAgency(_Temporary):
    """
    The agency of the ECS that we run on, whose keys its metadata service gives to all that runs there.

    :param region: see :class:`AccessKey`.
    """

    def __init__(
        self,
        *,
        region: str | None = None,
        endpoint: str = iam.METADATA_ENDPOINT,
        on_secret: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(region=region, on_secret=on_secret)
        self._endpoint = endpoint

    async def _fetch(self, transport: Transport, clock: Clock) -> iam.TemporaryKeys:
        leave = await transport.send(iam.create_metadata_token(self._endpoint))
        token = iam.metadata_token_of(leave, _now(clock))
        response = await transport.send(iam.show_security_key(self._endpoint, token))
        if response.status in {401, 404}:
            raise NotAuthenticated(
                "This host has no agency whose keys it could give: assign one to the ECS, or change auth",
                status=response.status,
            )
        what = "ShowSecurityKey (GET /openstack/latest/securitykey)"
        return iam.temporary_keys_of(what, response, _now(clock))


def _now(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.time(), tz=timezone.utc)
