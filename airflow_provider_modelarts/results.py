"""Results of a task: XComs."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import Context


def push_image_xcoms(context: Context, result: dict[str, Any]) -> dict[str, Any]:
    """
    Push the XComs ``image_id`` and ``swr_path``, and return the result for ``return_value``.

    Every task about an image ends here, deferred or not, so that its XComs never depend on how it waited.

    :param result: the image as :meth:`Image.to_xcom` returns it, and what the task adds.
    """
    for key in ("image_id", "swr_path"):
        context["ti"].xcom_push(key=key, value=result[key])
    return result
