"""Warnings of this provider's making are found, others are not."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from tests.matrix.own_warnings import PACKAGE, OwnWarnings

OURS = ("airflow_provider_modelarts.operators.new", str(PACKAGE / "operators" / "new.py"))
AIRFLOW = ("airflow.models.old", "/site-packages/airflow/models/old.py")
OLD = "import warnings\ndef old(stacklevel): warnings.warn('old is old', DeprecationWarning, stacklevel)"
PASSES_ON = "def passes_on(*args): return old(*args)"


def function(place: tuple[str, str], code: str, **known: Callable[..., None]) -> Callable[..., None]:
    """Return the last function of some code, as if it stood in a file of that place."""
    module = ModuleType(place[0])
    module.__dict__.update(known)
    exec(compile(code, place[1], "exec"), module.__dict__)
    found: Callable[..., None] = list(module.__dict__.values())[-1]
    return found


@pytest.fixture
def own_warnings() -> Iterator[OwnWarnings]:
    with warnings.catch_warnings():
        own_warnings = OwnWarnings()
        own_warnings.watch()
        yield own_warnings


@pytest.mark.usefixtures("own_warnings")
def test_warning_that_is_attributed_to_package_is_error() -> None:
    ours = function(OURS, PASSES_ON, old=function(AIRFLOW, OLD))

    with pytest.raises(DeprecationWarning, match="old is old"):
        ours(2)


def test_deprecated_function_that_package_calls_is_found(own_warnings: OwnWarnings) -> None:
    ours = function(OURS, PASSES_ON, old=function(AIRFLOW, OLD))

    ours(1)

    assert [line.partition(": ")[2][:32] for line in own_warnings.found] == [
        "DeprecationWarning: old is old ("
    ]


def test_deprecated_function_that_airflow_calls_is_not_found(own_warnings: OwnWarnings) -> None:
    """Not even while code of the package calls Airflow."""
    airflow = function(AIRFLOW, PASSES_ON, old=function(AIRFLOW, OLD))

    function(OURS, PASSES_ON, old=airflow)(1)

    assert own_warnings.found == []
