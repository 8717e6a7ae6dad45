"""
The simulator's HTTP server: one thread, one event loop, any number of connections.

A response may be late, cut off or replaced by a reset, so the server writes to the transport itself.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from .control import PREFIX
from .exchange import Ending, HttpReply, HttpRequest, Refusal
from .traffic import Traffic
from .wire import HEAD_LIMIT, head_of, read_request, wants_to_stay

if sys.platform != "win32":
    import resource

HOST = "127.0.0.1"
_BACKLOG = 4096
"""Connections that wait to be accepted."""
_MIN_OPEN_FILES = 8192


class _RequestReader(asyncio.StreamReader):
    """A stream reader with an event that is set as soon as the client disconnects, even without a read."""

    def __init__(self, traffic: Traffic) -> None:
        super().__init__(limit=HEAD_LIMIT)
        self.gone = asyncio.Event()
        self._traffic = traffic

    def feed_eof(self) -> None:
        super().feed_eof()
        self._leave()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self._leave()

    def _leave(self) -> None:
        self.gone.set()
        self.finish()

    def finish(self) -> None:
        """Stop counting the request of this connection as in flight."""
        self._traffic.end(self)

    async def is_gone_within(self, seconds: float) -> bool:
        """Wait until the client disconnects or the time is over; return whether it disconnected."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.gone.wait(), seconds)
        return self.gone.is_set()


class Server:
    """Serves the responses of ``answer`` on 127.0.0.1, from a daemon thread."""

    def __init__(
        self,
        answer: Callable[[HttpRequest], HttpReply],
        port: int,
        traffic: Traffic,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Open nothing yet; port 0 means any free one."""
        if not 0 <= port <= 65535:
            raise ValueError(f"port must be from 0 to 65535, not {port}")
        self._answer = answer
        self._wanted_port = port
        self._traffic = traffic
        self._tls = tls
        self.port = port
        self._connections: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self._thread: threading.Thread | None = None

    @property
    def open_connections(self) -> int:
        """Number of open connections."""
        return len(self._connections)

    def start(self) -> None:
        """Start to listen; raises OSError if the port is in use, RuntimeError after an earlier start."""
        if self._thread is not None:
            raise RuntimeError(f"the simulator is already running at port {self.port}: stop it first")
        _raise_open_files_limit()
        listener = socket.create_server((HOST, self._wanted_port), backlog=_BACKLOG)
        self.port = listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete,
            args=(self._serve(listener),),
            name="modelarts-simulator",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        """Close the socket and every connection, and wait until they are closed."""
        if self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._loop.close()
        self._thread = None

    async def _serve(self, listener: socket.socket) -> None:
        # The socket accepts connections from its creation, so start() need not wait for the loop.
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: asyncio.StreamReaderProtocol(_RequestReader(self._traffic), self._accept),
            sock=listener,
            backlog=_BACKLOG,
            ssl=self._tls,
        )
        await self._stopping.wait()
        server.close()
        for writer in self._connections:
            writer.transport.abort()
        unfinished = asyncio.all_tasks() - {asyncio.current_task()}
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        # A transport closes its socket one iteration of the loop after abort().
        await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(reader, _RequestReader)  # noqa: S101 - for the type
        task = asyncio.get_running_loop().create_task(self._serve_connection(reader, writer))
        self._connections[writer] = task
        task.add_done_callback(lambda _: self._connections.pop(writer))
        self._traffic.accept()

    async def _serve_connection(self, reader: _RequestReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until one side closes it."""
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            # After any error too: else the client would hang.
            writer.close()
        # TLS waits here for the client's close_notify; stopping the server ends that wait.
        with suppress(OSError):
            await writer.wait_closed()

    async def _exchange(self, reader: _RequestReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection stays open."""
        host, port = writer.get_extra_info("peername")
        try:
            request = await read_request(reader, f"{host}:{port}")
        except Refusal as refusal:
            return await _deliver(refusal.reply(""), reader, writer, stay=False)
        if request is None:
            return False
        if request.path.startswith(PREFIX):
            return await _deliver(self._answer(request), reader, writer, wants_to_stay(request))
        # One iteration of the loop, so that connections that closed before this request are not counted; and
        # a second one, so that requests that arrived together are all counted before one is answered.
        await asyncio.sleep(0)
        if not reader.gone.is_set():
            self._traffic.begin(reader)
        try:
            await asyncio.sleep(0)
            return await _deliver(self._answer(request), reader, writer, wants_to_stay(request))
        finally:
            reader.finish()


async def _deliver(
    reply: HttpReply, reader: _RequestReader, writer: asyncio.StreamWriter, stay: bool
) -> bool:
    """Send a response with its delay and ending; return whether the connection stays open."""
    if reply.delay and await reader.is_gone_within(reply.delay):
        return False
    if reply.ending is Ending.NOTHING:
        return False
    # Before the first byte is sent: a client with the response must not find its request in flight.
    reader.finish()
    if reply.ending is Ending.RESET:
        _reset(writer)
        return False
    torn = reply.ending is Ending.TORN
    body = reply.body[: len(reply.body) // 2] if torn else reply.body
    writer.write(head_of(reply, stay) + body)
    await writer.drain()
    return stay and not torn


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN, which SO_LINGER with zero seconds does."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def tls_context(
    certificate: str | os.PathLike[str] | None, private_key: str | os.PathLike[str] | None
) -> ssl.SSLContext | None:
    """Return a TLS context, or None without a certificate; raises OSError for an unusable file."""
    if certificate is None:
        if private_key is not None:
            raise ValueError("a private key needs its certificate: set certificate too")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, private_key)
    return context


def _raise_open_files_limit() -> None:
    """Raise the limit of open files, for thousands of connections; Windows has no such limit."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MIN_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _MIN_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
