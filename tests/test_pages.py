"""Every block of code of README and docs runs or is read, and every link leads somewhere."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, Connection

from airflow_provider_modelarts.hooks.connection import Settings, parse_connection
from tests.pages import INCLUDE, INCLUDED, ROOT, Block, anchors, blocks, blocks_of, pages, prose

# Blocks of Python that are not executed, by their ids, each with the reason. None is needed so far.
NOT_EXECUTED: dict[str, str] = {}
LANGUAGES = {"bash", "json", "python", "text", INCLUDED}
LINK = re.compile(r"\]\((?!https?://)([^)\s]+)\)")
COMMAND = re.compile(r"bash run\.sh\s+([a-z]\w*)")
# Pages that the site makes from other files.
GENERATED = {"changelog.md"}


def of(language: str) -> list[Block]:
    return [block for block in blocks() if block.language == language]


def connection(value: str) -> Settings:
    """Read a connection as a user gives it: as JSON or as a URI."""
    if value.startswith("{"):
        given = json.loads(value)
        return parse_connection(
            Connection(conn_id="c", **{**given, "extra": json.dumps(given.get("extra", {}))})
        )
    return parse_connection(Connection.from_uri(value, conn_id="c"))


def exported(code: str) -> Iterator[str]:
    """Give the connections that a block of bash exports."""
    for word in shlex.split(code, comments=True):
        name, _, value = word.partition("=")
        if name.startswith("AIRFLOW_CONN_"):
            yield value


def dags_of(code: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, DAG]:
    """Execute a block and return the DAGs that it defines, by their ids."""
    made: dict[str, DAG] = {}
    leave: Any = DAG.__exit__

    def keep(dag: DAG, *arguments: Any) -> Any:
        made[dag.dag_id] = dag
        return leave(dag, *arguments)

    monkeypatch.setattr(DAG, "__exit__", keep)
    exec(compile(code, "<block>", "exec"), {"__name__": "block", "__doc__": None})
    return made


@pytest.mark.parametrize("page", pages())
def test_page_blocks_have_known_language(page: str) -> None:
    assert [block for block in blocks(page) if block.language not in LANGUAGES] == []


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_page_python_block_runs(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    if str(block) in NOT_EXECUTED:
        pytest.skip(NOT_EXECUTED[str(block)])

    dags = dags_of(block.code, monkeypatch)

    assert len(dags) == block.code.count("with DAG(")
    assert all(dag.tasks for dag in dags.values())


@pytest.mark.parametrize("block", of(INCLUDED), ids=str)
def test_page_includes_existing_code(block: Block) -> None:
    included = INCLUDE.match(block.code.strip())
    assert included is not None

    text = (ROOT / included[1]).read_text(encoding="utf-8")

    assert included[2] is None or text.count(f"--8<-- [start:{included[2]}]") == 1


@pytest.mark.parametrize("path", sorted(path.name for path in ROOT.glob("example_dags/*.py")))
def test_example_dags_that_pages_include_run(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dags_of((ROOT / "example_dags" / path).read_text(encoding="utf-8"), monkeypatch)


@pytest.mark.parametrize("block", of("json"), ids=str)
def test_page_json_block_is_read(block: Block) -> None:
    document = json.loads(block.code)

    if "conn_type" in document:
        assert connection(block.code.strip()).endpoint


@pytest.mark.parametrize("block", [b for b in of("text") if "modelarts://" in b.code], ids=str)
def test_page_uri_block_is_read(block: Block) -> None:
    for line in block.code.splitlines():
        assert connection(line).endpoint


@pytest.mark.parametrize("block", of("bash"), ids=str)
def test_page_bash_block_is_valid(block: Block) -> None:
    subprocess.run(["bash", "-n"], input=block.code, text=True, check=True)
    for value in exported(block.code):
        assert connection(value).endpoint


@pytest.mark.parametrize("page", pages())
def test_page_commands_exist(page: str) -> None:
    parts = set(re.findall(r"^  ([a-z]\w*)  ", (ROOT / "run.sh").read_text(encoding="utf-8"), re.MULTILINE))

    assert set(COMMAND.findall(pages()[page])) <= parts


@pytest.mark.parametrize("page", [*pages(), "CHANGELOG.md"])
def test_page_links_lead_to_files_and_headings(page: str) -> None:
    text = pages().get(page) or (ROOT / page).read_text(encoding="utf-8")
    broken = []
    for link in LINK.findall(prose(text)):
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        # mkdocstrings makes anchors of its own, which the build of the site checks.
        is_anchor = not anchor or anchor.startswith("airflow_provider_modelarts")
        if not target.exists() or not (is_anchor or anchor in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)

    assert broken == []


def test_site_navigation_has_every_page_once() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    written = {str(PurePosixPath(page).relative_to("docs")) for page in pages() if page.startswith("docs/")}

    assert sorted(re.findall(r"(\S+\.md)$", navigation, re.MULTILINE)) == sorted(written | GENERATED)


def test_blocks_are_found_in_lists_and_without_an_end() -> None:
    lines = ["# One", "- A", "", "    ```json", "    {", '      "a": 1}', "    ```"]
    text = "\n".join([*lines, "## Two", "```bash", "# Not a heading", "ls"])

    found = [(block.heading, block.language, block.code) for block in blocks_of("p.md", text)]

    assert found == [("One", "json", '{\n  "a": 1}\n'), ("Two", "bash", "# Not a heading\nls\n")]
