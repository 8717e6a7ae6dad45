"""What docs/errors.md says about logs is what Airflow writes."""

from __future__ import annotations

import inspect

from airflow_provider_modelarts.links.console import ImageLink, NotebookLink
from tests.airflow_versions import import_first
from tests.pages import pages

HEADLINE = "Task failed with exception"


def test_errors_page_quotes_line_that_airflow_logs_above_an_error() -> None:
    module = inspect.getmodule(
        import_first(
            "airflow.sdk.execution_time.task_runner:RuntimeTaskInstance",
            "airflow.models.taskinstance:TaskInstance",
        )
    )
    assert module is not None

    assert f'"{HEADLINE}"' in inspect.getsource(module)
    assert f"`{HEADLINE}`" in pages()["docs/errors.md"]
    assert f"*{HEADLINE}*" in pages()["docs/index.md"]


def test_errors_page_names_addresses_that_a_task_may_not_have() -> None:
    """Airflow 3 logs an error for each when a task ends, and then stores an empty one."""
    (row,) = (
        line for line in pages()["docs/errors.md"].splitlines() if line.startswith("| `XCom not found`")
    )

    assert all(f"`{link.xcom_key}`" in row for link in (NotebookLink(), ImageLink()))
