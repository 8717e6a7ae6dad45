"""The test button, and what its message recommends."""

from __future__ import annotations

from playwright.sync_api import expect

from airflow_provider_modelarts.simulator import Simulator
from tests.browser.ui import Fields, Ui

WRONG_SECRET = "a-secret-key-that-is-wrong"


def test_button_connects_with_port(ui: Ui, fields: Fields, simulator: Simulator) -> None:
    message = ui.test_connection("good", fields)

    assert f"Connected to ModelArts at {simulator.endpoint}; credentials accepted" in message
    ui.screenshot("test-button-connected")


def test_button_without_port_is_refused_only_by_airflow_33(
    ui: Ui, fields: Fields, airflow_version: str
) -> None:
    """There the field says so before; the other versions connect."""
    message = ui.test_connection("without_port", {**fields, "port": ""})

    if airflow_version.startswith("3.3."):
        assert "Bad Request" in message
    else:
        assert "Connected to ModelArts at" in message
    ui.screenshot("test-button-without-port")


def test_button_names_wrong_secret_without_showing_it(ui: Ui, fields: Fields) -> None:
    message = ui.test_connection("wrong_secret", {**fields, "password": WRONG_SECRET})

    assert "The secret key is wrong: check password" in message
    assert WRONG_SECRET not in message
    ui.screenshot("test-button-wrong-secret")


def test_button_names_missing_region_first(ui: Ui, fields: Fields) -> None:
    """And not the id of the copy that Airflow tests."""
    given = {"login": fields["login"], "password": fields["password"], "port": "443"}

    message = ui.test_connection("without_region", given)

    begins = (
        "The connection cannot be used: extra region is missing (such as eu-de or cn-north-4), or else host"
    )
    assert begins in message
    ui.screenshot("test-button-without-region")


def test_form_of_stored_connection_asks_for_secrets_again_on_airflow_2(ui: Ui, fields: Fields) -> None:
    """Airflow 3 tests what is stored, Airflow 2 what is typed."""
    if ui.tests_stored_connection:
        return
    ui.open_new_connection("retested")
    ui.fill(fields)
    ui.save()
    ui.open_connection("retested")
    with ui.page.expect_response("**/connections/test"):
        ui.page.locator("#test-connection").click()

    expect(ui.page.locator(".alert:visible").first).to_contain_text("type stored secrets again")
