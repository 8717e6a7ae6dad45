"""Servers on loopback whose every byte a test decides."""

from __future__ import annotations

import re
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread


class Peer:
    """The server's side of one connection."""

    def __init__(self, connection: socket.socket, requests: list[bytes], stopping: Event) -> None:
        self._connection = connection
        self._reader = connection.makefile("rb")
        self._requests = requests
        self._stopping = stopping

    def request(self) -> bytes:
        """Read one request and return its head; nothing when the client is gone."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self._reader.readline()
            if not line:
                return b""
            head += line
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        body = self._reader.read(int(length[1])) if length else b""
        self._requests.append(head + body)
        return head

    def send(self, data: bytes) -> None:
        """Send these bytes."""
        self._connection.sendall(data)

    def drip(self, data: bytes, seconds: float) -> None:
        """Send byte after byte, so many seconds apart, until the client is gone."""
        for byte in data:
            self.send(bytes([byte]))
            if self._stopping.wait(seconds):
                return

    def hang(self) -> None:
        """Do nothing until the test is over."""
        self._stopping.wait(30)

    def reset(self) -> None:
        """End the connection with RST in place of FIN: what lingering for zero seconds means to TCP."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Served:
    """The address of a server, and the requests it received."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.requests: list[bytes] = []
        self.connections = 0
        self.closed = 0


@contextmanager
def serving(handle: Callable[[Peer], None], tls: ssl.SSLContext | None = None) -> Iterator[Served]:
    """Serve every connection with this function, each in a thread of its own."""
    stopping = Event()
    threads: list[Thread] = []
    open_ones: list[socket.socket] = []

    def create_client(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            spoken = tls.wrap_socket(connection, server_side=True) if tls else connection
            with spoken:
                open_ones.append(spoken)
                peer = Peer(spoken, served.requests, stopping)
                with peer._reader:
                    handle(peer)
        served.closed += 1

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            if stopping.is_set():
                connection.close()
                return
            connection.settimeout(30)
            served.connections += 1
            thread = Thread(target=create_client, args=(connection,), daemon=True)
            threads.append(thread)
            thread.start()

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        served = Served(listener.getsockname()[1])
        if tls:
            served.url = f"https://localhost:{served.port}"
        acceptor = Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield served
        finally:
            stopping.set()
            socket.create_connection(("127.0.0.1", served.port)).close()
            acceptor.join()
            for each in open_ones:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(5)


def reply(body: bytes = b"{}", *headers: str, status: str = "200 OK") -> bytes:
    """Return a response as bytes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answering(*replies: bytes) -> Callable[[Peer], None]:
    """Answer the requests of each connection with these responses, and repeat the last one."""

    def handle(peer: Peer) -> None:
        script = list(replies)
        while peer.request():
            peer.send(script.pop(0) if len(script) > 1 else script[0])

    return handle


@contextmanager
def closed_port() -> Iterator[int]:
    """Reserve a port that nothing listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextmanager
def full_port() -> Iterator[int]:
    """Hold a port whose queue is full, so that Linux lets every further connection wait."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        try:
            for _ in range(3):
                client = socket.socket()
                waiting.append(client)
                client.setblocking(False)
                client.connect_ex(listener.getsockname())
            yield listener.getsockname()[1]
        finally:
            for client in waiting:
                client.close()
