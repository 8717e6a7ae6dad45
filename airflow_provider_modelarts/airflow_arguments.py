"""
Types of the arguments of operators and sensors, for type checkers.

With them a type checker reports a misspelled argument, which ``**kwargs`` would otherwise accept as one of
Airflow's. Nothing imports this module when a DAG is parsed.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from airflow.providers.common.compat.sdk import DAG, Context, TaskGroup, XComArg
from typing_extensions import Required, TypedDict

try:
    from airflow.sdk.definitions.param import DagParam
except ImportError:  # Airflow 2.11
    from airflow.models.param import DagParam  # type: ignore[no-redef, import-not-found]

Templated: TypeAlias = str | XComArg | DagParam
"""A text, a template, the result of another task, or a DAG parameter: ``dag.param("x")``."""

Callback: TypeAlias = Callable[[Context], None]
Callbacks: TypeAlias = Callback | list[Callback] | None


class OperatorArguments(TypedDict, total=False):
    """Arguments of ``BaseOperator``, on any Airflow from 2.11."""

    task_id: Required[str]
    owner: str
    email: str | Sequence[str] | None
    email_on_retry: bool
    email_on_failure: bool
    retries: int | None
    retry_delay: timedelta | float
    retry_exponential_backoff: float
    max_retry_delay: timedelta | float | None
    retry_policy: Any
    start_date: datetime | None
    end_date: datetime | None
    depends_on_past: bool
    ignore_first_depends_on_past: bool
    wait_for_past_depends_before_skipping: bool
    wait_for_downstream: bool
    dag: DAG | None
    params: MutableMapping[str, Any] | None
    default_args: dict[str, Any] | None
    priority_weight: int
    weight_rule: Any
    queue: str
    pool: str | None
    pool_slots: int
    sla: timedelta | None
    execution_timeout: timedelta | None
    on_execute_callback: Callbacks
    on_failure_callback: Callbacks
    on_success_callback: Callbacks
    on_retry_callback: Callbacks
    on_skipped_callback: Callbacks
    pre_execute: Callable[[Any], None] | None
    post_execute: Callable[[Any, Any], None] | None
    trigger_rule: str
    resources: dict[str, Any] | None
    run_as_user: str | None
    map_index_template: str | None
    max_active_tis_per_dag: int | None
    max_active_tis_per_dagrun: int | None
    executor: str | None
    executor_config: dict[str, Any] | None
    do_xcom_push: bool
    multiple_outputs: bool
    inlets: Any
    outlets: Any
    task_group: TaskGroup | None
    doc: str | None
    doc_md: str | None
    doc_json: str | None
    doc_yaml: str | None
    doc_rst: str | None
    task_display_name: str | None
    logger_name: str | None
    allow_nested_operators: bool
    render_template_as_native_obj: bool | None


class SensorArguments(OperatorArguments, total=False):
    """Arguments of ``BaseSensorOperator`` except ``poke_interval`` and ``timeout``."""

    soft_fail: bool
    mode: str
    exponential_backoff: bool
    max_wait: timedelta | float | None
    silent_fail: bool
    never_fail: bool
