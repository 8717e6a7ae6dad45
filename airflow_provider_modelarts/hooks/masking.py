"""Masks secrets that were obtained at run time in logs; Airflow by itself masks those of connections."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

_MODULES = (
    "airflow.sdk.log",
    "airflow.sdk._shared.secrets_masker",
    "airflow.sdk.execution_time.secrets_masker",
    "airflow.utils.log.secrets_masker",
    "airflow.providers.common.compat.sdk",
)
"""
The modules of Airflow's masker, in order of preference: the first also masks in a task's supervisor, the last
follows where a later Airflow moves it.
"""

log = logging.getLogger(__name__)


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
        mask_secret = _of_airflow("mask_secret")
        if mask_secret is not None:
            mask_secret(secret)


def redacted(text: str) -> str:
    """Return a text with the secrets masked that Airflow has registered; empty if that is not possible."""
    redact = _of_airflow("redact")
    return "" if redact is None else str(redact(text))


@cache
def _of_airflow(name: str) -> Callable[[str], Any] | None:
    for module in _MODULES:
        try:
            function: Callable[[str], Any] = getattr(import_module(module), name)
        except (ImportError, AttributeError):
            continue
        return function
    # A task must not fail because Airflow moved its masker: no message of this package has a secret in it.
    log.warning(
        "Airflow's %s is in none of %s: logs of other code may show secrets that are obtained at run time",
        *(name, ", ".join(_MODULES)),
    )
    return None
