"""
Measure a prune of a large project: requests, CPU time and memory.

A simulator in a process of its own holds the images of many notebooks. A prune in this process reads them
all, plans, and deletes some of them, each with its tag. The number of requests has a limit that follows from
the sizes; time and memory are only reported.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import timedelta
from typing import Any

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="modelarts-bench-"))
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"

from airflow.providers.common.compat.sdk import Connection

from airflow_provider_modelarts.client.http_types import Request, Response
from airflow_provider_modelarts.client.operations import IMAGES_PER_PAGE
from airflow_provider_modelarts.client.prune import Prune, PruneResult
from airflow_provider_modelarts.client.prune_rules import PruneRules, Scope
from airflow_provider_modelarts.client.retention import Policy
from airflow_provider_modelarts.hooks.clients import create_client
from airflow_provider_modelarts.hooks.connection import parse_connection
from airflow_provider_modelarts.simulator import Simulator
from airflow_provider_modelarts.transport import BlockingTransport, block_on
from bench.report.table import markdown
from bench.report.verdicts import Verdict, report

REPOSITORIES = 20
NOTEBOOKS_PER_PAGE = 50
TAGS_PER_PAGE = 100
PER_DELETION = 3
"""Requests of one deletion: the record, and its tag before and after; one more if the tag is left."""
REREAD = 30.0
"""Seconds after which the notebooks are read again."""
DAY = 86_400.0


def fill(simulator: Simulator, images: int, notebooks: int) -> None:
    """Add notebooks, and the snapshots of each: one a day."""
    for number in range(images):
        notebook = f"00000000-0000-4000-8000-{number % notebooks:012d}"
        created = simulator.now() - (2 + number // notebooks) * DAY - number % notebooks
        image_id = simulator.add_image(
            namespace="team",
            name=f"research-{number % notebooks % REPOSITORIES}",
            tag=f"v{number}",
            status="ACTIVE",
            create_at=int(created * 1000),
            description=f"[airflow:0123456789abcdef notebook:{notebook}]",
        )
        if number < notebooks:
            simulator.add_notebook(notebook, image_id=image_id, status="STOPPED", owner="somebody")


def serve(images: int, notebooks: int) -> None:
    """Serve a project until the parent closes standard input."""
    with Simulator(refuse_delete_in_use=False) as simulator:
        fill(simulator, images, notebooks)
        print(json.dumps(simulator.connection), flush=True)
        sys.stdin.read()


class CountingTransport(BlockingTransport):
    """Counts requests by method and resource."""

    counts: Counter[str]

    async def send(self, request: Request, *, timeout: float | None = None) -> Response:
        """Count a request and send it."""
        path = request.url.partition("?")[0]
        for kind in ("/retentions", "/tags", "/notebooks", "/images"):
            if kind in path:
                self.counts[f"{request.method} {kind[1:]}"] += 1
                break
        return await super().send(request, timeout=timeout)


def prune(connection: dict[str, Any], deletions: int) -> tuple[PruneResult, Counter[str], float, float]:
    """Run a prune; return its result, its requests, and its seconds of real and of CPU time."""
    extra = json.dumps(connection["extra"])
    settings = parse_connection(Connection(**{**connection, "conn_id": "bench", "extra": extra}))
    transport = CountingTransport(settings.transport_config)
    transport.counts = Counter()
    rules = PruneRules(
        Scope.of(all_of_project=True),
        Policy.of(keep_daily=7, keep_weekly=4),
        "delete",
        keep_tags=("stable",),
        min_age=timedelta(days=1),
        max_deletions=deletions,
    )
    began, cpu = time.monotonic(), time.process_time()
    run = Prune(create_client(settings, transport), rules, workspace_id="0").run()
    result = block_on(run)
    elapsed = time.monotonic() - began, time.process_time() - cpu
    transport.close()
    return result, transport.counts, *elapsed


def pages(records: int, per_page: int) -> int:
    """Return the number of pages of a list, of which an empty one has one too."""
    return max(1, -(-records // per_page))


def verdicts(
    result: PruneResult, counts: Counter[str], seconds: float, images: int, notebooks: int
) -> list[Verdict]:
    """Return whether the numbers of requests are within their limits."""
    reads = 1 + int(seconds // REREAD)
    deletions = len(result.deleted)
    per_repository = pages(images // REPOSITORIES + notebooks, TAGS_PER_PAGE)
    limits = {
        "GET images": pages(images, IMAGES_PER_PAGE),
        # One list of billed notebooks, one of the free ones. After a full page another one is read.
        "GET notebooks": reads * (pages(notebooks + 2, NOTEBOOKS_PER_PAGE) + 1),
        "GET tags": REPOSITORIES * per_repository + 2 * deletions,
        "GET retentions": REPOSITORIES,
    }
    found = [_verdict(name, most, counts[name]) for name, most in limits.items()]
    of_deletions = counts["DELETE images"] + counts["DELETE tags"] + 2 * deletions
    found.append(_verdict("requests of all deletions", PER_DELETION * deletions, of_deletions))
    found.append(_verdict("deletions that failed", 0, len(result.failed)))
    return found


def _verdict(measure: str, most: int, found: int) -> Verdict:
    return Verdict(measure, f"at most {most}", str(found), found <= most, found > most)


def main() -> int:
    """Measure, print a table and return 1 if there are too many requests."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n", maxsplit=1)[0])
    parser.add_argument("--images", type=int, default=2_000)
    parser.add_argument("--notebooks", type=int, default=60)
    parser.add_argument("--deletions", type=int, default=100)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given, _ = parser.parse_known_args()
    if given.serve:
        serve(given.images, given.notebooks)
        return 0
    command = [sys.executable, "-m", "bench.prune", "--serve", "--images", str(given.images)]
    command += ["--notebooks", str(given.notebooks)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None  # noqa: S101 - for mypy
        assert server.stdin is not None  # noqa: S101 - for mypy
        connection = json.loads(server.stdout.readline())
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        result, counts, seconds, cpu = prune(connection, given.deletions)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        server.stdin.close()
    rows = [
        ("images, notebooks, repositories", f"{given.images}, {given.notebooks}, {REPOSITORIES}"),
        ("kept, deleted, skipped", f"{len(result.kept)}, {len(result.deleted)}, {len(result.skipped)}"),
        *((name, str(count)) for name, count in sorted(counts.items())),
        ("requests", str(sum(counts.values()))),
        ("seconds", f"{seconds:.1f}"),
        ("CPU seconds", f"{cpu:.1f}"),
        ("growth of the process, MB", f"{grown:.0f}"),
        ("result as JSON, MB", f"{len(json.dumps(result.to_xcom())) / 1_000_000:.1f}"),
    ]
    print(markdown(("prune", "value"), rows), end="\n\n")
    return report(verdicts(result, counts, seconds, given.images, given.notebooks))


if __name__ == "__main__":
    sys.exit(main())
