"""The simulator as a command: ``python -m airflow_provider_modelarts.simulator``."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Sequence

from .control import PREFIX
from .faults import Fault
from .request_log import JournalEntry
from .rules import CLOUDS
from .save_timing import AfterReads, AfterSeconds
from .simulator import ACCESS_KEY, NOTEBOOK_ID, PROJECT_ID, SAVE, SECRET_KEY, Simulator


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal comes."""
    simulator = _simulator(_parser(), arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        simulator.start()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        print(f"The simulator cannot listen on port {simulator.port}: {reason}", file=sys.stderr)
        return 2
    _introduce(simulator)
    stopped.wait()
    simulator.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_modelarts.simulator",
        description="Play ModelArts on 127.0.0.1, without a cloud.",
    )
    add = parser.add_argument
    add("--cloud", choices=tuple(CLOUDS), default="huaweicloud", help="whose request rules hold")
    add("--port", type=int, default=8790, help="0 for any free one (default: 8790)")
    progress = parser.add_mutually_exclusive_group()
    progress.add_argument(
        "--save-reads", type=int, default=SAVE.reads, metavar="N", help="a save ends at the n-th look at it"
    )
    progress.add_argument("--save-seconds", type=float, metavar="S", help="a save ends after S seconds")
    add("--fail", metavar="MESSAGE", help="every save fails, with this status_message")
    add("--access-key", default=ACCESS_KEY)
    add("--secret-key", default=SECRET_KEY)
    add("--project-id", default=PROJECT_ID)
    add("--region", help="default: the usual one of the cloud")
    add("--certificate", metavar="FILE", help="serve HTTPS with this PEM file")
    add("--private-key", metavar="FILE", help="default: in the file of the certificate")
    add("--seed", type=int, default=0, metavar="N", help="draws for faults that have a chance")
    add(
        "--token-lifetime",
        type=float,
        default=86_400,
        metavar="S",
        help="a token of IAM expires after S seconds",
    )
    add(
        "--grant",
        action="append",
        metavar="ACTION",
        help="grant this action, such as modelarts:image:list, and no other but those of further --grant",
    )
    add("--notebook", default=NOTEBOOK_ID, metavar="ID", help="the notebook that runs from the start")
    return parser


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
    if options.fail:
        simulator.inject(Fault("save_fails", times=None, message=options.fail))
    return simulator


def _introduce(simulator: Simulator) -> None:
    connection = shlex.quote(json.dumps(simulator.connection))
    changes = "faults, clock, projects, notebooks, images, grants, revocations"
    text = f"""\
        A simulated ModelArts listens on {simulator.endpoint} until Ctrl-C,
        with IAM and the metadata service of a machine at the same address.
        Notebook {simulator.notebook_id} is running. Airflow finds it with

        export AIRFLOW_CONN_MODELARTS_DEFAULT={connection}

        GET {simulator.endpoint}{PREFIX}journal, images, state or traffic show what happened;
        POST {simulator.endpoint}{PREFIX}{changes} or reset change it.
        """
    print(textwrap.dedent(text), end="", flush=True)


def _report(entry: JournalEntry) -> None:
    """Print one line about a request."""
    at = time.strftime("%H:%M:%S", time.localtime(entry.at))
    status = "no reply" if entry.status is None else entry.status
    fault = f" ({entry.fault})" if entry.fault else ""
    print(f"{at} {entry.method} {entry.path} {entry.operation}: {status}{fault}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
