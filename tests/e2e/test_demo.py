"""The arguments of the demo; the demo itself is run by ``bash run.sh demo``."""

from __future__ import annotations

import pytest

from tests.airflow_versions import AIRFLOW_VERSION
from tests.e2e import demo
from tests.e2e.demonstrations import DEMONSTRATIONS, dag_ids
from tests.e2e.example_runs import EXAMPLE_DAGS, NIGHTLY
from tests.test_pages import dags_of


def test_demo_has_every_example_dag(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [
        dag_id
        for path in sorted(EXAMPLE_DAGS.glob("*.py"))
        for dag_id in dags_of(path.read_text(encoding="utf-8"), monkeypatch)
    ]

    needs_approval = {"prune_after_approval"} if AIRFLOW_VERSION < (3, 1) else set()
    assert sorted(dag_ids()) == sorted([*made, *needs_approval])
    assert DEMONSTRATIONS.keys() <= set(made)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["nightly_snapshot"], "there is no example DAG 'nightly_snapshot': choose one of "),
        (["save_and_stop", "--fail"], f"--fail is for {NIGHTLY} only"),
    ],
)
def test_demo_refuses_argument_before_anything_starts(
    arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        demo.main(arguments)

    assert ended.value.code == 2
    output = capsys.readouterr().err
    assert error in output
    assert "choose" not in error or all(dag_id in output for dag_id in dag_ids())
