"""The React UI of Airflow 3."""

from __future__ import annotations

import re
from urllib.parse import quote

from playwright.sync_api import Locator, expect

from tests.browser.ui import CONNECTION_TYPE, STANDARD_FIELDS, Fields, Ui


class Airflow3Ui(Ui):
    """Connections and the trigger form are dialogs; messages are toasts."""

    tests_stored_connection = True

    def open_new_connection(self, conn_id: str) -> None:
        self.page.goto(f"{self._url}/connections")
        self.page.get_by_role("button", name="Add Connection").first.click()
        self.page.locator("input[name=connection_id]").fill(conn_id)
        self.choose_type(CONNECTION_TYPE)
        # The standard fields are relabelled once the type is known.
        expect(self.label("Endpoint")).to_be_visible()

    def choose_type(self, name: str) -> None:
        self._dialog.get_by_role("combobox").first.click()
        self.page.get_by_role("option", name=name, exact=True).click()

    def open_connection(self, conn_id: str) -> None:
        self.page.goto(f"{self._url}/connections")
        self._row(conn_id).get_by_role("button", name="Edit Connection").click()
        expect(self.label("Endpoint")).to_be_visible()

    def label(self, text: str) -> Locator:
        return self._dialog.locator("label, legend").filter(has_text=text).first

    def field(self, name: str) -> Locator:
        self._show("Standard Fields" if name in STANDARD_FIELDS else "Extra Fields")
        selector = f"[name={name}]" if name in STANDARD_FIELDS else f"[name=element_{name}]"
        return self._dialog.locator(selector)

    def _show(self, panel: str) -> None:
        """Open a panel of the form; that closes the other one."""
        button = self._dialog.get_by_role("button", name=panel, exact=True)
        if button.get_attribute("aria-expanded") != "true":
            button.click()
        expect(button).to_have_attribute("aria-expanded", "true")

    def choices(self, name: str) -> list[str]:
        self._drop_down(name).click()
        options = self.page.get_by_role("option")
        expect(options.first).to_be_visible()
        listed = [str(text) for text in options.all_inner_texts()]
        self.page.keyboard.press("Escape")
        expect(options.first).to_be_hidden()
        return listed

    def choose(self, name: str, choice: str) -> None:
        self._drop_down(name).click()
        self.page.get_by_role("option", name=choice, exact=True).click()

    def _drop_down(self, name: str) -> Locator:
        return self.field(name).locator("xpath=..").get_by_role("combobox")

    def save(self) -> None:
        self._dialog.get_by_role("button", name="Save").click()
        expect(self._dialog).to_be_hidden()

    def test_connection(self, conn_id: str, fields: Fields) -> str:
        self.open_new_connection(conn_id)
        self.fill(fields)
        self.save()
        self._dismiss_toasts()
        self._row(conn_id).get_by_role("button", name="Test Connection").click()
        message = self.page.get_by_role("status").filter(has_text="Test Connection").first
        expect(message).to_be_visible()
        return str(message.inner_text())

    def _row(self, text: str) -> Locator:
        return self.page.get_by_role("row").filter(has_text=text)

    def open_trigger_form(self, dag_id: str) -> None:
        self.page.goto(f"{self._url}/dags/{dag_id}")
        self.page.get_by_role("button", name="Trigger").first.click()
        expect(self.page.get_by_test_id("trigger-dag-submit")).to_be_visible()

    def param_title(self, name: str, title: str) -> Locator:  # noqa: ARG002
        # A star follows the title of a mandatory param.
        return self._dialog.get_by_text(re.compile(rf"^{re.escape(title)}\s*\*?$")).first

    def refusal(self) -> Locator:
        self.page.get_by_test_id("trigger-dag-submit").click()
        return self._dialog

    def trigger(self) -> str:
        self._dismiss_toasts()
        self.page.get_by_test_id("trigger-dag-submit").click()
        self.page.wait_for_url("**/runs/**")
        run = str(self.page.url).partition("/runs/")[2]
        return run.partition("?")[0].partition("/")[0]

    def _dismiss_toasts(self) -> None:
        """Close the messages: they cover buttons, for as long as the mouse is on them."""
        close = self.page.locator("[data-scope=toast][data-part=close-trigger]")
        while close.count():
            close.first.click(force=True)
            self.page.mouse.move(0, 0)
            self.page.wait_for_timeout(100)

    def open_task(self, dag_id: str, run_id: str, task_id: str, tab: str) -> None:
        address = f"{self._url}/dags/{dag_id}/runs/{quote(run_id)}/tasks/{task_id}"
        self.page.goto(address if tab == "logs" else f"{address}/{tab}")

    def task_state(self, state: str) -> Locator:
        return self.page.get_by_text(state, exact=True).first

    def xcom(self, key: str) -> Locator:
        return self.page.get_by_role("row").filter(has=self.page.get_by_role("cell", name=key, exact=True))

    def asset_event(self, uri: str, *expected: str) -> str:
        self.page.goto(f"{self._url}/assets")
        self.page.get_by_role("link", name=uri).first.click()
        # The editor that shows the extra wraps long values.
        editor = self.page.locator(".monaco-editor").first
        expect(editor).to_contain_text("{")
        return self._unfolded(editor, editor.locator(".codicon-folding-collapsed"), expected)

    @property
    def _dialog(self) -> Locator:
        return self.page.get_by_role("dialog")
