"""The fixture for tests of DAGs, in a project that loads it as the documentation shows."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.pytest_plugin import modelarts_simulator
from airflow_provider_modelarts.simulator import AfterReads, Simulator

__all__ = ["modelarts_simulator"]


def test_fixture_leads_default_connection_to_simulator(modelarts_simulator: Simulator) -> None:
    image = ModelArtsHook().create_image(modelarts_simulator.notebook_id, name="research", namespace="team")

    assert ModelArtsHook().get_image(image.id).is_active
    assert modelarts_simulator.saves == 1


@pytest.mark.parametrize(
    "modelarts_simulator", [{"cloud": "otc", "save": AfterReads(3)}], indirect=True, ids=["arguments"]
)
def test_fixture_takes_arguments_of_simulator(modelarts_simulator: Simulator) -> None:
    image = ModelArtsHook().create_image(modelarts_simulator.notebook_id, name="research", namespace="team")

    assert BaseHook.get_connection("modelarts_default").extra_dejson["region"] == "eu-de"
    assert ModelArtsHook().get_image(image.id).is_pending
