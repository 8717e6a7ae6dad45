"""Results of a task: XComs, and the line that its log ends with."""

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


def describe_wait(image_id: str, swr_path: str | None, waited: float | None) -> str:
    """
    Return the last line of a wait that succeeded; the address comes last, because it may be long.

    :param waited: seconds, if they are known.
    """
    after = "" if waited is None else f" after {max(0.0, waited):.0f} s"
    return f"Image {image_id} is ACTIVE{after}. SWR address: {swr_path}"
