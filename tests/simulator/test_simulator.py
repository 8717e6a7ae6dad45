"""``Simulator``: options, records, clock and request log."""

from __future__ import annotations

import ast
import json
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import airflow_provider_modelarts.simulator as package
from airflow_provider_modelarts.simulator import Fault, JournalEntry, Simulator

if TYPE_CHECKING:
    from tests.simulator.conftest import Client, Start

SOURCES = sorted(Path(package.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_simulator_imports_standard_library_only(source: Path) -> None:
    """With the package's own code it would share its mistakes."""
    absolute = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            absolute |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level < 2
            absolute |= {node.module or ""} if node.level == 0 else set()
    assert {name.partition(".")[0] for name in absolute} <= set(sys.stdlib_module_names)


@pytest.mark.parametrize(
    ("cloud", "region"), [("huaweicloud", "cn-north-4"), ("huaweicloud-eu", "eu-west-101"), ("otc", "eu-de")]
)
def test_connection_is_an_airflow_connection(start: Start, cloud: str, region: str) -> None:
    simulator, _ = start(cloud=cloud)
    assert json.loads(json.dumps(simulator.connection)) == {
        "conn_type": "modelarts",
        "host": simulator.endpoint,
        "port": simulator.port,
        "login": "SIMULATORACCESSKEY",
        "password": "simulator-secret-key",
        "extra": {
            "region": region,
            "cloud": cloud,
            "project_id": "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
            "iam_endpoint": simulator.endpoint,
            "swr_endpoint": simulator.endpoint,
        },
    }


def test_simulator_options_may_be_chosen(start: Start) -> None:
    simulator, client = start(
        access_key="AK", secret_key="SK", project_id="p", region="eu-nl", notebook_id="n", cloud="otc"
    )
    assert client.save().json["swr_path"].startswith("swr.eu-nl.otc.t-systems.com/")
    assert (simulator.notebook_id, client.project) == ("n", "/v1/p")


@pytest.mark.parametrize(
    "option",
    [
        {"cloud": "azure"},
        {"offset_unit": "miles"},
        {"port": 65536},
        {"signature": "wax"},
        {"metadata": "on"},
    ],
    ids=str,
)
def test_unknown_option_is_rejected(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Simulator(**option)


def test_request_log_has_each_request_once_in_order(simulator: Simulator, client: Client) -> None:
    simulator.inject(Fault("reset_after", "CreateImage"), Fault("throttle", "ShowImage"))
    with pytest.raises(ConnectionResetError):
        client.save()
    image_id = simulator.images[0]["id"]
    client.image(image_id)
    client.images(limit=5)
    client.save(tag="v2")
    client.call("GET", "/nothing")
    path = client.project
    save = f"{path}/notebooks/{client.notebook_id}/create-image"
    expected = [
        ("POST", save, "", "CreateImage", None, "reset_after", True),
        ("GET", f"{path}/images/{image_id}", "", "ShowImage", 429, "throttle", False),
        ("GET", f"{path}/images", "limit=5&type=DEDICATED", "ListImages", 200, None, False),
        ("POST", save, "", "CreateImage", 400, None, False),
        ("GET", f"{path}/nothing", "", "Unknown", 404, None, False),
    ]
    assert [
        (entry.method, entry.path, entry.query, entry.operation, entry.status, entry.fault, entry.effect)
        for entry in simulator.journal
    ] == expected
    times = [entry.at for entry in simulator.journal]
    assert times == sorted(times)
    assert times[-1] == pytest.approx(simulator.now(), abs=5)
    assert simulator.saves == 1


def test_request_log_shows_effect_of_deletion(simulator: Simulator, client: Client) -> None:
    client.delete(simulator.add_image(name="n"))
    assert [(entry.operation, entry.effect) for entry in simulator.journal] == [("DeleteImage", True)]


def test_observer_receives_each_logged_request(start: Start) -> None:
    heard: list[JournalEntry] = []
    simulator, client = start(observer=heard.append)
    client.images()
    assert tuple(heard) == simulator.journal


def test_records_may_be_added(simulator: Simulator, client: Client) -> None:
    given = {
        "id": "i-1",
        "name": "old",
        "namespace": "team",
        "tag": "v0",
        "description": "by hand",
        "create_at": 1000,
        "resource_categories": ["CPU"],
    }
    newer = simulator.add_image()
    simulator.add_image(**given)
    assert [image["id"] for image in simulator.images] == ["i-1", newer]
    image = client.image("i-1").json
    assert image == image | given | {"status": "ACTIVE", "type": "DEDICATED", "update_at": 1000}
    assert image["swr_path"] == "swr.cn-north-4.myhuaweicloud.com/team/old:v0"


@pytest.mark.parametrize(
    ("add", "problem"),
    [
        (lambda simulator: simulator.add_image(colour="red"), "no field colour"),
        (lambda simulator: [simulator.add_image(id="i") for _ in range(2)], "image i already exists"),
        (lambda simulator: simulator.add_notebook(simulator.notebook_id), "notebook .* already exists"),
        (lambda simulator: simulator.add_notebook(image_id="x"), "no image x"),
    ],
    ids=["unknown-field", "image-twice", "notebook-twice", "unknown-image"],
)
def test_invalid_record_is_rejected(simulator: Simulator, add: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        add(simulator)


def test_clock_is_real_time_and_may_be_advanced(simulator: Simulator) -> None:
    before = simulator.now()
    simulator.advance(86_400)
    assert simulator.now() - before == pytest.approx(86_400, abs=5)
    with pytest.raises(ValueError, match="cannot go back"):
        simulator.advance(-1)


def test_reset_restores_everything_but_time(simulator: Simulator, client: Client) -> None:
    simulator.inject(Fault("reset", times=None, skip=3))
    simulator.add_notebook("n-1")
    simulator.advance(3600)
    client.save()
    simulator.set_notebook_status(simulator.notebook_id, "STOPPED")
    moved = simulator.now()
    simulator.reset()
    assert (simulator.journal, simulator.images, simulator.saves, simulator.connections) == ((), [], 0, 0)
    assert simulator.now() >= moved
    assert [notebook["status"] for notebook in client.notebooks().json["data"]] == ["RUNNING"]
    assert {client.images().status for _ in range(5)} == {200}


def test_methods_may_be_called_from_any_thread(simulator: Simulator, client: Client) -> None:
    def work() -> None:
        for _ in range(10):
            simulator.add_image()
            simulator.advance(0.001)
            assert simulator.journal is not None
            client.images()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (len(simulator.images), len(simulator.journal)) == (40, 40)
