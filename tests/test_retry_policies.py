"""The retry policy, as Airflow's worker asks it after a failure."""

from __future__ import annotations

import importlib
import json
import re
import sys
from datetime import timedelta
from typing import Any

import pytest
from airflow import __version__
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import BaseOperator
from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction

from airflow_provider_modelarts import exceptions
from airflow_provider_modelarts.exceptions import (
    PERMANENT,
    ModelArtsError,
    NotebookNotReadyError,
    QuotaExceededError,
    ServerError,
    WaitTimeoutError,
)
from airflow_provider_modelarts.operators.image import CreateNotebookImageOperator
from airflow_provider_modelarts.retry_policies import BUSY_DELAY, MODELARTS_RETRY_POLICY, QUOTA_DELAY


def delay_after(error: BaseException, *, try_number: int = 1, **arguments: Any) -> timedelta | None:
    task = BaseOperator(task_id="save", retries=3, **arguments)
    context: Any = {"task": task}

    return MODELARTS_RETRY_POLICY.evaluate(error, try_number, 3, context).retry_delay


@pytest.mark.parametrize(
    ("error", "delay"),
    [(QuotaExceededError("q"), QUOTA_DELAY), (NotebookNotReadyError("n"), BUSY_DELAY)],
    ids=["quota", "busy"],
)
def test_policy_lengthens_delay_after_quota_and_busy(error: ModelArtsError, delay: timedelta) -> None:
    decision = MODELARTS_RETRY_POLICY.evaluate(error, 1, 3)

    assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, delay)
    assert decision.reason
    assert delay_after(error, retry_delay=timedelta(minutes=5)) == delay


@pytest.mark.parametrize(
    ("arguments", "try_number", "delay"),
    [
        pytest.param({"retry_delay": timedelta(hours=2)}, 1, timedelta(hours=2), id="a long delay"),
        pytest.param(
            {"retry_delay": timedelta(minutes=10), "retry_exponential_backoff": 2.0},
            1,
            BUSY_DELAY * 2,
            id="backoff at its longest",
        ),
        pytest.param(
            {"retry_delay": timedelta(minutes=5), "retry_exponential_backoff": 3.0},
            3,
            timedelta(minutes=90),
            id="backoff of a later try",
        ),
        pytest.param(
            {"retry_delay": timedelta(minutes=5), "retry_exponential_backoff": 2.0},
            10_000,
            timedelta(days=1),
            id="backoff without end",
        ),
        pytest.param(
            {
                "retry_delay": timedelta(minutes=5),
                "retry_exponential_backoff": 2.0,
                "max_retry_delay": timedelta(minutes=15),
            },
            5,
            timedelta(minutes=15),
            id="backoff with a limit",
        ),
    ],
)
def test_policy_never_shortens_delay(arguments: dict[str, Any], try_number: int, delay: timedelta) -> None:
    assert delay_after(NotebookNotReadyError("n"), try_number=try_number, **arguments) == delay


@pytest.mark.parametrize(
    "error",
    [
        ServerError("s"),
        WaitTimeoutError("w"),
        ValueError("v"),
        AirflowFailException("f"),
        *(e("p") for e in PERMANENT),
    ],
    ids=lambda error: type(error).__name__,
)
def test_policy_leaves_other_errors_to_task(error: BaseException) -> None:
    decision = MODELARTS_RETRY_POLICY.evaluate(error, 1, 3)

    assert (decision.action, decision.retry_delay) == (RetryAction.DEFAULT, None)


def test_policy_has_no_rule_for_permanent_errors() -> None:
    """They reach no policy: the task raises AirflowFailException."""
    lengthened = [
        error
        for error in vars(exceptions).values()
        if isinstance(error, type)
        and issubclass(error, ModelArtsError)
        and any(rule.matches(error("x")) for rule in MODELARTS_RETRY_POLICY.rules)
    ]

    assert lengthened == [NotebookNotReadyError, QuotaExceededError]
    assert not set(lengthened) & set(PERMANENT)


def test_policy_is_accepted_by_operator_and_survives_serialization() -> None:
    save = CreateNotebookImageOperator(task_id="save", notebook_id="n", retry_policy=MODELARTS_RETRY_POLICY)

    assert save.retry_policy is MODELARTS_RETRY_POLICY
    stored = json.loads(json.dumps(MODELARTS_RETRY_POLICY.serialize()))
    assert len(ExceptionRetryPolicy.deserialize(stored).rules) == 2


def test_policy_names_version_on_older_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "airflow.sdk.definitions.retry_policy", None)
    monkeypatch.delitem(sys.modules, "airflow_provider_modelarts.retry_policies")

    with pytest.raises(
        ImportError, match=rf"needs Airflow 3\.3 or later.* is Airflow {re.escape(__version__)}"
    ):
        importlib.import_module("airflow_provider_modelarts.retry_policies")
