"""The cells of the matrix: an Airflow, a Python, and the pins without which that Airflow does not run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """
    An environment in which the wheel is tested.

    :param pins: what an installer must be given besides ``apache-airflow==…``. Airflow's own requirements
        admit newer releases with which it fails.
    :param lowest: install the lowest version that the wheel declares of each direct dependency.
    """

    airflow: str
    python: str
    pins: tuple[str, ...] = ()
    lowest: bool = False

    @property
    def name(self) -> str:
        """The name that ``run.sh matrix`` takes and prints."""
        return "lowest" if self.lowest else f"{self.airflow}-py{self.python}"


CELLS = (
    # Long ones first, so that no core is idle at the end. Not final: its parts are named because an
    # installer takes no pre-release for a dependency.
    Cell("3.4.0b2", "3.12", ("apache-airflow-core==3.4.0b2", "apache-airflow-task-sdk==1.4.0b2")),
    # The execution API needs the older fastapi, dag.test() the older svcs.
    Cell("3.2.2", "3.13", ("fastapi<0.137", "svcs<26.2")),
    # Its token endpoint fails with a newer pyjwt, its execution API with a newer fastapi.
    Cell("3.0.6", "3.12", ("fastapi<0.118", "pyjwt<2.11")),
    Cell("3.1.8", "3.11"),
    Cell("3.3.2", "3.13"),
    # Here an installer takes older releases of Airflow's own providers, the last that run on Python 3.10.
    Cell("3.3.2", "3.10"),
    Cell("2.11.2", "3.12"),
    Cell("2.11.0", "3.10", lowest=True),
)

# What `pip install` of the wheel adds to Airflow 3.3.2: aiohttp, and what that needs.
ADDED_TO_3_3_2 = (
    *("aiohappyeyeballs", "aiohttp", "aiosignal", "airflow-provider-modelarts"),
    *("frozenlist", "multidict", "propcache", "yarl"),
)
