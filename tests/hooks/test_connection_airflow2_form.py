"""What the forms of Airflow 2 send and store: the browser tests run the forms themselves."""

from __future__ import annotations

import airflow
import pytest

from airflow_provider_modelarts.exceptions import InvalidConnectionError
from airflow_provider_modelarts.hooks.connection_form import STORED_SECRET
from airflow_provider_modelarts.hooks.connection_test import diagnose
from airflow_provider_modelarts.provider_info import connection_fields
from tests.hooks.connections import refusal, settings

EXTRA = {"region": "cn-north-4", "project_id": "p", "security_token": "a-token"}


def test_parse_connection_reads_extras_sent_under_two_names() -> None:
    """The test button of Airflow 2 sends both."""
    twice = {f"extra__modelarts__{name}": value for name, value in EXTRA.items()}

    assert settings(extra={**EXTRA, **twice}) == settings(extra=EXTRA)


def test_parse_connection_refuses_placeholder_of_stored_secret() -> None:
    message = refusal(extra={**EXTRA, "security_token": STORED_SECRET})

    assert "extra security_token must be typed again to be tested: it is the mask" in message


@pytest.mark.parametrize(
    ("version", "fields", "is_hinted"),
    [
        pytest.param("2.11.2", {"password": None}, True, id="password on Airflow 2"),
        pytest.param("2.11.2", {"extra": {"security_token": STORED_SECRET}}, True, id="token on Airflow 2"),
        pytest.param("2.11.2", {"extra": {"region": "eu_de"}}, False, id="region on Airflow 2"),
        pytest.param("3.3.2", {"password": None}, False, id="password on Airflow 3"),
    ],
)
def test_diagnose_names_limit_of_airflow_2_for_missing_secret(
    version: str, fields: dict[str, object], is_hinted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidConnectionError) as caught:
        settings(**fields)  # type: ignore[arg-type]
    monkeypatch.setattr(airflow, "__version__", version)

    assert diagnose(caught.value, None).endswith("type stored secrets again") is is_hinted


def test_form_has_one_secret_extra() -> None:
    """Airflow 2 keeps it by the placeholder; another one would need the same widget."""
    secrets = [name for name, field in connection_fields().items() if "format" in field["schema"]]

    assert secrets == ["security_token"]
