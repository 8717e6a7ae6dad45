"""When a lease shows that its notebook was started, and which one never does."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_modelarts.client.notebooks import Lease

NOW = 1_784_948_034_829


@pytest.mark.parametrize(
    ("fields", "is_shown"),
    [
        pytest.param({"duration": 3_600_000}, True, id="timed"),
        pytest.param({}, True, id="without a duration"),
        pytest.param({"duration": "an hour"}, True, id="of an unreadable duration"),
        pytest.param({"duration": 2**70}, True, id="of a duration out of range"),
        pytest.param({"enable": None}, True, id="neither enabled nor disabled"),
        pytest.param({"type": "ODD"}, True, id="of an unknown type"),
        pytest.param({"duration": 3_600_000, "update_at": None}, False, id="without the time"),
        pytest.param({"duration": -1}, False, id="unlimited"),
        pytest.param({"duration": "0"}, False, id="of no duration"),
        pytest.param({"type": "idle"}, False, id="idle, without a duration"),
        pytest.param({"type": "IDLE", "duration": -1}, False, id="idle and unlimited"),
        pytest.param({"enable": False, "duration": 3_600_000}, False, id="disabled"),
    ],
)
def test_lease_shows_start_unless_it_is_disabled_unlimited_or_idle(
    fields: dict[str, Any], is_shown: bool
) -> None:
    given = {"create_at": NOW - 1, "update_at": NOW, "enable": True, "type": "TIMING"}
    assert Lease.model_validate(given | fields).started_at == (NOW if is_shown else None)
