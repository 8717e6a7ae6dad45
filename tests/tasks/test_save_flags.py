"""The flags of a save: text is refused, as ``"False"`` would count as true."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_modelarts.simulator import Simulator
from tests.operators.saves import save


@pytest.mark.parametrize("value", ["False", "{{ params.wait }}", None, 1], ids=repr)
@pytest.mark.parametrize("flag", ["wait_for_completion", "deferrable"])
def test_save_refuses_flag_that_is_no_bool(
    flag: str, value: Any, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MODELARTS_DEFAULT", json.dumps(simulator.connection))
    with pytest.raises(AirflowFailException, match=f"{flag} must be True or False"):
        save(simulator, **{flag: value})
    assert simulator.journal == ()
