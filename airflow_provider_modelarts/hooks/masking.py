"""Hides what was obtained at run time from the logs: Airflow itself only knows what connections hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

_MODULES = (
    "airflow.sdk.log",
    "airflow.sdk._shared.secrets_masker",
    "airflow.sdk.execution_time.secrets_masker",
    "airflow.utils.log.secrets_masker",
)
"""Where Airflow has its masker, the one that also reaches a task's supervisor first; the last is 2.11's."""


def mask(secret: str) -> None:
    """
    Hide a secret from the logs of a worker.

    Not on an event loop: a triggerer lives for months, and Airflow's masker compiles all secrets that it
    ever had into one regular expression, anew for each. What is obtained there is kept from all that logs.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        _of_airflow("mask_secret")(secret)


def redacted(text: str) -> str:
    """Return a text without the secrets that Airflow knows."""
    return str(_of_airflow("redact")(text))


@cache
def _of_airflow(name: str) -> Callable[[str], Any]:
    for module in _MODULES:
        try:
            function: Callable[[str], Any] = getattr(import_module(module), name)
        except (ImportError, AttributeError):
            continue
        return function
    raise ImportError(f"this Airflow has no {name} where those of 2.11 to 3.4 have it")
