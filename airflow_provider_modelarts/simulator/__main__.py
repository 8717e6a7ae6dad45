"""The command line of the simulator: ``python -m airflow_provider_modelarts.simulator``."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import sys
import threading
import time
from collections.abc import Sequence
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

from .control import PREFIX
from .faults import Fault
from .form import form_values
from .request_log import JournalEntry
from .rules import CLOUDS
from .save_timing import AfterReads, AfterSeconds
from .simulator import ACCESS_KEY, NOTEBOOK_ID, PROJECT_ID, SAVE, SECRET_KEY, Simulator


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    simulator = _simulator(_parser(), arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        simulator.start()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        print(
            f"The simulator cannot listen on port {simulator.port}: {reason}. Choose another --port",
            file=sys.stderr,
        )
        return 2
    _introduce(simulator)
    stopped.wait()
    simulator.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_modelarts.simulator",
        description="Serve a simulated ModelArts API on 127.0.0.1, with IAM and the ECS metadata service.",
    )
    add = parser.add_argument
    add(
        "--cloud",
        choices=tuple(CLOUDS),
        default="huaweicloud",
        help="cloud whose request rules apply (default: %(default)s)",
    )
    add("--port", type=int, default=8790, help="port to listen on; 0 for any free one (default: %(default)s)")
    progress = parser.add_mutually_exclusive_group()
    progress.add_argument(
        "--save-reads",
        type=int,
        default=SAVE.reads,
        metavar="N",
        help="a save ends at the n-th read of its image (default: %(default)s)",
    )
    progress.add_argument(
        "--save-seconds", type=float, metavar="S", help="a save ends after S seconds of the simulated clock"
    )
    add("--fail", metavar="MESSAGE", help="let every save fail with this status_message")
    add("--access-key", type=_key, default=ACCESS_KEY, help="access key of the user (default: %(default)s)")
    add("--secret-key", type=_key, default=SECRET_KEY, help="secret key of the user (default: %(default)s)")
    add("--project-id", type=_name, default=PROJECT_ID, help="id of the project (default: %(default)s)")
    add(
        "--region",
        type=_name,
        help="region, which is also the name of the project (default: one of the cloud)",
    )
    add("--certificate", metavar="FILE", help="serve HTTPS with the certificate in this PEM file")
    add("--private-key", metavar="FILE", help="PEM file of its private key (default: the certificate's file)")
    add(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="seed of the random generator for faults with a chance (default: %(default)s)",
    )
    add(
        "--token-lifetime",
        type=_lifetime,
        default=86_400,
        metavar="S",
        help="seconds after which an IAM token expires (default: %(default)s)",
    )
    add(
        "--grant",
        action="append",
        metavar="ACTION",
        help="grant only this action, such as modelarts:image:list; repeat for more (default: all)",
    )
    add(
        "--notebook",
        type=_name,
        default=NOTEBOOK_ID,
        metavar="ID",
        help="id of the notebook that is running at the start (default: %(default)s)",
    )
    return parser


def _key(text: str) -> str:
    """Return a text that a header can contain; with another one nobody could connect."""
    if not re.fullmatch(r"[!-~]+", text):
        raise argparse.ArgumentTypeError("must be ASCII characters without white space")
    return text


def _name(text: str) -> str:
    """Return a text that an address can contain; with another one nobody could connect."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        raise argparse.ArgumentTypeError(f"must be letters, digits, hyphens and underscores, not {text!r}")
    return text


def _lifetime(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, not {text}")
    return seconds


def _simulator(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> Simulator:
    options = parser.parse_args(arguments)
    try:
        by_clock = options.save_seconds is not None
        simulator = Simulator(
            cloud=options.cloud,
            access_key=options.access_key,
            secret_key=options.secret_key,
            project_id=options.project_id,
            region=options.region,
            port=options.port,
            save=AfterSeconds(options.save_seconds) if by_clock else AfterReads(options.save_reads),
            notebook_id=options.notebook,
            certificate=options.certificate,
            private_key=options.private_key,
            seed=options.seed,
            token_lifetime=options.token_lifetime,
            grants=options.grant,
            observer=_report,
        )
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"cannot use the certificate: {error.strerror or error}")
    if options.fail is not None:
        simulator.inject(Fault("save_fails", times=None, message=options.fail))
    return simulator


def _introduce(simulator: Simulator) -> None:
    connection = shlex.quote(json.dumps(simulator.connection))
    values = form_values(simulator.connection)
    width = max(map(len, values))
    form = "\n".join(f"{label:<{width}}  {value}" for label, value in values.items())
    changes = "faults, clock, projects, notebooks, images, grants, revocations"
    text = f"""\
Serving a simulated ModelArts at {simulator.endpoint}, and IAM and the ECS metadata
service at the same address. Press Ctrl-C to stop.
Notebook {simulator.notebook_id} is running. To connect Airflow to it:

export AIRFLOW_CONN_MODELARTS_DEFAULT={connection}

Airflow's UI shows only connections that are stored. To store one there, fill in:

{form}

GET {simulator.endpoint}{PREFIX}journal, images, state or traffic to see what happened.
POST {simulator.endpoint}{PREFIX}{changes} or reset to change the simulation.
"""
    print(_proxy_hint(simulator.endpoint) + text, end="", flush=True)


def _proxy_hint(endpoint: str) -> str:
    """Return what to do if a proxy of the environment would get the requests; empty if none does."""
    address, proxies = urlsplit(endpoint), getproxies_environment()
    is_used = proxies.get(address.scheme) or proxies.get("all")
    if not is_used or proxy_bypass_environment(address.hostname, proxies):
        return ""
    exceptions = ",".join(filter(None, (proxies.get("no", ""), str(address.hostname))))
    return (
        "The environment has a proxy, which cannot reach this simulator. Run this where Airflow runs:\n\n"
        f"export no_proxy={shlex.quote(exceptions)} NO_PROXY={shlex.quote(exceptions)}\n\n"
    )


def _report(entry: JournalEntry) -> None:
    """Print one line for a request."""
    at = time.strftime("%H:%M:%S", time.localtime(entry.at))
    status = "no response" if entry.status is None else entry.status
    fault = f" ({entry.fault})" if entry.fault else ""
    print(f"{at} {entry.method} {entry.path} {entry.operation}: {status}{fault}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
