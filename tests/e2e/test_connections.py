"""Connections in a running Airflow: its test endpoint and command, and no secret in logs or database."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Fault, Simulator
from tests.e2e.example_runs import (
    EXAMPLE_DAGS,
    NIGHTLY,
    RUN_SECONDS,
    SAVE,
    SAVE_TASK,
    WAIT_TASK,
    ExampleRun,
    airflow_environment,
    run_example,
)
from tests.e2e.failure_logs import keep_logs_after_failure
from tests.e2e.stack import AirflowStack, free_port

pytestmark = pytest.mark.e2e

WRONG_SECRET = "a-secret-key-that-is-wrong"
WRONG_PROJECT = "f" * 32
SHORTEST_SECRET = 5
"""Characters; Airflow itself hides nothing that is shorter."""
BEGINNING = 32
"""Characters by which a secret is identified."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """Run one simulated ModelArts, with its IAM, for all tests here."""
    with Simulator(save=SAVE) as running:
        yield running


@pytest.fixture(scope="module")
def stack(simulator: Simulator, request: pytest.FixtureRequest) -> Iterator[AirflowStack]:
    """Run one Airflow at log level DEBUG for all tests here, with the connection in its database."""
    env = {
        **airflow_environment(simulator),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
    }
    del env["AIRFLOW_CONN_MODELARTS_DEFAULT"]
    with (
        AirflowStack(EXAMPLE_DAGS, env=env) as running,
        keep_logs_after_failure(running, request.session),
    ):
        stored = as_stored("modelarts_default", by_password_and_agency(simulator))
        running.request("POST", "/api/v2/connections", body=stored)
        running.wait_for_dag(NIGHTLY)
        yield running


def by_password_and_agency(simulator: Simulator) -> dict[str, Any]:
    """Return the connection that obtains most: a token, and with it temporary keys."""
    extra = {
        **simulator.connection["extra"],
        "auth": "password",
        "domain_name": "research-account",
        "agency_name": "snapshot-agency",
        "agency_domain_name": "research-account",
    }
    login = {"login": "snapshot-user", "password": "simulator-password"}
    return {**simulator.connection, **login, "extra": extra}


def as_stored(conn_id: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return a connection as the REST API takes it."""
    return {**given, "connection_id": conn_id, "extra": json.dumps(given["extra"])}


