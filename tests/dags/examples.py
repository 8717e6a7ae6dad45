"""The example DAGs, for tests: Airflow runs only what is in its folder of DAGs."""

from __future__ import annotations

import runpy

from airflow.providers.common.compat.sdk import get_parsing_context

from tests.e2e.example_runs import EXAMPLE_DAGS

dag_id = get_parsing_context().dag_id
for path in sorted(EXAMPLE_DAGS.glob("*.py")):
    if dag_id is None or f'dag_id="{dag_id}"' in path.read_text(encoding="utf-8"):
        runpy.run_path(str(path))
