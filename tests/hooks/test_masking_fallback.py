"""An Airflow whose masker is in no module that is known."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_modelarts.hooks import masking
from airflow_provider_modelarts.hooks.clients import lookup_cause


@pytest.fixture(autouse=True)
def _no_masker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(masking, "_MODULES", ("airflow.nowhere", "json"))
    masking._of_airflow.cache_clear()
    yield
    masking._of_airflow.cache_clear()


def test_mask_warns_once_without_masker(caplog: pytest.LogCaptureFixture) -> None:
    for secret in ("token-1", "token-2"):
        masking.mask(secret)

    (record,) = caplog.records
    assert "mask_secret is in none of airflow.nowhere, json" in record.getMessage()
    assert "token" not in caplog.text


def test_lookup_cause_names_class_only_without_masker() -> None:
    assert lookup_cause(RuntimeError("the password is secret")) == "RuntimeError"