def changed(simulator: Simulator, *, extra: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    given = {**simulator.connection, **fields}
    return {**given, "extra": {**simulator.connection["extra"], **(extra or {})}}


@pytest.fixture(scope="module")
def connections(simulator: Simulator) -> dict[str, dict[str, Any]]:
    """One good connection per way to log in, and one for each thing that can be wrong."""
    return {
        "good": simulator.connection,
        "good_agency": by_password_and_agency(simulator),
        "wrong_secret": changed(simulator, password=WRONG_SECRET),
        "closed_port": changed(simulator, host=f"http://127.0.0.1:{free_port()}"),
        "wrong_project": changed(simulator, extra={"project_id": WRONG_PROJECT}),
    }


BEGINNINGS = {
    "good": "Connected to ModelArts at",
    "good_agency": "Connected to ModelArts at",
    "wrong_secret": "The secret key is wrong",
    "closed_port": "The host refuses connections",
    "wrong_project": "The credentials are valid, but not for this project",
}


def secrets_of(simulator: Simulator) -> set[str]:
    """Return all that was secret so far."""
    return {secret for secret in (*simulator.secrets, WRONG_SECRET) if len(secret) >= SHORTEST_SECRET}


def settled(message: str) -> str:
    """Return a message as it is each time: every request has an id of its own, and a terminal has an edge."""
    return re.sub(r"request id \w+", "request id …", " ".join(message.split()))


def result_of_hook(name: str, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[bool, str]:
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(given))
    status, message = ModelArtsHook(name).test_connection()
    return status, settled(message)


@pytest.mark.parametrize("name", BEGINNINGS)
def test_test_connection_endpoint_returns_message_of_hook(
    name: str,
    stack: AirflowStack,
    simulator: Simulator,
    connections: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It sends the connection through a URI, as the button in the UI does."""
    wanted = result_of_hook(name, connections[name], monkeypatch)

    reply = stack.request("POST", "/api/v2/connections/test", body=as_stored(name, connections[name]))

    assert (reply["status"], settled(reply["message"])) == wanted
    assert reply["message"].startswith(BEGINNINGS[name])
    assert reply["status"] is name.startswith("good")
    assert [secret for secret in secrets_of(simulator) if secret in reply["message"]] == []


@pytest.mark.parametrize("name", ["good", "wrong_secret"])
def test_test_connection_command_returns_message_of_hook(
    name: str, stack: AirflowStack, connections: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, message = result_of_hook(name, connections[name], monkeypatch)

    ran = stack.run_cli(
        *("connections", "test", name), env={f"AIRFLOW_CONN_{name.upper()}": json.dumps(connections[name])}
    )
    (stack.home / f"connections-test-{name}.log").write_text(ran.stdout)

    assert (ran.returncode == 0) is status
    assert ("Connection success!" if status else message) in settled(ran.stdout)


@pytest.fixture(scope="module")
def good_run(stack: AirflowStack, simulator: Simulator) -> ExampleRun:
    """Run the DAG with the stored connection."""
    return run_example(stack, simulator)


@pytest.fixture(scope="module")
def bad_run(good_run: ExampleRun, stack: AirflowStack, simulator: Simulator) -> str:
    """Fail a task for lack of keys: the traceback passes through everything that holds secrets."""
    assert good_run.state == "success"
    simulator.inject(Fault("error", "CreateTemporaryAccessKey", times=None, status=403, code="IAM.0002"))
    run_id = stack.trigger_run(NIGHTLY)
    for now in stack.watch_run(NIGHTLY, run_id, timeout=RUN_SECONDS):
        if now.tasks[SAVE_TASK] in {"up_for_retry", "failed", "success"}:
            break
    return run_id


def spellings(value: str) -> set[bytes]:
    """Return how a text may be written: as it is, for a URL, in JSON, and inside of something in base64."""
    raw = value.encode()
    found = {raw, quote(value, safe="").encode(), json.dumps(value)[1:-1].encode()}
    for shift in range(3):
        # The first characters also depend on what is before the text, the last ones on what is after.
        encoded = base64.b64encode(bytes(shift) + raw).rstrip(b"=")
        middle = encoded[0 if shift == 0 else shift + 1 : len(encoded) - 1]
        found |= {middle, middle.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def places_of(values: Iterable[str], home: Path) -> dict[str, set[str]]:
    """
    Return where in a folder each value is found, in whatever spelling; what is nowhere is left out.

    The beginning of a value is enough: something may have cut it off.
    """
    sought = {value: spellings(value[:BEGINNING]) for value in values}
    found: dict[str, set[str]] = {}
    for file in (path for path in home.rglob("*") if path.is_file()):
        content = file.read_bytes()
        for value, spelt in sought.items():
            if any(spelling in content for spelling in spelt):
                found.setdefault(value, set()).add(str(file.relative_to(home)))
    return found


@pytest.mark.parametrize("value", ["secret", "p@ss/wörd+?=&\"'", "x" * 40])
@pytest.mark.parametrize("around", [("", ""), ("a", "bc"), ("ab", "c")], ids=str)
@pytest.mark.parametrize(
    "write",
    [
        str,
        json.dumps,
        lambda text: quote(text, safe=""),
        lambda text: base64.b64encode(text.encode()).decode(),
    ],
    ids=["as it is", "JSON", "URL", "base64"],
)
def test_search_finds_secret_in_each_encoding(
    value: str, around: tuple[str, str], write: Any, tmp_path: Path
) -> None:
    """Otherwise a search without a result would prove nothing."""
    before, after = around
    (tmp_path / "file").write_text(f"… {write(before + value + after)} …")

    assert places_of([value, "something else"], tmp_path) == {value: {"file"}}


def test_no_secret_in_logs_and_database(
    good_run: ExampleRun, bad_run: str, stack: AirflowStack, simulator: Simulator
) -> None:
    """The database holds the XComs and the connection, which is encrypted."""
    image_id = stack.xcom(NIGHTLY, good_run.run_id, SAVE_TASK, "image_id")
    places = places_of([image_id], stack.home)[image_id]
    for pattern in (r"\.db", rf"{SAVE_TASK}/.*\.log$", rf"{WAIT_TASK}/.*\.trigger\.\d+\.log$"):
        assert [place for place in places if re.search(pattern, place)], f"{pattern} is not searched"
    assert "IAM.0002" in stack.task_log(NIGHTLY, bad_run, SAVE_TASK)

    secrets = secrets_of(simulator)

    assert len(secrets) > 5, "less was obtained than a full run obtains"
    assert places_of(secrets, stack.home) == {}


def test_no_secret_in_repr_of_settings_and_credentials(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOWN", json.dumps(by_password_and_agency(simulator)))
    simulator.reset()
    hook = ModelArtsHook("shown")
    hook.list_images()

    modelarts = hook._modelarts
    holders = [hook, hook.settings, modelarts, *vars(hook).values(), *vars(modelarts).values()]
    session = modelarts._session
    holders += vars(session).values()
    credentials = session._credentials
    holders += [*vars(credentials).values(), *vars(credentials._source_credentials).values()]  # type: ignore[attr-defined]

    shown = "\n".join(repr(holder) for holder in holders)
    assert [secret for secret in secrets_of(simulator) if secret in shown] == []
