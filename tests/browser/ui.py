"""What the browser tests do in the UI of Airflow, whatever its generation."""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from playwright.sync_api import Locator, Page

WAIT_MS = 180_000
"""For any element of any page: the machine may be busy, and only a failed test waits so long."""

Fields: TypeAlias = Mapping[str, str]
"""Values to type by the names of a connection: host, login, password, port, description, or an extra."""

STANDARD_FIELDS = ("description", "host", "login", "password", "port")
CONNECTION_TYPE = "ModelArts"


class Ui(ABC):
    """
    The pages of one running Airflow; each method returns when its effect is on the page.

    :param page: the browser's page.
    :param url: the address of Airflow.
    :param screenshots: the folder of the screenshots.
    """

    tests_stored_connection: bool
    """Whether the test button tests what is stored, so that it needs a stored port; else what is typed."""

    def __init__(self, page: Page, url: str, screenshots: Path) -> None:
        self.page = page
        self._url = url
        self._screenshots = screenshots
        page.set_default_timeout(WAIT_MS)
        page.set_default_navigation_timeout(WAIT_MS)

    def screenshot(self, name: str) -> None:
        """Store what the page shows now."""
        self._screenshots.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=self._screenshots / f"{name}.png", animations="disabled")

    def text_of_labels(self, labels: Sequence[str]) -> list[str]:
        """Return those of the labels that are on the page, in its order."""
        places = {label: self.label(label).bounding_box() for label in labels}
        found = {label: place["y"] for label, place in places.items() if place is not None}
        return sorted(found, key=lambda label: found[label])

    # -- connections ---------------------------------------------------------------------------

    @abstractmethod
    def open_new_connection(self, conn_id: str) -> None:
        """Open the form of a new connection of our type, with all its fields shown."""

    @abstractmethod
    def choose_type(self, name: str) -> None:
        """Choose the type of a new connection."""

    @abstractmethod
    def open_connection(self, conn_id: str) -> None:
        """Open the form of a stored connection, with all its fields shown."""

    @abstractmethod
    def label(self, text: str) -> Locator:
        """Return the label of a field of the connection form."""

    @abstractmethod
    def field(self, name: str) -> Locator:
        """Return the input of a field of the connection form."""

    def fill(self, fields: Fields) -> None:
        """Type values into the connection form."""
        for name, value in fields.items():
            self.field(name).fill(value)

    @abstractmethod
    def choices(self, name: str) -> list[str]:
        """Return what a drop-down of the connection form lists."""

    @abstractmethod
    def choose(self, name: str, choice: str) -> None:
        """Choose from a drop-down of the connection form."""

    @abstractmethod
    def save(self) -> None:
        """Save the connection form."""

    @abstractmethod
    def test_connection(self, conn_id: str, fields: Fields) -> str:
        """Fill in a new connection, press the test button where this UI has it, and return its message."""

    # -- DAGs ----------------------------------------------------------------------------------

    @abstractmethod
    def open_trigger_form(self, dag_id: str) -> None:
        """Open the form in which the params of a run are filled in."""

    def param(self, name: str) -> Locator:
        """Return the input of a param."""
        return self.page.locator(f"[name=element_{name}]")

    @abstractmethod
    def param_title(self, name: str, title: str) -> Locator:
        """Return the title of a param."""

    @abstractmethod
    def refusal(self) -> Locator:
        """Press the button that starts the run, and return the message that refuses it."""

    @abstractmethod
    def trigger(self) -> str:
        """Press the button that starts the run, and return the run's id."""

    @abstractmethod
    def open_task(self, dag_id: str, run_id: str, task_id: str, tab: str) -> None:
        """Open a tab of a task of a run: ``details``, ``xcom`` or ``logs``."""

    @abstractmethod
    def task_state(self, state: str) -> Locator:
        """Return the state on the tab ``details``."""

    def link(self, name: str) -> Locator:
        """Return an extra link on the tab ``details``."""
        return self.page.get_by_role("link", name=name, exact=True)

    @abstractmethod
    def xcom(self, key: str) -> Locator:
        """Return the row of an XCom on the tab ``xcom``."""

    @abstractmethod
    def asset_event(self, uri: str, *expected: str) -> str:
        """
        Open the page of an asset, and return the extra of its newest event without any white space.

        :param expected: what the extra should have, and is waited for.
        """

    def _unfolded(self, extra: Locator, folded: Locator, expected: Sequence[str]) -> str:
        """Return the text of JSON that the page shows in parts, and folds at some time after that."""
        deadline = time.monotonic() + WAIT_MS / 1000
        while True:
            text = re.sub(r"\s", "", str(extra.inner_text()))
            if all(value in text for value in expected) or time.monotonic() > deadline:
                return text
            if folded.count():
                folded.first.click(force=True)
            self.page.wait_for_timeout(200)
