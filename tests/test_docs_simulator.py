"""The pages name everything that the simulator offers: options, control requests and classes."""

from __future__ import annotations

import json
import re

import pytest

from airflow_provider_modelarts import simulator as package
from airflow_provider_modelarts.simulator import Simulator
from airflow_provider_modelarts.simulator.__main__ import main
from tests.pages import pages
from tests.simulator.conftest import Client

TESTING = pages()["docs/testing.md"]


def test_testing_page_lists_every_option_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])

    options = set(re.findall(r"^  (--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    assert set(re.findall(r"`(--[a-z-]+)`", TESTING)) == options


def test_testing_page_lists_every_control_request(simulator: Simulator) -> None:
    unknown = Client(simulator).control("GET", "unknown")

    available = set(re.findall(r"([A-Z]+) /_simulator/(\w+)", unknown.json["error"]))
    assert set(re.findall(r"`(GET|POST|DELETE) (\w+)`", TESTING)) == available


def test_testing_page_shows_valid_fault(simulator: Simulator) -> None:
    (body,) = re.findall(r"curl --data '(.+?)'", TESTING)

    assert Client(simulator).control("POST", "faults", json.loads(body)).status == 200


@pytest.mark.parametrize("name", package.__all__)
def test_reference_page_has_every_class_of_the_simulator(name: str) -> None:
    assert f"\n::: airflow_provider_modelarts.simulator.{name}\n" in pages()["docs/reference.md"]
