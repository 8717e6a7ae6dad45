"""The simulator as a command."""

from __future__ import annotations

import http.client
import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import IO

import pytest

from airflow_provider_modelarts.simulator import Simulator
from airflow_provider_modelarts.simulator.__main__ import main
from tests.simulator.conftest import Client

COMMAND = [sys.executable, "-m", "airflow_provider_modelarts.simulator"]


@contextmanager
def running(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command on a free port; yield the process and its output before it serves."""
    with subprocess.Popen([*COMMAND, "--port", "0", *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, introduction(process.stdout)
        finally:
            process.kill()


def introduction(output: IO[str]) -> str:
    """Read up to the last line that is printed before the first request."""
    lines = []
    for line in output:
        lines.append(line)
        if line.startswith("POST "):
            break
    return "".join(lines)


def exported(text: str) -> dict[str, str | dict[str, str]]:
    """Read the connection out of the line that a shell would run."""
    (line,) = re.findall(r"^export AIRFLOW_CONN_MODELARTS_DEFAULT=.*$", text, re.MULTILINE)
    connection: dict[str, str | dict[str, str]] = json.loads(shlex.split(line)[1].partition("=")[2])
    return connection


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_prints_connection_serves_and_stops_on_signal(number: signal.Signals) -> None:
    with running("--cloud", "otc", "--notebook", "n-1", "--fail", "it's full") as (process, text):
        connection = exported(text)
        host = str(connection["host"]).removeprefix("http://")
        with closing(http.client.HTTPConnection(host, timeout=10)) as client:
            client.request("GET", "/v1/p/images")
            assert client.getresponse().status == 401
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(number)
        assert process.wait(10) == 0
    assert "Notebook n-1 is running" in text
    assert f"http://{host}/_simulator/journal" in text
    assert connection["extra"] == {
        "cloud": "otc",
        "region": "eu-de",
        "project_id": "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
        "iam_endpoint": f"http://{host}",
        "swr_endpoint": f"http://{host}",
    }
    assert re.fullmatch(r"\d\d:\d\d:\d\d GET /v1/p/images ListImages: 401\n", line)


def test_command_grants_named_actions_only() -> None:
    with running("--grant", "modelarts:image:list", "--grant", "modelarts:notebook:*") as (_, text):
        client = Client(Simulator())
        client.host = str(exported(text)["host"]).removeprefix("http://")
        answers = [client.images(), client.notebooks(), client.image("x")]
    assert [answer.status for answer in answers] == [200, 200, 403], answers


def test_command_exits_with_2_and_one_line_when_port_is_taken(simulator: Simulator) -> None:
    port = simulator.endpoint.rpartition(":")[2]
    result = subprocess.run(
        [*COMMAND, "--port", port], capture_output=True, text=True, timeout=10, check=False
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(rf"The simulator cannot listen on port {port}: .*\n", result.stderr)


@pytest.mark.parametrize(
    "options",
    [
        ["--save-reads", "-1"],
        ["--save-reads", "1", "--save-seconds", "1"],
        ["--cloud", "x"],
        ["--port", "99999"],
        ["--seed", "x"],
        ["--grant", "everything"],
        ["--token-lifetime", "x"],
    ],
    ids=" ".join,
)
def test_command_exits_with_2_and_message_for_wrong_option(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(options)
    assert capsys.readouterr().err.count("error:") == 1
