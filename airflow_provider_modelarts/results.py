"""Results of a task: XComs, events of its outlets, and the line that its log ends with."""

from __future__ import annotations

import logging
from typing import Any, Protocol

from airflow.providers.common.compat.sdk import Asset, AssetAlias, Context

from airflow_provider_modelarts.client.image_address import SCHEME, ImageAddress, parse_address
from airflow_provider_modelarts.client.marker import parse_marker
from airflow_provider_modelarts.client.models import Image
from airflow_provider_modelarts.exceptions import FieldViolation, RequestValidationError

try:
    from airflow.sdk.definitions.asset import AssetRef
except ImportError:  # Airflow 2.11

    class AssetRef:  # type: ignore[no-redef]
        """No outlet of Airflow 2.11 is one."""


log = logging.getLogger(__name__)


def push_image_xcoms(context: Context, result: dict[str, Any]) -> dict[str, Any]:
    """
    Push the XComs ``image_id`` and ``swr_path``, and return the result for ``return_value``.

    Every task about an image ends here, deferred or not, so that its XComs never depend on how it waited.

    :param result: the image as :meth:`Image.to_xcom` returns it, and what the task adds.
    """
    return _push(context, result, "image_id", "swr_path")


def push_notebook_xcoms(context: Context, result: dict[str, Any]) -> dict[str, Any]:
    """
    Push the XComs ``notebook_id`` and ``status``, and return the result for ``return_value``.

    :param result: the notebook as :meth:`Notebook.to_xcom` returns it, and what the task adds.
    """
    return _push(context, result, "notebook_id", "status")


def _push(context: Context, result: dict[str, Any], *keys: str) -> dict[str, Any]:
    for key in keys:
        context["ti"].xcom_push(key=key, value=result[key])
    return result


def describe_wait(image_id: str, swr_path: str | None, waited: float | None) -> str:
    """
    Return the last line of a wait that succeeded; the address comes last, because it may be long.

    :param waited: seconds, if they are known.
    """
    after = "" if waited is None else f" after {max(0.0, waited):.0f} s"
    return f"Image {image_id} is ACTIVE{after}. SWR address: {swr_path}"


class ImageTask(Protocol):
    """
    A task that saves an image or waits for one.

    :param ended_with: its result with ``notebook_id``, for lineage; None before its end.
    """

    outlets: list[Any]
    ended_with: dict[str, Any] | None


def end_with_image(
    task: ImageTask,
    context: Context,
    result: dict[str, Any],
    *,
    status: str | None = None,
    notebook_id: str | None = None,
) -> dict[str, Any]:
    """
    Push the XComs of a task that ends, fill the events of its outlets, and return its result.

    :param result: as for :func:`push_image_xcoms`.
    :param status: of the image, if the result has none.
    :param notebook_id: the notebook that the image's marker names, if the result has none.
    """
    push_image_xcoms(context, result)
    task.ended_with = {"status": status, "notebook_id": notebook_id, **result}
    fill_outlet_events(context, task.outlets, task.ended_with)
    return result


def refuse_outlets_without_wait(context: Context, outlets: Any) -> None:
    """
    Refuse the ``swr://`` outlets of a task that does not wait for its image.

    Airflow would send their events as soon as the task succeeds, before anybody can pull the image.

    :raises RequestValidationError: there is such an outlet.
    """
    rule = (
        "must have no swr:// asset without wait_for_completion: the event would be sent before the image is "
        "ACTIVE. Set wait_for_completion=True, or move the outlet to the NotebookImageSensor that waits"
    )
    uris = [uri for outlet in _listed(outlets) if (uri := _swr_uri(context, outlet))]
    if uris:
        raise RequestValidationError([FieldViolation("outlets", rule, ", ".join(uris))])


def fill_outlet_events(context: Context, outlets: Any, result: dict[str, Any]) -> None:
    """
    Fill the asset events of a task that ends, if its image is ACTIVE.

    The event of an outlet that is the image's repository gets the image as ``extra``, and each AssetAlias
    gets an event of that repository. A task calls this once, at its end. No error in it fails the task.

    :param outlets: of the task.
    :param result: of the task, with ``notebook_id`` if it is known.
    """
    listed = _listed(outlets)
    if result.get("status") != "ACTIVE" or not listed:
        for alias in _aliases(listed):
            log.warning(
                "Image %s is not ACTIVE yet: the asset alias %s gets no event. Set wait_for_completion=True, "
                "or move the outlet to the NotebookImageSensor that waits",
                *(result["image_id"], alias),
            )
        return
    try:
        _fill(context, listed, result)
    except Exception as error:  # noqa: BLE001 - whatever Airflow raises, the image is saved
        log.warning(
            "Image %s is ACTIVE, but its asset events cannot be filled: %s: %s. Read the image from the XCom",
            *(result["image_id"], type(error).__name__, error),
        )


