"""
The simulator's listening socket: one thread, one event loop, any number of connections.

Replies may be late, torn or a reset, so the server writes to the transport itself.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from .messages import Ending, Refusal, Reply, Request
from .wire import HEAD_LIMIT, head_of, read_request, wants_to_stay

if sys.platform != "win32":
    import resource

HOST = "127.0.0.1"
_BACKLOG = 4096
_OPEN_FILES = 8192


class Server:
    """Serves on loopback, from a daemon thread, what ``answer`` makes of each request."""

    def __init__(
        self, answer: Callable[[Request], Reply], port: int, tls: ssl.SSLContext | None = None
    ) -> None:
        """Port 0 means any free one; nothing is opened yet."""
        self._answer = answer
        self._wanted_port = port
        self._tls = tls
        self.port = port
        self._conversations: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self._thread: threading.Thread | None = None
        self.accepted = 0

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return len(self._conversations)

    def start(self) -> None:
        """Listen; raises OSError when the port is taken."""
        if self._thread is not None:
            raise RuntimeError("the simulator runs already")
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
        """Close every connection and the socket, and wait until that is done."""
        if self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._loop.close()
        self._thread = None

    async def _serve(self, listener: socket.socket) -> None:
        # The socket takes connections from the moment it is made, so start() need not wait.
        server = await asyncio.start_server(
            self._accept, sock=listener, limit=HEAD_LIMIT, backlog=_BACKLOG, ssl=self._tls
        )
        await self._stopping.wait()
        server.close()
        for writer in self._conversations:
            writer.transport.abort()
        unfinished = asyncio.all_tasks() - {asyncio.current_task()}
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        # A transport closes its socket one turn of the loop after it is told to.
        await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._converse(reader, writer))
        self._conversations[writer] = task
        task.add_done_callback(lambda _: self._conversations.pop(writer))
        self.accepted += 1

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until one side ends it."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._exchange(reader, writer):
                pass
        writer.close()
        # TLS waits here for the client's goodbye, which is cut short when the server stops.
        with suppress(OSError):
            await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; tell whether there may be another."""
        host, port = writer.get_extra_info("peername")
        try:
            request = await read_request(reader, f"{host}:{port}")
        except Refusal as refusal:
            return await _deliver(refusal.reply(""), writer, stay=False)
        if request is None:
            return False
        return await _deliver(self._answer(request), writer, wants_to_stay(request))


async def _deliver(reply: Reply, writer: asyncio.StreamWriter, stay: bool) -> bool:
    """Send a reply the way it is meant to arrive; tell whether the connection goes on."""
    if reply.delay:
        await asyncio.sleep(reply.delay)
    if reply.ending is Ending.RESET:
        _reset(writer)
        return False
    torn = reply.ending is Ending.TORN
    body = reply.body[: len(reply.body) // 2] if torn else reply.body
    writer.write(head_of(reply, stay) + body)
    await writer.drain()
    return stay and not torn


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST in place of FIN: that is what lingering for zero seconds means to TCP."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def _raise_open_files_limit() -> None:
    """Make room for thousands of connections where the system lets us; Windows has no such limit."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
