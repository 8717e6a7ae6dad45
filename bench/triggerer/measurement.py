"""Runs measurements in processes of their own, and computes what they showed."""

from __future__ import annotations

import json
import os
import resource
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from cryptography.fernet import Fernet

from bench.triggerer.cases import Setting
from tests.certificates import Authority

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 1_800.0
"""Seconds after which a measurement is given up."""


@dataclass(frozen=True)
class Reading:
    """The CPU seconds that the processes had used at a time."""

    at: float
    runner: float
    supervisor: float

    def __sub__(self, earlier: Reading) -> Reading:
        """Return what was used in between."""
        return Reading(
            self.at - earlier.at, self.runner - earlier.runner, self.supervisor - earlier.supervisor
        )


class Measurement:
    """What one triggerer showed."""

    def __init__(self, setting: Setting, found: dict[str, Any]) -> None:
        self.setting = setting
        self._found = found
        begun, started, marked, ended = (Reading(**reading) for reading in found["readings"])
        self._begun_at = begun.at
        self.start = started - begun
        """CPU time from handing over the triggers until each of them was answered once."""
        self.window = ended - marked
        """CPU time while all of them wait."""

    @property
    def runner(self) -> float:
        """Percent of a core that the runner uses."""
        return 100 * self.window.runner / self.window.at

    @property
    def supervisor(self) -> float:
        """Percent of a core that the supervisor uses."""
        return 100 * self.window.supervisor / self.window.at

    @property
    def requests(self) -> float:
        """Requests per interval."""
        return requests_per_interval(self._found["window"]["times"], self.window.at, self.setting.interval)

    @property
    def refused(self) -> float:
        """Requests per interval that the service refused."""
        return float(self._found["window"]["refused"] / self.window.at * self.setting.interval)

    @property
    def unanswered(self) -> float:
        """The longest time, in intervals, for which one of the waits had no answer."""
        return float(self._found["window"]["longest_gap"] / self.setting.interval)

    @property
    def new_connections(self) -> float:
        """Connections per interval that were opened."""
        return float(self._found["window"]["accepted"] / self.window.at * self.setting.interval)

    @property
    def connections(self) -> int:
        """Most connections that were open at a time."""
        return max(int(self._found[phase]["most_open"]) for phase in ("start", "window"))

    @property
    def lookups(self) -> int:
        """Lookups of connections at the start."""
        return int(self._found["lookups"])

    @property
    def size(self) -> float:
        """KiB per trigger that the runner has more than before, with what is loaded once."""
        return float(self._found["memory"] / 1024 / self.setting.waits)

    @property
    def stall(self) -> dict[str, Any]:
        """The longest stall."""
        return max(self._stalls(), key=lambda stall: float(stall["seconds"]), default=_NO_STALL)

    @property
    def our_stall(self) -> dict[str, Any]:
        """The stall with the longest time in the package's code."""
        return max(self._stalls(), key=lambda stall: float(stall["ours"]), default=_NO_STALL)

    def _stalls(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._found["stalls"]
        return [stall for stall in found if self._begun_at <= stall["at"] <= self._found["ended_at"]]

    @property
    def detection(self) -> float:
        """Mean seconds from an image's ACTIVE to the trigger's event."""
        events = self._found["events"]
        active_at = self._found["active_at"]
        return float(mean(events[str(number + 1)] - at for number, at in enumerate(active_at)))


_NO_STALL: dict[str, Any] = {"seconds": 0.0, "ours": 0.0, "samples": [], "collecting": 0.0}


def start_cpu(measured: Measurement, idle: Measurement) -> float:
    """
    Return the CPU milliseconds that one trigger needs for its start above an idle one, with its first poll.

    The idle triggers' CPU time is that of the same number of seconds.
    """
    longer = measured.start.at - idle.start.at
    same = idle.start.runner + longer * idle.window.runner / idle.window.at if idle.window.at else 0.0
    return 1000 * (measured.start.runner - same) / measured.setting.waits


def requests_per_interval(times: Sequence[float], seconds: float, interval: float) -> float:
    """
    Return the rate of requests.

    Few polls in a window would be counted one too many or too few at its ends: if the requests come in groups
    with pauses, the rate is that from the first group to the last.
    """
    starts = [index for index, at in enumerate(times) if index == 0 or at - times[index - 1] > interval / 4]
    if len(starts) > 1:
        return starts[-1] / (times[starts[-1]] - times[0]) * interval
    return len(times) / seconds * interval


def measure(settings: Sequence[Setting], *, together: bool) -> list[Measurement]:
    """
    Measure each setting in a triggerer and a service of its own.

    :param together: whether all run at the same time. Their CPU time then has the same conditions, and the
        waiting is done once.
    """
    allow_many_files(3 * max(setting.waits for setting in settings) + 500)
    with ThreadPoolExecutor(len(settings) if together else 1) as pool:
        return list(pool.map(_measure, settings))


def allow_many_files(number: int) -> None:
    """Raise the limit of open files: a supervisor has one log for each trigger, some triggers a socket."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < number:
        raise RuntimeError(f"{number} open files are needed, and the limit is {hard}: see `ulimit -Hn`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, number), hard))


def _measure(setting: Setting) -> Measurement:
    sys.stderr.write(f"measuring {setting.case}, {setting.waits:,} waits\n")
    with tempfile.TemporaryDirectory(prefix="modelarts-bench-") as name:
        folder = Path(name)
        authority = Authority(folder)
        with serving(setting, authority.certify()) as address:
            arguments = {"setting": json.dumps(asdict(setting)), "address": json.dumps(address)}
            command = [sys.executable, "-m", "bench.triggerer.run", "--folder", name]
            command += [part for key, value in arguments.items() for part in (f"--{key}", value)]
            log = folder / "log.txt"
            with log.open("wb") as output:
                done = subprocess.run(
                    command,
                    cwd=ROOT,
                    env=_environment(folder, authority.file),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    timeout=TIMEOUT,
                    check=False,
                )
        if done.returncode:
            raise RuntimeError(f"{setting} failed:\n{log.read_text(errors='replace')[-8_000:]}")
        return Measurement(setting, json.loads((folder / "result.json").read_text(encoding="utf-8")))


@contextmanager
def serving(setting: Setting, certificate: Path | None = None) -> Iterator[dict[str, int]]:
    """Run the service in a process of its own; the value has its ports."""
    command = [sys.executable, "-m", "bench.triggerer.service", "--waits", str(setting.waits)]
    command += ["--rate", str(setting.rate), "--page-cap", str(setting.page_cap)]
    if certificate is not None:
        command += ["--certificate", str(certificate)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None  # noqa: S101 - for mypy
            yield json.loads(service.stdout.readline())
        finally:
            service.terminate()


def _environment(home: Path, authority: Path) -> dict[str, str]:
    """Return the environment of a triggerer, which trusts the service's certificate too."""
    trusted = ssl.get_default_verify_paths().cafile
    bundle = home / "trusted.pem"
    bundle.write_bytes(authority.read_bytes() + (Path(trusted).read_bytes() if trusted else b""))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return {
        **kept,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "SSL_CERT_FILE": str(bundle),
    }
