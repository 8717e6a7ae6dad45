"""The image id in Airflow's task state store, whose faults fail no task."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from airflow_provider_modelarts.tasks.image_id_store import load_image_id, store_image_id


class BrokenStore:
    """A store whose database is unreachable."""

    def get(self, _: str) -> str:
        raise OSError("unreachable")

    def set(self, *_: str) -> None:
        raise OSError("unreachable")


class Store(dict[str, Any]):
    """A store that works."""

    def set(self, key: str, value: str) -> None:
        self[key] = value


def context(store: object) -> Any:
    return {"task_state_store": store}


def test_image_id_store_returns_what_was_stored() -> None:
    store = Store()
    store_image_id(context(store), "i-1")

    assert load_image_id(context(store)) == "i-1"


@pytest.mark.parametrize("given", [{}, {"task_state_store": None}, context(Store(image_id=7))], ids=str)
def test_image_id_store_returns_none_without_a_usable_value(given: Any) -> None:
    assert load_image_id(given) is None


def test_image_id_store_is_optional() -> None:
    store_image_id({}, "i-1")


def test_image_id_store_warns_of_faults_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "airflow_provider_modelarts.tasks.image_id_store")

    assert load_image_id(context(BrokenStore())) is None
    store_image_id(context(BrokenStore()), "i-1")

    unread, unwritten = caplog.messages
    assert unread.startswith(
        "Cannot read the image id of an earlier try from the task state store (unreachable)"
    )
    assert unwritten.startswith("Cannot write the id of image i-1 to the task state store: unreachable. ")
