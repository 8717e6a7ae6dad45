"""The hook's methods about SWR."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from airflow_provider_modelarts.exceptions import InvalidConnectionError
from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Simulator

HookCall = Callable[[ModelArtsHook], object]


def test_hook_verifies_image_and_its_id(simulator: Simulator, connection: str) -> None:
    hook = ModelArtsHook(connection)
    image_id = simulator.add_image(name="research", namespace="team", tag="v1")

    assert hook.verify_image(image_id) == hook.verify_image(hook.get_image(image_id))
    assert hook.verify_image(image_id).keys() == {"digest", "size_bytes", "layers", "unchanged"}


def test_hook_calls_registry(simulator: Simulator, connection: str) -> None:
    hook = ModelArtsHook(connection)
    simulator.add_image(name="research", namespace="team", tag="v1")
    simulator.registry.add_rule("team", "research", num=10)

    hook.create_tag("team", "research", source_tag="v1", destination_tag="stable")
    tags = {tag.tag: tag.digest for tag in hook.list_tags("team", "research")}
    hook.delete_tag("team", "research", "v1")

    assert tags["stable"] == tags["v1"]
    assert list(simulator.registry.tags("team", "research")) == ["stable"]
    assert [rule.num for rule in hook.list_retention_rules("team", "research")] == [10]


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda hook: hook.list_tags("a", "b"), id="list_tags"),
        pytest.param(lambda hook: hook.delete_tag("a", "b", "c"), id="delete_tag"),
        pytest.param(lambda hook: hook.list_retention_rules("a", "b"), id="list_retention_rules"),
        pytest.param(
            lambda hook: hook.create_tag("a", "b", source_tag="c", destination_tag="d"), id="create_tag"
        ),
        pytest.param(
            lambda hook: hook.verify_image("0b5e1d7c-0000-4000-8000-000000000000"), id="verify_image"
        ),
    ],
)
def test_hook_sends_nothing_without_endpoint_of_registry(
    call: HookCall, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = simulator.connection
    given["extra"].pop("swr_endpoint")
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(given))

    with pytest.raises(InvalidConnectionError, match="swr_endpoint of the connection is missing"):
        call(ModelArtsHook())

    assert simulator.journal == ()
