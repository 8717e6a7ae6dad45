"""The transport's configuration: timeouts, certificates and proxy."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from airflow_provider_modelarts.exceptions import InvalidConnectionError
from airflow_provider_modelarts.transport.validation import Proxy, parse_proxy


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """
    Timeouts, certificates and proxy of a transport.

    :param connect_timeout: seconds to open a connection, including DNS lookup, proxy and TLS.
    :param read_timeout: seconds from then on until the response is complete.
    :param verify: whether to verify the service's certificate, or the file of CA certificates to verify it
        with.
    :param proxy: address of a proxy; None for the environment's proxies.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)

    @property
    def ca_file(self) -> str:
        """The file of CA certificates that both transports use."""
        import certifi

        return self._given_ca_file or certifi.where()

    @property
    def _given_ca_file(self) -> str | None:
        if isinstance(self.verify, str):
            return self.verify
        return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")

    def check_ca_file(self) -> None:
        """
        Check the file of CA certificates, if one is set.

        :raises InvalidConnectionError: the file cannot be used.
        """
        if self.verify is not False and self._given_ca_file:
            self.tls()

    def proxy_for(self, url: str, environment: Mapping[str, str] | None = None) -> str | None:
        """
        Return the address of the proxy for a URL; None for this machine's metadata service.

        :param environment: the environment's proxies, if they were read before.
        """
        # Not urllib's getproxies: on macOS that calls the system, which crashes in a forked task.
        from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

        parts = urlsplit(url)
        host = parts.hostname or ""
        if host.startswith("169.254."):
            return None
        if self.proxy:
            proxy: str | None = self.proxy
        else:
            proxies = getproxies_environment() if environment is None else environment
            if proxy_bypass_environment(host, proxies):
                return None
            proxy = proxies.get(parts.scheme) or proxies.get("all")
        return proxy if not proxy or "://" in proxy else f"http://{proxy}"

    def parsed_proxy_for(self, url: str, environment: Mapping[str, str]) -> Proxy | None:
        """
        Return the proxy for a URL, with its credentials apart from its address.

        :raises InvalidConnectionError: the proxy's address cannot be used.
        """
        address = self.proxy_for(url, environment)
        if not address:
            return None
        return parse_proxy(address, origin="Extra proxy" if self.proxy else "The environment's proxy")

    def tls(self) -> ssl.SSLContext:
        """
        Return the TLS context, which verifies certificates.

        :raises InvalidConnectionError: the file of CA certificates cannot be used.
        """
        if self.verify is False:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise InvalidConnectionError(
                f"{self.ca_file!r} cannot be used as CA certificates ({error}): "
                "set extra verify to true, false or a PEM file on this machine"
            ) from error
