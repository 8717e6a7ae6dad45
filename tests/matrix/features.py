"""Prints as JSON what this Airflow offers of what the provider uses where it is there."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable
from typing import Any


def _attribute(module: str, name: str) -> Any:
    """Return an attribute of a module, None where there is no such thing."""
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


def _has_module(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def _reads_form_from_provider_info() -> bool:
    return "conn-fields" in inspect.getsource(importlib.import_module("airflow.providers_manager"))


def _discards_task_state() -> bool:
    module = "airflow.api_fastapi.core_api.services.public.task_instances"
    return _attribute(module, "_discard_task_state_store") is not None


FEATURES: dict[str, Callable[[], bool]] = {
    "connection form from the provider's metadata, without FAB": _reads_form_from_provider_info,
    "an error of its own for a trigger's timeout, which sensors do not retry": lambda: any(
        _attribute(module, "TaskDeferralTimeout")
        for module in ("airflow.sdk.exceptions", "airflow.exceptions")
    ),
    "task state store: a retry finds its image without a list": lambda: _has_module(
        "airflow.models.task_state_store"
    ),
    "a cleared task loses its task state, unless it is to be kept": _discards_task_state,
    "`on_kill` of triggers: a killed wait is logged with its image": lambda: hasattr(
        _attribute("airflow.triggers.base", "BaseTrigger"), "on_kill"
    ),
    "event triggers (`AssetWatcher`)": lambda: (
        _attribute("airflow.triggers.base", "BaseEventTrigger") is not None
    ),
    "asset state store that a trigger may await": lambda: hasattr(
        _attribute("airflow.sdk.execution_time.context", "AssetStateStoreAccessor"), "aget"
    ),
    "retry policies": lambda: _attribute("airflow.sdk", "RetryPolicy") is not None,
}


if __name__ == "__main__":
    print(json.dumps({name: bool(is_there()) for name, is_there in FEATURES.items()}))
