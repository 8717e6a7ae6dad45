"""The connection form as Airflow 2.11 to 3.1 want it, made from what later ones read in the provider info."""

from __future__ import annotations

from typing import Any

from airflow_provider_modelarts.provider_info import connection_fields, get_provider_info


def behaviour() -> dict[str, Any]:
    """Return which of the standard fields are hidden, relabelled and given a placeholder."""
    info = get_provider_info()["connection-types"][0]["ui-field-behaviour"]
    return {key.replace("-", "_"): value for key, value in info.items()}


def widgets() -> dict[str, Any]:
    """Return the form's own fields; what draws them is imported here, because only a web server has it."""
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
    from flask_babel import lazy_gettext
    from wtforms import PasswordField, StringField

    def widget(field: dict[str, Any]) -> Any:
        is_secret = field["schema"].get("format") == "password"
        kind, look = (
            (PasswordField, BS3PasswordFieldWidget) if is_secret else (StringField, BS3TextFieldWidget)
        )
        choices = ", ".join(choice for choice in field["schema"].get("enum", []) if choice)
        description = f"{field['description']} One of {choices}." if choices else field["description"]
        return kind(lazy_gettext(field["label"]), widget=look(), description=description)

    return {name: widget(field) for name, field in connection_fields().items()}
