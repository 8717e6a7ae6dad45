"""
The two worlds: a worker that blocks and a triggerer that must not.

Each transport is the same two verbs, and the only code that names ``requests`` or ``aiohttp``. Both
are loaded when a transport is opened, because each takes some hundred milliseconds.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies_environment
from weakref import WeakKeyDictionary

from airflow_provider_modelarts import __version__
from airflow_provider_modelarts.client.errors import InvalidConnection, TransportFailed, UnexpectedReply
from airflow_provider_modelarts.client.wire import Request, Response

if TYPE_CHECKING:
    import aiohttp
    from requests import PreparedRequest
    from urllib3 import HTTPResponse

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
T = TypeVar("T")

_CREDENTIALS = re.compile(r"//[^/@\s]+@")

MAX_CONNECTIONS = 8
"""Open connections of one triggerer or worker to one service."""

MAX_BODY = 16 * 1024 * 1024
"""Bytes of the largest reply that is read; a list page of 200 images has about 160 kB."""

# Added after signing, because proxies on the way may change them. No compression: what is counted
# against MAX_BODY is then what came over the wire.
_UNSIGNED_HEADERS = {
    "User-Agent": f"airflow-provider-modelarts/{__version__}",
    "Accept-Encoding": "identity",
    "Connection": "keep-alive",
}


@dataclass(frozen=True, slots=True)
class Route:
    """
    How to get to the service, and how long to wait for it.

    :param connect_timeout: seconds until a connection stands.
    :param read_timeout: seconds until the whole reply is here.
    :param verify: whether the service's certificate is checked, or the file of CA certificates to
        check it with.
    :param proxy: address of a proxy; without one the environment's proxies hold.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)  # it may hold a password

    @property
    def ca_file(self) -> str:
        """The certificates that both worlds trust."""
        import certifi

        return self._given_ca_file or certifi.where()

    @property
    def _given_ca_file(self) -> str | None:
        if isinstance(self.verify, str):
            return self.verify
        return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")

    def check_ca_file(self) -> None:
        """
        See that a file of CA certificates that was given is one.

        :raises InvalidConnection: it is none.
        """
        if self.verify is not False and self._given_ca_file:
            self.tls()

    def proxy_for(self, url: str) -> str | None:
        """Return the proxy on the way to an address; none to this machine's own metadata service."""
        # Not urllib's getproxies: on macOS that asks the system, which crashes in a forked task.
        from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

        parts = urlsplit(url)
        host = parts.hostname or ""
        if host.startswith("169.254."):
            return None
        proxies = getproxies_environment()
        if not self.proxy and proxy_bypass_environment(host, proxies):
            return None
        proxy = self.proxy or proxies.get(parts.scheme) or proxies.get("all")
        return proxy if not proxy or "://" in proxy else f"http://{proxy}"

    def tls(self) -> ssl.SSLContext | bool:
        """
        Return what decides whom to trust.

        :raises InvalidConnection: the file of CA certificates cannot be used.
        """
        if self.verify is False:
            return False
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise InvalidConnection(
                f"{self.ca_file!r} cannot be used as CA certificates ({error}): "
                "extra verify must be true, false or a PEM file that this machine has"
            ) from error