def _fill(context: Context, outlets: list[Any], result: dict[str, Any]) -> None:
    swr = [(outlet, uri) for outlet in outlets if (uri := _swr_uri(context, outlet))]
    filled = _of_repository(result, [uri for _, uri in swr])
    extra = event_extra(result)
    for outlet, uri in swr:
        if uri in filled:
            event = context["outlet_events"][outlet]
            event.extra = {**event.extra, **extra}
    if others := sorted({uri for _, uri in swr} - filled):
        log.warning(
            "Image %s is at %s: the event of %s, which Airflow sends for each outlet, has no image. "
            "Remove that outlet, or use the asset of the image's repository",
            *(result["image_id"], result["swr_path"], ", ".join(others)),
        )
    # Without a registry in the image's address, the outlet that was filled has it.
    address = parse_address(next(iter(filled), None)) or parse_address(result["swr_path"])
    # With a name of its own, an asset is another one to Airflow than the one that its URI names.
    named = next((outlet for outlet, uri in swr if uri in filled and isinstance(outlet, Asset)), None)
    for alias in _aliases(outlets):
        if address and address.registry:
            asset = named or Asset(uri=address.uri)
            context["outlet_events"][AssetAlias(alias)].add(asset, extra=extra)
        else:
            log.warning(
                "Image %s is at %s, which names no registry: the asset alias %s gets no event",
                *(result["image_id"], result["swr_path"], alias),
            )


def _aliases(outlets: list[Any]) -> list[str]:
    return list(dict.fromkeys(outlet.name for outlet in outlets if isinstance(outlet, AssetAlias)))


def _of_repository(result: dict[str, Any], uris: list[str]) -> set[str]:
    """Return the URIs that are the repository of the result's image."""
    address = parse_address(result["swr_path"])
    if address is None and result.get("namespace") and result.get("name"):
        address = ImageAddress("", f"{result['namespace']}/{result['name']}")
    if address is None:
        return set()
    found = {uri for uri in uris if (repository := parse_address(uri)) and address.is_in(repository)}
    # Without a registry in the image's address, several outlets of the same path are indistinguishable.
    return found if address.registry or len(found) == 1 else set()


def _listed(outlets: Any) -> list[Any]:
    """Return outlets as a list; Airflow 2 accepts one alone."""
    return list(outlets) if isinstance(outlets, (list, tuple, set)) else [outlets] if outlets else []


def _swr_uri(context: Context, outlet: Any) -> str | None:
    """Return the URI of an outlet that is an image repository, else None."""
    uri = getattr(outlet, "uri", None)
    if uri is None and isinstance(outlet, AssetRef):
        try:
            uri = getattr(context["outlet_events"][outlet].key, "uri", None)
        except Exception as error:  # noqa: BLE001 - Airflow's API server may not have the asset
            log.warning(
                "Cannot read the asset of outlet %r, so its event has no image: %s: %s",
                *(outlet, type(error).__name__, error),
            )
    is_swr = isinstance(uri, str) and uri.lower().startswith(f"{SCHEME}://")
    return uri if is_swr else None


def event_extra(result: dict[str, Any]) -> dict[str, Any]:
    """
    Return the image as the extra of an asset event: None where unknown.

    The digest is there only if it is known, and what else SWR has of the image only if that was verified.
    """
    address = parse_address(result.get("swr_path"))
    digest = result.get("digest") or (address and address.digest)
    verified = {key: value for key, value in result.items() if key in {"size_bytes", "layers", "unchanged"}}
    return {
        "image_id": result["image_id"],
        "swr_path": result.get("swr_path"),
        "tag": result.get("tag") or (address and address.tag),
        "notebook_id": result.get("notebook_id"),
        **({"digest": digest} if digest else {}),
        **verified,
    }


def image_extra(image: Image) -> dict[str, Any]:
    """Return an image as the extra of an asset event; see :func:`event_extra`."""
    return event_extra({**image.to_xcom(), "notebook_id": source_notebook(image)})


def source_notebook(image: Image) -> str | None:
    """Return the id of the notebook that an image was saved from, or None if it has no marker."""
    marker = parse_marker(image.description)
    return marker.notebook_id if marker else None
