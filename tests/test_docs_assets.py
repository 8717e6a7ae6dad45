"""The examples of docs/assets.md, and the example DAG that starts on an asset."""

from __future__ import annotations

import importlib.util
import re
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException, Asset

from airflow_provider_modelarts.results import event_extra
from airflow_provider_modelarts.triggers import image_events
from airflow_provider_modelarts.triggers.image_events import NotebookImageEventTrigger

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "assets.md").read_text()
OUTLET, WATCHER = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
EXTRA = {"image_id": "i", "swr_path": "swr.x/t/n:1", "tag": "1", "notebook_id": None}


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(code, names)
    return names


def test_assets_page_starts_dag_on_outlet(capsys: pytest.CaptureFixture[str]) -> None:
    names = run(OUTLET)
    asset = names["IMAGE"]

    names["train"].function(triggering_asset_events={asset: [SimpleNamespace(extra=EXTRA)]})

    assert capsys.readouterr().out == "swr.x/t/n:1\n"
    assert asset.uri == "swr://swr.eu-de.otc.t-systems.com/my-organization/research-environment"


def test_assets_page_watches_images(capsys: pytest.CaptureFixture[str]) -> None:
    names = run(WATCHER)
    asset = names["NEW_IMAGE"]

    names["scan"].function(triggering_asset_events={asset: [SimpleNamespace(extra={"payload": EXTRA})]})

    assert capsys.readouterr().out == "swr.x/t/n:1\n"
    assert isinstance(asset.watchers[0].trigger, NotebookImageEventTrigger)


def test_assets_page_lists_keys_of_event() -> None:
    (table,) = re.findall(r"^\| key \| is \|\n(.*?)\n\n", PAGE, re.MULTILINE | re.DOTALL)
    keys = re.findall(r"`(\w+)`", "\n".join(row.split("|")[1] for row in table.splitlines()))

    verified = {"digest": "sha256:1", "size_bytes": 1, "layers": 1, "unchanged": False}
    assert keys == list(event_extra({"image_id": "i", **verified}))


def test_assets_page_explains_arguments_of_watcher() -> None:
    (table,) = re.findall(r"^\| argument \| means \|\n(.*?)\n\n", PAGE, re.MULTILINE | re.DOTALL)

    explained = re.findall(r"`(\w+)`", "\n".join(row.split("|")[1] for row in table.splitlines()))
    assert sorted(explained) == sorted([*image_events.KWARGS, "queue"])


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example", ROOT / "example_dags" / "train_on_new_image.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("key", ["triggering_asset_events", "triggering_dataset_events"])
def test_example_finds_image_of_newest_event(key: str, example: ModuleType) -> None:
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    events = [
        SimpleNamespace(timestamp=now, extra=EXTRA),
        SimpleNamespace(timestamp=now.replace(year=2025), extra={"image_id": "old"}),
    ]

    assert example.find_image.function(**{key: {example.IMAGE: events}}) == EXTRA
    with pytest.raises(AirflowSkipException):
        example.find_image.function(**{key: {}})


def test_example_saves_to_asset_that_starts_training(example: ModuleType) -> None:
    assert isinstance(example.IMAGE, Asset)
    assert example.train.function(EXTRA) == "Training with image i from swr.x/t/n:1"