def block_on(coroutine: Coroutine[Any, Any, T]) -> T:
    """
    Run a coroutine that never suspends to its end, without an event loop.

    With a blocking transport the conversation is ordinary code that happens to be spelled ``async``:
    one step runs all of it. Should it suspend after all, this raises instead of hanging.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    else:
        raise RuntimeError("a blocking transport must never suspend")
    finally:
        coroutine.close()


class BlockingTransport:
    """The worker's world: ``requests`` on kept-alive connections, and a sleep that holds the thread."""

    def __init__(self, route: Route | None = None) -> None:
        import requests
        import urllib3

        self._route = route or Route()
        self._route.check_ca_file()
        if self._route.verify is False:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # said once, by the hook
        # The adapter and not a session, which would look into .netrc, keep cookies, and read the body
        # of a redirect to its end even when told not to follow it.
        self._adapter = requests.adapters.HTTPAdapter()

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """Exchange a request for its reply."""
        import requests
        import urllib3

        try:
            reply = self._adapter.send(
                self._prepared(request),
                timeout=(self._route.connect_timeout, self._route.read_timeout),
                verify=self._route.verify and self._route.ca_file,
                proxies=_for_all_schemes(self._route.proxy_for(request.url)),
                stream=True,
            )
            with reply:
                body = self._body(request, reply.raw)
            return Response(reply.status_code, _lower(reply.headers.items()), body)
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            raise _failed(request, error, *_layer_of_requests(error)) from _tellable(error)

    def _prepared(self, request: Request) -> PreparedRequest:
        import requests

        # Bytes, because http.client would write a header in another encoding than was signed.
        headers = {name: value.encode() for name, value in {**request.headers, **_UNSIGNED_HEADERS}.items()}
        prepared = requests.Request(
            request.method, request.url, headers=headers, data=request.body or None
        ).prepare()
        prepared.url = request.url  # as it was signed, without another round of quoting
        return prepared

    def _body(self, request: Request, raw: HTTPResponse) -> bytes:
        """Read the body as it comes in, so that neither a long nor a slow one gets far."""
        import requests

        give_up_at = time.monotonic() + self._route.read_timeout
        body = bytearray()
        while chunk := raw.read1(64 * 1024, decode_content=True):
            body += chunk
            _check_size(request, len(body))
            if time.monotonic() > give_up_at:
                raise requests.ReadTimeout("the reply takes too long")
        return bytes(body)

    async def sleep(self, seconds: float) -> None:
        """Hold the thread this long."""
        time.sleep(seconds)  # noqa: ASYNC251 - there is no event loop in a worker

    def close(self) -> None:
        """Close the kept-alive connections."""
        self._adapter.close()


class AsyncTransport:
    """The triggerer's world: ``aiohttp`` on a handful of kept-alive connections. See :func:`shared`."""

    def __init__(self, session: aiohttp.ClientSession, route: Route) -> None:
        self._session = session
        self._route = route
        # Waiting for a free connection must not count against the time-out of a request.
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)

    @classmethod
    @asynccontextmanager
    async def open(cls, route: Route) -> AsyncIterator[AsyncTransport]:
        """Open a session on the running loop; what is slow about it happens in a thread."""
        context = await asyncio.to_thread(_load_aiohttp, route)
        import aiohttp

        connector = aiohttp.TCPConnector(limit=MAX_CONNECTIONS, ssl=context, keepalive_timeout=75)
        timeout = aiohttp.ClientTimeout(
            total=route.connect_timeout + route.read_timeout,
            sock_connect=route.connect_timeout,
            sock_read=route.read_timeout,
        )
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        ) as session:
            # Or aiohttp sends a GET or DELETE a second time by itself: what is safe is not its to know.
            session._retry_connection = False  # noqa: SLF001 - there is no other way
            yield cls(session, route)

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """Exchange a request for its reply."""
        import aiohttp
        from yarl import URL

        try:
            async with (
                self._free,
                self._session.request(
                    request.method,
                    URL(request.url, encoded=True),  # as it was signed
                    headers={**request.headers, **_UNSIGNED_HEADERS},
                    data=request.body or None,
                    proxy=self._route.proxy_for(request.url),
                    allow_redirects=False,
                ) as reply,
            ):
                body = bytearray()
                async for chunk in reply.content.iter_chunked(64 * 1024):
                    body += chunk
                    _check_size(request, len(body))
                return Response(reply.status, _lower(reply.headers.items()), bytes(body))
        except (aiohttp.ClientError, asyncio.TimeoutError, ValueError) as error:
            raise _failed(request, error, *_layer_of_aiohttp(error)) from _tellable(error)

    async def sleep(self, seconds: float) -> None:
        """Let the loop serve others this long."""
        await asyncio.sleep(seconds)


class Shared(Generic[K, V]):
    """
    What all users on one event loop have in common, by key: opened by the first, closed by the last.

    :param opener: makes the context manager of a key's value.
    """

    def __init__(self, opener: Callable[[K], AbstractAsyncContextManager[V]]) -> None:
        self._opener = opener
        self._leases: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[K, _Lease[V]]] = WeakKeyDictionary()

    @asynccontextmanager
    async def use(self, key: K) -> AsyncIterator[V]:
        """Share the key's value for as long as the context is open."""
        leases = self._leases.setdefault(asyncio.get_running_loop(), {})
        if key not in leases:
            manager = self._opener(key)
            leases[key] = _Lease(manager, asyncio.ensure_future(manager.__aenter__()))
        lease = leases[key]
        lease.users += 1
        try:
            # A user that is cancelled must not take the others' value along.
            yield await asyncio.shield(lease.opening)
        finally:
            lease.users -= 1
            if lease.users == 0:
                del leases[key]
                # Who is cancelled a second time, while closing, must not leave it half closed.
                await asyncio.shield(asyncio.ensure_future(lease.close()))


