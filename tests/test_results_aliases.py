"""The events of asset aliases."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Asset

from tests.airflow_versions import AIRFLOW_VERSION
from tests.test_results_outlets import ALIAS, OURS, alias_events, ran


@pytest.mark.parametrize("status", ["INIT", "CREATING", None])
def test_alias_of_image_that_is_not_active_is_warned_of(
    status: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    ran([ALIAS, OURS, ALIAS], status=status)

    (record,) = caplog.records
    assert record.getMessage().startswith("Image i is not ACTIVE yet: the asset alias newest image gets no")
    assert "Set wait_for_completion=True" in record.getMessage()


@pytest.mark.skipif(AIRFLOW_VERSION < (3, 0), reason="datasets have no names")
def test_alias_gets_event_of_asset_by_the_name_of_the_outlet() -> None:
    named: Any = Asset("research image", uri=OURS.uri)

    ended = ran([ALIAS, named])

    (event,) = ended["outlet_events"][ALIAS].asset_alias_events
    assert (event.dest_asset_key.name, event.dest_asset_key.uri) == ("research image", OURS.uri)
    assert len(alias_events(ended)) == 1
