"""What tests use of Airflow that has another name, or another place, in another of its versions."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from airflow import __version__
from airflow.providers.common.compat.sdk import Connection

AIRFLOW_VERSION = tuple(int(part) for part in __version__.split(".")[:2])

_MASKERS = (
    "airflow._shared.secrets_masker",  # 3.1 and later: of the servers
    "airflow.sdk._shared.secrets_masker",  # and of the tasks
    "airflow.sdk.execution_time.secrets_masker",  # 3.0
    "airflow.utils.log.secrets_masker",  # 2.11
)


def import_first(*names: str) -> Any:
    """Return the first ``module:attribute`` that exists."""
    for name in names:
        module, _, attribute = name.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError):
            continue
    raise ImportError(f"Airflow {__version__} has none of {', '.join(names)}")


def _secrets_maskers() -> Iterator[Any]:
    count = 2 if AIRFLOW_VERSION >= (3, 1) else 1
    places = _MASKERS[:2] if count == 2 else _MASKERS[2:]
    for place in places:
        try:
            yield importlib.import_module(place)
        except ImportError:
            continue
        if (count := count - 1) == 0:
            return


def reset_secrets_maskers() -> None:
    """Let Airflow forget the secrets that it masks."""
    for module in _secrets_maskers():
        if hasattr(module, "reset_secrets_masker"):
            module.reset_secrets_masker()
        else:
            masker = module._secrets_masker()
            masker.patterns = set()
            masker.replacer = None


def serialized(value: Any) -> Any:
    """Return a value as Airflow stores it."""
    return _serde("serialize")(value)


def deserialized(stored: Any) -> Any:
    """Return what Airflow reads from a stored value."""
    return _serde("deserialize")(stored)


def _serde(function: str) -> Any:
    return import_first(f"airflow.sdk.serde:{function}", f"airflow.serialization.serde:{function}")


AirflowRescheduleException = import_first(
    "airflow.sdk.exceptions:AirflowRescheduleException", "airflow.exceptions:AirflowRescheduleException"
)
TaskDeferralError = import_first(
    "airflow.sdk.exceptions:TaskDeferralError", "airflow.exceptions:TaskDeferralError"
)
# 2.11 has one error for both.
TaskDeferralTimeout = import_first(
    "airflow.sdk.exceptions:TaskDeferralTimeout",
    "airflow.exceptions:TaskDeferralTimeout",
    "airflow.exceptions:TaskDeferralError",
)
DagBag = import_first("airflow.dag_processing.dagbag:DagBag", "airflow.models.dagbag:DagBag")
# The variable that holds the DAG whose task runs, so that a file may define that one only.
PARSED_DAG = import_first(
    "airflow.sdk.definitions.context:_AIRFLOW_PARSING_CONTEXT_DAG_ID",
    "airflow.utils.dag_parsing_context:_AIRFLOW_PARSING_CONTEXT_DAG_ID",
)
# The rows of XComs.
XComModel = import_first("airflow.models.xcom:XComModel", "airflow.models.xcom:XCom")


def xcom_value(row: Any) -> Any:
    """Return the value in a row of XCom, which 2.11 reads together with the row."""
    return XComModel.deserialize_value(row) if AIRFLOW_VERSION >= (3,) else row.value


def connection_from_uri(uri: str) -> Any:
    """Return the connection ``c`` that Airflow reads from a URI."""
    if hasattr(Connection, "from_uri"):
        return Connection.from_uri(uri, conn_id="c")
    from airflow.models.connection import Connection as StoredConnection

    return StoredConnection(conn_id="c", uri=uri)
