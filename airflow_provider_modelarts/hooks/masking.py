"""Hides what was obtained at run time from the logs: Airflow itself only knows what connections hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

# The masker of this process, by Airflow version: 3.2 and later, 3.0 and 3.1, 2.11.
_MASKERS = (
    "airflow.sdk._shared.secrets_masker",
    "airflow.sdk.execution_time.secrets_masker",
    "airflow.utils.log.secrets_masker",
)


def mask(secret: str) -> None:
    """
    Hide a secret from the logs of this process, and of its supervisor where there is one.

    On an event loop the supervisor is left out: before Airflow 3.3.2 asking it from there can stop a
    triggerer for good, and what a trigger logs is redacted before it gets there.
    """
    _masker()(secret)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        _supervised_masker()(secret)


@cache
def _masker() -> Callable[[str], Any]:
    for name in _MASKERS:
        try:
            masker: Callable[[str], Any] = import_module(name).mask_secret
        except ImportError:
            continue
        return masker
    raise ImportError("this Airflow has no masker of secrets where those of 2.11 to 3.3 have it")


@cache
def _supervised_masker() -> Callable[[str], Any]:
    try:
        masker: Callable[[str], Any] = import_module("airflow.sdk.log").mask_secret
    except (ImportError, AttributeError):  # Airflow 2.11 has no supervisor
        return _masker()
    return masker
