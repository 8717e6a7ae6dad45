"""The trigger form of the example DAG ``snapshot_on_demand``."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.ui import Ui

DAG_ID = "snapshot_on_demand"
NOTEBOOK = "6b1c2d3e-4f50-4a61-8b72-9c83ad94be05"

TITLES = {
    "notebook_id": "Notebook",
    "namespace": "SWR organization",
    "name": "Image name",
    "tag": "Tag",
    "description": "Description",
}


def test_form_shows_titles_and_descriptions_of_params(ui: Ui) -> None:
    ui.open_trigger_form(DAG_ID)

    for name, title in TITLES.items():
        expect(ui.param_title(name, title)).to_be_visible()
    expect(ui.page.get_by_text("ID of the running notebook").first).to_be_visible()
    expect(ui.page.get_by_text("An existing tag is never overwritten.").first).to_be_visible()
    expect(ui.param("name")).to_have_value("research-environment")
    ui.param("notebook_id").fill(NOTEBOOK)
    ui.param("namespace").fill("research")
    ui.screenshot("trigger-form")


@pytest.mark.parametrize(
    ("name", "value"),
    [("notebook_id", "my-notebook"), ("namespace", "Research"), ("tag", "2026/11/26")],
)
def test_form_refuses_value_that_modelarts_would_refuse(name: str, value: str, ui: Ui) -> None:
    ui.open_trigger_form(DAG_ID)
    given = {"notebook_id": NOTEBOOK, "namespace": "research", "tag": "t", name: value}
    for param, text in given.items():
        ui.param(param).fill(text)

    refusal = ui.refusal()

    expect(refusal).to_contain_text(f"Invalid input for param {name}")
    expect(refusal).to_contain_text(f"{value!r} does not match")
    ui.screenshot(f"trigger-form-refuses-{name}")
