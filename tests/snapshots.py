"""A project full of snapshots, for tests of what prunes them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_modelarts.simulator import Simulator

NOTEBOOK = "11111111-2222-4333-8444-555555555555"
OTHER = "99999999-2222-4333-8444-555555555555"
DAY = timedelta(days=1)


def marker(notebook_id: str, digest: str = "0123456789abcdef") -> str:
    """Return a marker as a save writes it."""
    return f"what it is for [airflow:{digest} notebook:{notebook_id}]"


def snapshot(
    simulator: Simulator, tag: str, *, age: timedelta, notebook_id: str = NOTEBOOK, **given: Any
) -> str:
    """Add an ACTIVE snapshot of a notebook and return its id."""
    created = int((simulator.now() - age.total_seconds()) * 1000)
    fields = {
        "namespace": "team",
        "name": "research",
        "tag": tag,
        "status": "ACTIVE",
        "description": marker(notebook_id),
        "origin": "IMAGE_SAVE",
        "create_at": created,
    }
    return simulator.add_image(**{**fields, **given})


def daily(simulator: Simulator, count: int, **given: Any) -> list[str]:
    """Add snapshots of the last days, and return their ids, newest first."""
    return [snapshot(simulator, f"v{n}", age=(n + 2) * DAY, **given) for n in range(count)]


def active(simulator: Simulator) -> set[str]:
    """Return the ids of the images that exist."""
    return {image["id"] for image in simulator.images if image["status"] == "ACTIVE"}


def at(text: str) -> datetime:
    """Return a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
