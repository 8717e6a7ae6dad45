"""A forward proxy on loopback: tunnels for https, and forwards http requests."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit


class Proxy(ThreadingTCPServer):
    """
    Keeps the first line of each request in ``seen``.

    :param certificate: file of certificate and key, for proxies that are connected to by TLS.
    """

    daemon_threads = True

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[str] = []
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"


class _Handler(StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        line = self.rfile.readline().decode().strip()
        head = b""
        while (header := self.rfile.readline()).strip():
            # One request a connection is enough here, and makes the end of each easy to see.
            head += b"" if header.lower().startswith(b"connection:") else header
        self.server.seen.append(line)
        method, target, _ = line.split(" ")
        if method == "CONNECT":
            host, port = target.split(":")
            with socket.create_connection((host, int(port))) as there:
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                forward(self.connection, there)
            return
        url = urlsplit(target)
        path = f"{url.path}{'?' if url.query else ''}{url.query}"
        with socket.create_connection((str(url.hostname), url.port or 80)) as there:
            there.sendall(f"{method} {path} HTTP/1.1\r\n".encode() + head + b"Connection: close\r\n\r\n")
            forward(self.connection, there)


def forward(one: socket.socket, other: socket.socket) -> None:
    """Forward both ways until one side ends; in one thread, because TLS of one connection allows no two."""

    def readable() -> list[socket.socket]:
        # What TLS has decrypted already is no longer in the socket.
        for each in (one, other):
            if isinstance(each, ssl.SSLSocket) and each.pending():
                return [each]
        return select.select([one, other], [], [])[0]

    with contextlib.suppress(OSError):
        while True:
            for source in readable():
                data = source.recv(65536)
                if not data:
                    return
                (other if source is one else one).sendall(data)


@contextlib.contextmanager
def running(certificate: Path | None = None) -> Iterator[Proxy]:
    """A proxy for as long as the context is open."""
    with Proxy(certificate) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
