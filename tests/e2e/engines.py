"""PostgreSQL and Redis of Debian's packages, on loopback and for as long as a ``with`` block lasts."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
import sqlalchemy

from tests.commands import install_package, run_command
from tests.e2e.components import tail
from tests.e2e.stack import free_port

INSTALL_SECONDS = 300.0
START_SECONDS = 60.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.1

POSTGRESQL_ROOT = Path("/usr/lib/postgresql")
POSTGRESQL_USER = "postgres"


class EngineError(Exception):
    """An engine does not run; the message includes its log."""


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a PostgreSQL server with an empty database of its own, and yield its address for SQLAlchemy."""
    programs = _postgresql_programs()
    user = POSTGRESQL_USER if os.geteuid() == 0 else None  # It refuses to run as root.
    with _folder("postgresql-e2e-", user) as folder:
        data, log, port = folder / "data", folder / "server.log", free_port()
        made = ["--pgdata", str(data), "--username", "airflow", "--auth", "trust", "--encoding", "UTF8"]
        run_command(
            [str(programs / "initdb"), *made, "--no-sync"], seconds=INSTALL_SECONDS, cwd="/", **_as(user)
        )
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": str(folder),
            "max_connections": "200",
            # Nothing here outlives the machine.
            "fsync": "off",
        }
        argv = [str(programs / "postgres"), "-D", str(data)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        url = f"postgresql+psycopg2://airflow@127.0.0.1:{port}/postgres"
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
        # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients.
        with _running(argv, user, log, signal.SIGINT, lambda: _connects(engine)):
            yield url


@contextmanager
def redis_server() -> Iterator[str]:
    """Run a Redis server that keeps nothing, and yield its address."""
    program = _redis_program() or install_package("redis-server", _redis_program, seconds=INSTALL_SECONDS)
    with _folder("redis-e2e-", None) as folder:
        port = free_port()
        argv = [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", ""]
        client = redis.Redis(port=port)
        with _running(argv, None, folder / "server.log", signal.SIGTERM, lambda: _pings(client)):
            yield f"redis://127.0.0.1:{port}/0"


def _redis_program() -> str | None:
    return shutil.which("redis-server")


def _postgresql_programs() -> Path:
    """Return the folder of the newest PostgreSQL on this machine, installed if there is none."""
    found = _newest_postgresql() or install_package("postgresql", _newest_postgresql, seconds=INSTALL_SECONDS)
    return Path(found)


def _newest_postgresql() -> str | None:
    folders = [path.parent for path in POSTGRESQL_ROOT.glob("*/bin/postgres")]
    newest = max(folders, key=lambda folder: float(folder.parent.name), default=None)
    return None if newest is None else str(newest)


@contextmanager
def _folder(prefix: str, owner: str | None) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        if owner is not None:
            account = pwd.getpwnam(owner)
            os.chown(folder, account.pw_uid, account.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(
    argv: Sequence[str], user: str | None, log: Path, stop: signal.Signals, answers: Callable[[], bool]
) -> Iterator[None]:
    """Run a server; on leaving it gets a signal, and SIGKILL when that does not end it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **_as(user),
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise EngineError(f"{argv[0]} does not answer.\n{tail(log)}")
            time.sleep(POLL_SECONDS)
        yield
    finally:
        process.send_signal(stop)
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _as(user: str | None) -> dict[str, Any]:
    """Return what makes a process run as another user, in none of root's groups."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _connects(engine: sqlalchemy.Engine) -> bool:
    try:
        engine.connect().close()
    except sqlalchemy.exc.OperationalError:
        return False
    return True


def _pings(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
