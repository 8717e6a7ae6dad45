"""The values for Airflow's form of connections make the connection of the simulator."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_modelarts.hooks.connection import parse_connection
from airflow_provider_modelarts.provider_info import connection_fields, get_provider_info
from airflow_provider_modelarts.simulator import Simulator, __main__
from airflow_provider_modelarts.simulator.form import form_values
from tests.pages import pages

DEFAULT_PORT = 8790
STANDARD = {"Connection ID": "conn_id", "Connection Type": "conn_type", "Port": "port"}


def filled_in(values: dict[str, str]) -> Connection:
    """Return the connection that Airflow stores."""
    (kind,) = get_provider_info()["connection-types"]
    relabelled = {label: name for name, label in kind["ui-field-behaviour"]["relabeling"].items()}
    extras = {field["label"]: name for name, field in connection_fields().items()}
    standard: dict[str, Any] = {}
    extra: dict[str, str] = {}
    for label, value in values.items():
        if label in extras:
            words = connection_fields()[extras[label]]["schema"].get("values_display", {})
            extra[extras[label]] = {shown: stored for stored, shown in words.items()}.get(value, value)
        else:
            standard[(STANDARD | relabelled)[label]] = value
    assert standard["conn_type"] == kind["hook-name"]
    return Connection(
        **{**standard, "conn_type": kind["connection-type"], "port": int(standard["port"])},
        extra=json.dumps(extra),
    )


@pytest.mark.parametrize("cloud", ["huaweicloud", "huaweicloud-eu", "otc"])
def test_form_values_are_the_connection(cloud: str) -> None:
    simulator = Simulator(cloud=cloud, region="eu-de", port=DEFAULT_PORT)
    given = {**simulator.connection, "extra": json.dumps(simulator.connection["extra"])}

    stored = filled_in(form_values(simulator.connection))

    assert parse_connection(stored) == parse_connection(Connection(conn_id="modelarts_default", **given))


def test_command_prints_form_values(capsys: pytest.CaptureFixture[str]) -> None:
    simulator = Simulator(port=DEFAULT_PORT)

    __main__._introduce(simulator)

    output = capsys.readouterr().out
    for label, value in form_values(simulator.connection).items():
        assert re.search(rf"^{re.escape(label)}  +{re.escape(value)}$", output, re.MULTILINE)


def test_start_page_has_form_values_of_command() -> None:
    values = form_values(Simulator(port=DEFAULT_PORT).connection)

    rows = dict(re.findall(r"^\| (.+) \| `(.+)` \|$", pages()["docs/index.md"], re.MULTILINE))

    assert rows == values
