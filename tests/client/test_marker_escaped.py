"""Markers in descriptions that a service has escaped for HTML."""

from __future__ import annotations

import html

import pytest

from airflow_provider_modelarts.client.marker import IdempotencyKey, is_marker_unreadable, parse_marker

NOTEBOOK_ID = "6fa459ea-ee8a-3ca4-894e-db77e160355e"
KEY = IdempotencyKey("nightly", "save", "run", -1)
TEXT = KEY.append_to('R & D, <b>after</b> the "course"', NOTEBOOK_ID)


def strictly_escaped(text: str) -> str:
    """Return a text whose every character but letters, digits and a few others is an entity."""
    return "".join(c if c.isalnum() or c in " ,.-_" else f"&#x{ord(c):x};" for c in text)


@pytest.mark.parametrize(
    "stored",
    [
        html.escape(TEXT),
        strictly_escaped(TEXT),
        TEXT.replace("[", "&#91;").replace("]", "&#93;").replace(":", "&colon;"),
        TEXT.replace(" ", "&nbsp;"),
    ],
    ids=["usual", "strict", "decimal", "spaces"],
)
def test_parse_marker_reads_escaped_description(stored: str) -> None:
    assert parse_marker(stored) == KEY.marker(NOTEBOOK_ID)
    assert KEY.count_in(stored, NOTEBOOK_ID) == 1
    assert not is_marker_unreadable(stored)


def test_escaped_marker_that_is_cut_is_unreadable() -> None:
    assert is_marker_unreadable(strictly_escaped(TEXT[:-30]))
