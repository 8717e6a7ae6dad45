"""The arguments of ``run.sh matrix``."""

from __future__ import annotations

import pytest

from tests.matrix.run import parse


def test_matrix_builds_a_wheel_if_none_is_given() -> None:
    assert parse([]).wheel is None


@pytest.mark.parametrize("name", ["missing.whl", "."])
def test_matrix_refuses_what_is_no_wheel(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--wheel", name])

    assert "is no wheel" in capsys.readouterr().err
