"""Docstrings for the site: what only reStructuredText has becomes Markdown."""

from __future__ import annotations

import re
from typing import Any

import griffe

# Of :class:`Image` and :data:`~airflow_provider_modelarts.exceptions.PERMANENT` the last name is shown.
ROLE = re.compile(r":\w+:`~?(?:[\w.]+\.)?(\w+)`")
# A line that is :: or ends with it introduces a block of code, which Markdown knows by its indent.
LITERAL = re.compile(r"(?:^::|(:):)\n\n(?= {4})", re.MULTILINE)
# A table is shown as it stands.
TABLE = re.compile(r"^=+ =.*^=+ =[= ]*$", re.MULTILINE | re.DOTALL)


class MarkdownDocstrings(griffe.Extension):
    """Rewrites each docstring as it is read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring:
            obj.docstring.value = to_markdown(obj.docstring.value)


def to_markdown(text: str) -> str:
    """Return a docstring without roles and the sign of literal blocks, and with its table as text."""
    text = LITERAL.sub(r"\1\n\n", ROLE.sub(r"`\1`", text))
    return TABLE.sub(lambda table: f"```text\n{table[0]}\n```", text)
