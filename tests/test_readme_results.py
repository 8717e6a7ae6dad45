"""What README documents as XCom of a task."""

from __future__ import annotations

import re

from airflow_provider_modelarts.hooks.modelarts import ModelArtsHook
from airflow_provider_modelarts.simulator import Simulator
from tests.pages import pages


def test_readme_lists_fields_of_result_before_and_after_image_is_active(
    simulator: Simulator, connection: str
) -> None:
    text = " ".join(pages()["README.md"].split())
    (pending, active) = re.findall(
        r"In every mode .+? push (.+) and, once ACTIVE, (.+?)\. The operator", text
    )[0]
    always = set(re.findall(r"`(\w+)`", pending)) - {"return_value"}
    later = set(re.findall(r"`(\w+)`", active))
    hook = ModelArtsHook(connection)

    saved = hook.create_image(simulator.notebook_id, name="research", namespace="team")
    simulator.set_image_status(saved.id, "ACTIVE")

    assert {*saved.to_xcom()} == always
    assert {*hook.get_image(saved.id).to_xcom()} == always | later
