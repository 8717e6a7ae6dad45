"""What a task hands on: XComs."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import Context


def push_image_xcoms(context: Context, result: dict[str, Any]) -> dict[str, Any]:
    """Push what is also wanted by itself, and return the whole for ``return_value``."""
    for key in ("image_id", "swr_path"):
        context["ti"].xcom_push(key=key, value=result[key])
    return result
