"""Headers are checked together where that is possible, with the result of a check of each."""

from __future__ import annotations

import string

from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_modelarts.client.http_types import Request
from airflow_provider_modelarts.exceptions import InvalidConnectionError
from airflow_provider_modelarts.transport.exchange import _check_headers

TOKEN = set(string.ascii_letters + string.digits + "!#$%&'*+.^_`|~-")
_texts = st.text(max_size=4) | st.text("aX| -:\t\n\r\0\x7fé\udc80", max_size=4)


def _is_valid(name: str, value: str) -> bool:
    is_named = bool(name) and set(name) <= TOKEN
    has_control = any((ord(c) < 32 and c != "\t") or ord(c) == 127 for c in value)
    is_text = not any(0xD800 <= ord(c) <= 0xDFFF for c in value)
    return is_named and not has_control and is_text and value == value.strip()


@given(st.dictionaries(_texts, _texts, max_size=3))
@example({"X": "a", "": "b"})
@example({"X": "a", "Y": " b"})
@example({"X": "a\r\nY: b"})
@example({"X\r\nY": "b"})
@example({"X": "a| b"})
def test_headers_are_valid_if_each_is(headers: dict[str, str]) -> None:
    try:
        _check_headers(Request("GET", "http://h/", headers))
    except InvalidConnectionError:
        is_refused = True
    else:
        is_refused = False
    assert is_refused is not all(_is_valid(name, value) for name, value in headers.items())
