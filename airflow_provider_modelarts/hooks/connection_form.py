"""The connection form for Airflow 2.11 to 3.1, built from the provider info that later versions read."""

from __future__ import annotations

from typing import Any

from airflow_provider_modelarts.provider_info import connection_fields, get_provider_info


def behaviour() -> dict[str, Any]:
    """Return which standard fields are hidden, and the labels and placeholders of the others."""
    info = get_provider_info()["connection-types"][0]["ui-field-behaviour"]
    return {key.replace("-", "_"): value for key, value in info.items()}


def widgets() -> dict[str, Any]:
    """Return the form's extra fields; their widget classes are imported here: only web servers have them."""
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
    from flask_babel import lazy_gettext
    from wtforms import PasswordField, StringField

    def widget(field: dict[str, Any]) -> Any:
        is_secret = field["schema"].get("format") == "password"
        kind, field_widget = (
            (PasswordField, BS3PasswordFieldWidget) if is_secret else (StringField, BS3TextFieldWidget)
        )
        choices = ", ".join(choice for choice in field["schema"].get("enum", []) if choice)
        description = f"{field['description']} One of {choices}." if choices else field["description"]
        return kind(lazy_gettext(field["label"]), widget=field_widget(), description=description)

    return {name: widget(field) for name, field in connection_fields().items()}
