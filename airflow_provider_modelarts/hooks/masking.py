"""Masks secrets that were obtained at run time in logs; Airflow by itself masks those of connections."""

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
"""The modules of Airflow's masker, in order of preference: the first also masks in a task's supervisor."""


def mask(secret: str) -> None:
    """
    Mask a secret in the logs of a worker; on an event loop, do nothing.

    A triggerer runs for months, and Airflow's masker compiles all secrets that it ever got into one regular
    expression, again for each new one. Secrets obtained there never reach a logger instead.

    :param secret: such as a token or a temporary key.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        _of_airflow("mask_secret")(secret)


def redacted(text: str) -> str:
    """Return a text with the secrets masked that Airflow has registered."""
    return str(_of_airflow("redact")(text))


@cache
def _of_airflow(name: str) -> Callable[[str], Any]:
    for module in _MODULES:
        try:
            function: Callable[[str], Any] = getattr(import_module(module), name)
        except (ImportError, AttributeError):
            continue
        return function
    raise ImportError(f"Airflow's {name} is in none of {', '.join(_MODULES)}: this Airflow is not supported")
