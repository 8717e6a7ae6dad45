"""Values of the command's options: a simulator that nobody could use is refused at its start."""

from __future__ import annotations

import re

import pytest

from airflow_provider_modelarts.simulator import AfterSeconds, Simulator
from airflow_provider_modelarts.simulator.__main__ import main
from tests.simulator.conftest import IMAGE, Client
from tests.simulator.test_command import exported, running


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[
            (option, "")
            for option in ("--access-key", "--secret-key", "--project-id", "--region", "--notebook")
        ],
        ("--access-key", "two words"),
        ("--secret-key", "ünï"),
        ("--project-id", "a/b"),
        ("--region", "EU DE"),
        ("--notebook", "a?b"),
        ("--token-lifetime", "-5"),
        ("--token-lifetime", "0"),
        ("--token-lifetime", "nan"),
        ("--save-seconds", "nan"),
    ],
    ids=lambda text: ascii(text) or "empty",
)
def test_command_names_option_whose_value_nobody_could_use(
    option: str, value: str, simulator: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    port = simulator.endpoint.rpartition(":")[2]  # taken, so that an accepted value serves nothing either

    with pytest.raises(SystemExit, match="2"):
        main(["--port", port, option, value])

    (line,) = re.findall(r"^python.*error: (.*)$", capsys.readouterr().err, re.MULTILINE)
    assert option in line or line.startswith("seconds must be")


def test_command_lets_saves_fail_without_message() -> None:
    with running("--fail", "", "--save-reads", "1") as (_, text):
        client = Client(Simulator())
        client.host = str(exported(text)["host"]).removeprefix("http://")
        image_id = client.save(**IMAGE).json["id"]

        assert client.image(image_id).json["status"] == "CREATE_FAILED"


@pytest.mark.parametrize(
    ("exceptions", "line"),
    [
        pytest.param("", "export no_proxy=127.0.0.1 NO_PROXY=127.0.0.1\n", id="none"),
        pytest.param(
            "a.example", "export no_proxy=a.example,127.0.0.1 NO_PROXY=a.example,127.0.0.1\n", id="one"
        ),
        pytest.param("127.0.0.1", "", id="this machine"),
    ],
)
def test_command_prints_exception_from_proxy_of_environment(
    exceptions: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example.com:3128")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, exceptions)

    with running() as (_, text):
        assert "".join(re.findall(r"^export no_proxy=.*\n", text, re.MULTILINE)) == line


def test_save_timing_refuses_seconds_that_are_no_number() -> None:
    with pytest.raises(ValueError, match="seconds must be at least 0, not nan"):
        AfterSeconds(float("nan"))
