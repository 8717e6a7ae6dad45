"""
The tables of docs/errors.md, made from the package's own tables.

Written into the page by ``bash run.sh docs --record``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from airflow_provider_modelarts import exceptions
from airflow_provider_modelarts.client.error_codes import ERROR_CODES, GATEWAY_PAGE, MODELARTS_PAGE, SWR_PAGE
from airflow_provider_modelarts.exceptions import PERMANENT, ImageFailedError, ModelArtsError
from tests.reliability import document

PAGE = document.PAGE.with_name("errors.md")

SOURCES = {
    MODELARTS_PAGE: "ModelArts",
    SWR_PAGE: "SWR",
    GATEWAY_PAGE: "API gateway",
    "": "other clients of the API",
}


def tables() -> dict[str, str]:
    """Return the tables in Markdown, by the names of their places on the page."""
    return {"classes": classes_table(), "codes": codes_table()}


def main() -> None:
    """Write the tables into the page."""
    for name, table in tables().items():
        document.record(name, table, PAGE)


def classes_table() -> str:
    """Return the table of all exception classes from A to Z."""
    rows = (
        (f"`{error.__name__}`", _summary(error), _waits(error), _retries(error))
        for error in sorted(_classes(ModelArtsError), key=lambda error: error.__name__)
    )
    return _table(("class", "means", "a wait that meets it", "the task"), rows)


def codes_table() -> str:
    """Return the table of all error codes, in their order, each with its HTTP statuses and meaning."""
    merged: dict[tuple[str, str, str, str], list[int]] = {}
    for (status, code), row in sorted(ERROR_CODES.items(), key=lambda item: (item[0][1], item[0][0])):
        merged.setdefault((code, row.error.__name__, row.remedy, row.page), []).append(status)
    rows = (
        (f"`{code}`", ", ".join(map(str, statuses)), f"`{error}`", remedy, SOURCES[page])
        for (code, error, remedy, page), statuses in merged.items()
    )
    return _table(("code", "HTTP status", "class", "what to do", "documented by"), rows)


def _classes(error: type[ModelArtsError]) -> Iterator[type[ModelArtsError]]:
    for child in error.__subclasses__():
        yield child
        yield from _classes(child)


def _summary(error: type[ModelArtsError]) -> str:
    text = re.split(r"\n\n|:param", inspect.cleandoc(error.__doc__ or ""))[0]
    return re.sub(r"``(.+?)``", r"`\1`", " ".join(text.split()))


def _waits(error: type[ModelArtsError]) -> str:
    if error is exceptions.NotFoundError:
        return "ends, if several polls confirm it"
    return "continues until its deadline" if error.is_transient else "ends"


def _retries(error: type[ModelArtsError]) -> str:
    if error in PERMANENT:
        return "is not retried"
    if error is ImageFailedError:
        return "operator: is retried and saves again; sensor: is not retried"
    if error is exceptions.WaitTimeoutError:
        again = "is retried, and reuses the image or continues from the notebook's status"
        return f"operator: {again}; sensor: is not retried"
    return "is retried"


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    main()
