"""The simulator in a process of its own, so that its memory is not measured as ours."""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import IO, Any, final


@final
class RemoteCloud:
    """
    A simulator that is moved through its control address. Use it as a context manager.

    :param options: of ``python -m airflow_provider_modelarts.simulator``.
    """

    def __init__(self, *options: str) -> None:
        self._options = options
        self.replies: Counter[str] = Counter()
        """How often each response was sent, such as ``ShowImage: 200 (torn)``."""

    def __enter__(self) -> RemoteCloud:
        command = [sys.executable, "-m", "airflow_provider_modelarts.simulator", "--port", "0"]
        self._process = subprocess.Popen([*command, *self._options], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        introduction = "".join(self._process.stdout.readline() for _ in range(8))
        (line,) = re.findall(r"^export AIRFLOW_CONN_MODELARTS_DEFAULT=.*$", introduction, re.MULTILINE)
        self.connection: dict[str, Any] = json.loads(shlex.split(line)[1].partition("=")[2])
        self._reader = threading.Thread(target=self._count, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        address = self.connection["host"].removeprefix("http://")
        self._control = http.client.HTTPConnection(address, timeout=60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._control.close()
        self._process.terminate()
        self._process.wait(60)
        self._reader.join(60)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _count(self, output: IO[str]) -> None:
        for line in output:
            words = line.rstrip("\n").split(" ", 3)  # time, method, path, what became of it
            if len(words) == 4 and words[0].count(":") == 2:
                self.replies[words[3]] += 1

    @property
    def requests(self) -> int:
        """How many requests there were."""
        return sum(self.replies.copy().values())

    @property
    def faults(self) -> Counter[str]:
        """How often each kind of fault happened."""
        found: Counter[str] = Counter()
        for reply, number in self.replies.copy().items():
            if reply.endswith(")"):
                found[reply.rpartition("(")[2].rstrip(")")] += number
        return found

    @property
    def sockets(self) -> int:
        """How many sockets its process has open."""
        return sockets(self._process.pid)

    def post(self, what: str, **fields: Any) -> Any:
        """Send a change to the control address."""
        return self._exchange("POST", what, json.dumps(fields).encode())

    def get(self, what: str) -> Any:
        """Send a GET to the control address."""
        return self._exchange("GET", what, None)

    def _exchange(self, method: str, what: str, body: bytes | None) -> Any:
        self._control.request(method, f"/_simulator/{what}", body)
        with self._control.getresponse() as response:
            answer = json.load(response)
        if response.status != 200:
            raise ValueError(f"{what}: {answer['error']}")
        return answer

    def advance(self, seconds: float) -> float:
        """Move its clock on, and return its time."""
        return float(self.post("clock", advance=seconds)["now"])


def sockets(process: int | str = "self") -> int:
    """Return how many sockets a process has open."""
    open_files = Path(f"/proc/{process}/fd").iterdir()
    # A link to a file that was closed meanwhile cannot be followed; realpath leaves it as it is.
    return sum("/socket:" in os.path.realpath(file) for file in open_files)