@dataclass(slots=True)
class _Lease(Generic[V]):
    manager: AbstractAsyncContextManager[V]
    opening: asyncio.Future[V]
    users: int = 0

    async def close(self) -> None:
        await asyncio.wait([self.opening])
        if self.opening.exception() is None:
            await self.manager.__aexit__(None, None, None)


shared: Shared[Route, AsyncTransport] = Shared(AsyncTransport.open)
"""One session per event loop and route for all waits of a triggerer."""


def _load_aiohttp(route: Route) -> ssl.SSLContext | bool:
    """Load what takes its time: the library and the certificates."""
    importlib.import_module("aiohttp")
    return route.tls()


def _check_size(request: Request, size: int) -> None:
    if size > MAX_BODY:
        raise UnexpectedReply(f"The reply to {_name(request)} is larger than {MAX_BODY} bytes: not read")


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


def _for_all_schemes(proxy: str | None) -> dict[str, str]:
    return {"http": proxy, "https": proxy} if proxy else {}


def _layer_of_requests(error: Exception) -> tuple[str, bool]:
    """Return what failed, and whether the request may have reached the service."""
    import requests
    from urllib3 import exceptions

    reason = getattr(error.args[0], "reason", None) if error.args else None
    cause = reason.args[0] if isinstance(reason, Exception) and reason.args else None
    if isinstance(error, requests.exceptions.ProxyError):
        return "proxy", False
    if isinstance(error, (requests.exceptions.SSLError, exceptions.SSLError)):
        return "tls", not isinstance(cause, ssl.SSLCertVerificationError)
    if isinstance(error, (requests.Timeout, exceptions.TimeoutError)):
        return "timeout", not isinstance(error, requests.ConnectTimeout)
    if isinstance(reason, exceptions.NameResolutionError):
        return "dns", False
    if isinstance(reason, exceptions.NewConnectionError):
        return "refused", False
    # What is wrong with an address or a header is seen before anything is sent.
    return ("address", False) if isinstance(error, ValueError) else ("connection", True)


def _layer_of_aiohttp(error: Exception) -> tuple[str, bool]:
    """Return what failed, and whether the request may have reached the service."""
    import aiohttp

    if isinstance(error, (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError)):
        return "proxy", False
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError)):
        return "tls", False
    if isinstance(error, asyncio.TimeoutError):
        return "timeout", not isinstance(error, aiohttp.ConnectionTimeoutError)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "dns", False
    if isinstance(error, aiohttp.ClientConnectorError):
        return "refused", False
    # What is wrong with an address or a header is seen before anything is sent.
    return ("address", False) if isinstance(error, ValueError) else ("connection", True)


def _failed(request: Request, error: Exception, layer: str, arrived: bool) -> TransportFailed:
    """Return the one error for all the ways in which no reply came."""
    if arrived:
        consequence = "whether the service acted on it is not known"
    else:
        consequence = "the service never saw it; check host, port, proxy and certificates"
    wrapped = error.args[0] if error.args else None
    innermost = getattr(wrapped, "reason", None) or error  # requests wraps what urllib3 wraps
    detail = _CREDENTIALS.sub("//***@", " ".join(str(innermost).split()))[:200]
    return TransportFailed(
        f"No reply to {_name(request)}: {type(error).__name__}: {detail or 'no detail'}; {consequence}",
        layer=layer,
        arrived=arrived,
    )


def _tellable(error: Exception) -> Exception | None:
    """Return the cause, unless it would show a proxy's password in a traceback."""
    return None if _CREDENTIALS.search(str(error)) else error


def _name(request: Request) -> str:
    url = urlsplit(request.url)
    return f"{request.method} {url.scheme}://{url.netloc}{url.path}"
