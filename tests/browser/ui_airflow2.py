"""The Flask UI of Airflow 2."""

from __future__ import annotations

import re
from urllib.parse import quote

from playwright.sync_api import Locator, expect

from tests.browser.ui import CONNECTION_TYPE, STANDARD_FIELDS, Fields, Ui


class Airflow2Ui(Ui):
    """Connections and the trigger form are pages; messages are boxes at their top."""

    tests_stored_connection = False

    def open_new_connection(self, conn_id: str) -> None:
        self.page.goto(f"{self._url}/connection/add")
        self.page.locator("#conn_id").fill(conn_id)
        self.choose_type(CONNECTION_TYPE)
        expect(self.label("Endpoint")).to_be_visible()

    def choose_type(self, name: str) -> None:
        # Select2 hides the drop-down itself.
        self.page.locator("#conn_type").select_option(label=name, force=True)

    def open_connection(self, conn_id: str) -> None:
        self.page.goto(f"{self._url}/connection/list/")
        row = self.page.locator("tr").filter(has_text=conn_id)
        row.locator("a[href*='/connection/edit/']").first.click()
        expect(self.label("Endpoint")).to_be_visible()

    def label(self, text: str) -> Locator:
        return self.page.locator("form#model_form label").get_by_text(text, exact=True)

    def field(self, name: str) -> Locator:
        return self.page.locator(f"#{name}" if name in STANDARD_FIELDS else f"#extra__modelarts__{name}")

    def choices(self, name: str) -> list[str]:
        return [str(text) for text in self.field(name).locator("option").all_inner_texts()]

    def choose(self, name: str, choice: str) -> None:
        self.field(name).select_option(label=choice)

    def save(self) -> None:
        self.page.locator("form#model_form button[type=submit]").click()
        self.page.wait_for_url(lambda url: "/connection/add" not in url and "/connection/edit" not in url)

    def test_connection(self, conn_id: str, fields: Fields) -> str:
        self.open_new_connection(conn_id)
        self.fill(fields)
        with self.page.expect_response("**/connections/test"):
            self.page.locator("#test-connection").click()
        # The box also has warnings of the page, until the result replaces them.
        message = self.page.locator(".alert:visible").first
        expect(message).not_to_contain_text("Warning:")
        return str(message.inner_text())

    def open_trigger_form(self, dag_id: str) -> None:
        self.page.goto(f"{self._url}/dags/{dag_id}/trigger")
        expect(self.page.get_by_role("button", name="Trigger", exact=True)).to_be_visible()

    def param_title(self, name: str, title: str) -> Locator:
        return self.page.locator(f"label[for=element_{name}]").filter(has_text=title)

    def refusal(self) -> Locator:
        self.page.get_by_role("button", name="Trigger", exact=True).click()
        return self.page.locator(".alert:visible").first

    def trigger(self) -> str:
        self.page.get_by_role("button", name="Trigger", exact=True).click()
        message = self.page.locator(".alert:visible").filter(has_text="new Run ID")
        expect(message).to_be_visible()
        found = re.search(r"new Run ID (\S+),", message.inner_text())
        assert found is not None
        return found[1]

    def open_task(self, dag_id: str, run_id: str, task_id: str, tab: str) -> None:
        query = f"dag_run_id={quote(run_id)}&task_id={task_id}&tab={tab}"
        self.page.goto(f"{self._url}/dags/{dag_id}/grid?{query}")

    def task_state(self, state: str) -> Locator:
        # The legend of the grid has every state too.
        row = self.page.get_by_role("row").filter(has_text="Status")
        return row.get_by_text(state.lower(), exact=True)

    def xcom(self, key: str) -> Locator:
        return self.page.get_by_role("row").filter(has=self.page.get_by_role("cell", name=key, exact=True))

    def asset_event(self, uri: str, *expected: str) -> str:
        self.page.goto(f"{self._url}/datasets?uri={quote(uri, safe='')}")
        extra = self.page.locator(".react-json-view").first
        expect(extra).to_contain_text("items")
        return self._unfolded(extra, extra.locator(".collapsed-icon"), expected)
