"""The connection form: its fields, its drop-downs, and what an edit keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from airflow_provider_modelarts.provider_info import connection_fields
from tests.browser.ui import Fields, Ui

SECRETS = {"password": "a-secret-key-to-keep", "security_token": "a-security-token-to-keep"}


def test_form_names_endpoint_keys_and_why_port_is_needed(ui: Ui) -> None:
    ui.open_new_connection("shown")

    for label in ("Endpoint", "Access key, or IAM user", "Secret key, or password", "Port (fill in 443)"):
        expect(ui.label(label)).to_be_visible()
    placeholder = "443, or the endpoint's; Airflow 3.3 cannot test without a port"
    expect(ui.field("port")).to_have_attribute("placeholder", placeholder)
    expect(ui.field("password")).to_have_attribute("type", "password")
    ui.screenshot("connection-form-standard-fields")


def test_form_lists_extras_in_order_of_use(ui: Ui) -> None:
    ui.open_new_connection("shown")
    expect(ui.field("region")).to_be_visible()

    labels = [field["label"] for field in connection_fields().values()]
    assert ui.text_of_labels(labels) == labels
    for field in connection_fields().values():
        expect(ui.page.get_by_text(field["description"]).first).to_be_attached()
    expect(ui.field("security_token")).to_have_attribute("type", "password")
    ui.field("region").fill("eu-de")
    ui.screenshot("connection-form")


@pytest.mark.parametrize("name", ["auth", "cloud", "signature"])
def test_drop_down_lists_each_choice_once(name: str, ui: Ui) -> None:
    ui.open_new_connection("shown")

    choices = ui.choices(name)

    assert choices == list(connection_fields()[name]["schema"]["values_display"].values())
    assert len(choices) == len(set(choices))


def test_form_stores_what_was_typed_and_chosen(
    ui: Ui, fields: Fields, stored: Callable[[str], dict[str, Any]]
) -> None:
    ui.open_new_connection("typed")
    ui.fill(fields)
    ui.choose("cloud", "Huawei Cloud EU")
    ui.choose("signature", "Credential (Open Telekom Cloud)")
    ui.save()

    found = stored("typed")
    extra = {key: value for key, value in json.loads(found["extra"]).items() if value}
    assert {**found, **extra}.items() >= {**fields, "port": 443}.items()
    assert (
        extra.items()
        >= {
            "auth": "access_key",
            "cloud": "huaweicloud-eu",
            "signature": "credential",
        }.items()
    )


def test_secrets_are_hidden_and_survive_edit(
    ui: Ui, fields: Fields, stored: Callable[[str], dict[str, Any]]
) -> None:
    ui.open_new_connection("edited")
    ui.fill({**fields, **SECRETS})
    ui.save()

    ui.open_connection("edited")
    expect(ui.field("region")).to_have_value("cn-north-4")
    assert [name for name in SECRETS if ui.field(name).input_value() in SECRETS.values()] == []
    assert [name for name, secret in SECRETS.items() if secret in ui.page.content()] == []
    ui.screenshot("connection-edit")
    ui.fill({"description": "edited once", "region": "cn-north-9"})
    ui.save()

    found = stored("edited")
    extra = json.loads(found["extra"])
    assert (found["description"], extra["region"]) == ("edited once", "cn-north-9")
    assert {"password": found["password"], "security_token": extra["security_token"]} == SECRETS


def test_form_of_another_type_is_unaffected(ui: Ui, stored: Callable[[str], dict[str, Any]]) -> None:
    """Airflow 2 has the fields of all types in one form."""
    ui.open_new_connection("other")
    ui.choose_type("SMTP")
    ui.field("host").fill("https://example.com")
    ui.save()

    found = stored("other")
    assert found["conn_type"] == "smtp"
    assert "access_key" not in str(found["extra"]), "a default of our form was stored"
