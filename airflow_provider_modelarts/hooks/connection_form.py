"""The connection form for Airflow 2.11 to 3.1, built from the provider info that later versions read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import airflow

from airflow_provider_modelarts.provider_info import connection_fields, get_provider_info

STORED_SECRET = "RATHER_LONG_SENSITIVE_FIELD_PLACEHOLDER"  # noqa: S105 - what Airflow 2 shows for a secret
"""Airflow 2 sends it in place of a stored secret, and when it saves, replaces it by that secret."""


def behaviour() -> dict[str, Any]:
    """Return which standard fields are hidden, and the labels and placeholders of the others."""
    info = get_provider_info()["connection-types"][0]["ui-field-behaviour"]
    return {key.replace("-", "_"): value for key, value in info.items()}


def widgets() -> dict[str, Any]:
    """Return the form's extra fields; their widget classes are imported here: only web servers have them."""
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
    from flask_babel import lazy_gettext
    from wtforms import PasswordField, StringField
    from wtforms.validators import any_of

    # Airflow 3.0 and 3.1 replace these names by their own, which turn choices into drop-downs.
    is_airflow_2 = airflow.__version__.startswith("2.")

    def field(form_field: dict[str, Any]) -> Any:
        schema, label = form_field["schema"], lazy_gettext(form_field["label"])
        common = {"description": form_field["description"], "default": schema.get("default")}
        if schema.get("format") == "password":
            widget = _stored_secret(BS3PasswordFieldWidget) if is_airflow_2 else BS3PasswordFieldWidget
            return PasswordField(label, widget=widget(), **common)
        if "enum" not in schema:
            return StringField(label, widget=BS3TextFieldWidget(), **common)
        if is_airflow_2:
            return StringField(label, widget=_drop_down(schema["values_display"]), **common)
        choices = [choice for choice in schema["enum"] if choice is not None]
        return StringField(label, [any_of(choices)], widget=BS3TextFieldWidget(), **common)

    return {name: field(form_field) for name, form_field in connection_fields().items()}


def _stored_secret(base: Any) -> Any:
    """
    Return the widget class of a secret that survives an edit.

    Without it Airflow 2 submits an empty field, and then deletes the secret.
    """

    class StoredSecretWidget(base):  # type: ignore[misc]
        def __call__(self, field: Any, **kwargs: Any) -> Any:
            self.hide_value = False
            kwargs["value"] = STORED_SECRET if field.data else ""
            return super().__call__(field, **kwargs)

    return StoredSecretWidget


def _drop_down(labels: dict[str, str]) -> Any:
    """Return the widget of a text field with choices: Airflow 2 refuses fields of WTForms' own class."""
    from markupsafe import Markup
    from wtforms.widgets import html_params

    values = {"" if choice == "null" else choice: label for choice, label in labels.items()}

    def draw(field: Any, **_: Any) -> Any:
        chosen = _chosen(field.data, values)
        options = Markup().join(
            Markup("<option {}>{}</option>").format(
                Markup(html_params(value=value, selected=value == chosen)),  # noqa: S704 - escaped
                label,
            )
            for value, label in {**values, chosen: values.get(chosen, chosen)}.items()
        )
        params = html_params(id=field.id, name=field.name, class_="form-control")
        return Markup("<select {}>{}</select>").format(Markup(params), options)  # noqa: S704 - escaped

    return draw


def _chosen(stored: Any, values: Iterable[str]) -> str:
    """
    Return the option of a stored value, which is in any case; a value that no option has is one of its own.

    A browser would select the first option instead, and then store it.
    """
    text = str("" if stored is None else stored).strip()
    return next((value for value in values if value.lower() == text.lower()), text)
