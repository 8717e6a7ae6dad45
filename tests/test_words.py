"""The package, its documentation and the example DAGs use the field's words, and no private ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = ROOT / "tests" / "words-allowed.txt"
PATTERNS = (
    "airflow_provider_modelarts/**/*.py",
    "docs/**/*.md",
    "docs/hooks/*.py",
    "example_dags/**/*.py",
    "*.md",
    ".github/**/*.md",
    ".github/**/*.yml",
    "bench/README.md",
    "hatch_build.py",
    "mkdocs.yml",
    "run.sh",
    ".ci/run",
)
TEST_PATTERNS = ("tests/**/*.py", "bench/**/*.py")

# With their inflections. A mark is forbidden as a noun only, and a program cannot tell a noun from a verb:
# "mark" and "marks" are refused wherever they stand, "marked" and "marker" are not.
FORBIDDEN = (
    *(
        "weather",
        "diary",
        "diaries",
        "nights?",
        "fates?",
        "worlds?",
        "marks?",
        "memory",
        "memories",
        "wins?(?!32)",
    ),
    *("conversations?", "convers(?:e|es|ed|ing)", "look(?:s|ed|ing)?", "hand(?:s|ed|ing)? on"),
    *("carr(?:y|ies|ied|ying)", "tell(?:s|ing)?", "told", "said", "who we are"),
)
# A line break, with the sign of a comment or a quotation behind it, is a blank. An underscore ends a word,
# so that names are judged too.
_BLANK = r"[\s#>*]+"


def pattern_of(words: Iterable[str]) -> re.Pattern[str]:
    alternatives = "|".join(words).replace(" ", _BLANK)
    return re.compile(rf"(?<![A-Za-z])(?:{alternatives})(?![A-Za-z])", re.IGNORECASE)


WORDS = pattern_of(FORBIDDEN)
# Tests have pytest's marks, and benchmarks measure the machine's memory.
WORDS_OF_TESTS = pattern_of(
    r"(?<!pytest\.)marks?" if word == "marks?" else word
    for word in FORBIDDEN
    if word not in {"memory", "memories"}
)


@dataclass(frozen=True)
class Exemption:
    """
    A use that is allowed.

    :param path: of the file, from the root of the repository.
    :param text: the words around it, as they stand in one line of the file.
    """

    path: str
    text: str
    reason: str


@dataclass(frozen=True)
class Use:
    """A forbidden word in a file; line 0 is the file's name."""

    path: str
    line: int
    word: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.word}"


def allowed() -> list[Exemption]:
    """Return the allow-list: one entry a line, as ``path | text | reason``."""
    lines = [line for line in ALLOWED.read_text(encoding="utf-8").splitlines() if line.strip()]
    entries = [line.split(" | ") for line in lines if not line.startswith("#")]
    assert all(len(entry) == 3 and all(map(str.strip, entry)) for entry in entries), "path | text | reason"
    return [Exemption(*map(str.strip, entry)) for entry in entries]


def files() -> Iterator[Path]:
    for pattern in PATTERNS:
        yield from sorted(ROOT.glob(pattern))


def uses(path: str, text: str, exemptions: list[Exemption], words: re.Pattern[str] = WORDS) -> list[Use]:
    """Return the forbidden words of a file that no entry of the allow-list covers."""
    found = [Use(path, 0, match[0]) for match in words.finditer(path)]
    spans = [
        match.span()
        for exemption in exemptions
        if exemption.path == path
        for match in re.finditer(re.escape(exemption.text), text)
    ]
    for match in words.finditer(text):
        if not any(begin <= match.start() and match.end() <= end for begin, end in spans):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Use(path, line, " ".join(re.split(_BLANK, match[0]))))
    return found


def test_words_of_the_project_are_plain() -> None:
    exemptions = allowed()

    found = [
        use
        for file in files()
        for use in uses(str(file.relative_to(ROOT)), file.read_text(encoding="utf-8"), exemptions)
    ]

    if found:
        pytest.fail("\n".join(["forbidden words:", *map(str, found)]), pytrace=False)


def test_words_of_tests_and_benchmarks_are_plain() -> None:
    """But for this file, which lists the words."""
    found = [
        use
        for pattern in TEST_PATTERNS
        for file in sorted(ROOT.glob(pattern))
        if file != Path(__file__)
        for use in uses(str(file.relative_to(ROOT)), file.read_text(encoding="utf-8"), [], WORDS_OF_TESTS)
    ]

    if found:
        pytest.fail("\n".join(["forbidden words:", *map(str, found)]), pytrace=False)


def test_words_allowed_has_no_entry_that_allows_nothing() -> None:
    texts = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files()}

    unused = [
        entry
        for entry in allowed()
        if not WORDS.search(entry.text) or entry.text not in texts.get(entry.path, "")
    ]

    assert unused == []


def test_words_allowed_is_short() -> None:
    assert len(allowed()) <= 10


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Whether the WEATHER is bad", "WEATHER"),
        ("a mark in the description", "mark"),
        ("def look_up(self):", "look"),
        ("# hands\n    # on the image", "hands on"),
        ("> who\n> we are", "who we are"),
        ("a look-up of the project", "look"),
        ("```python\nmarks = 1\n```", "marks"),
    ],
)
def test_words_are_found_in_prose_names_and_across_lines(text: str, word: str) -> None:
    assert [use.word for use in uses("a.md", text, [])] == [word]


@pytest.mark.parametrize(
    "text", ["a marker", "marked", "a lookup", "LookupError", "nightly", "window", "fated", "win32"]
)
def test_words_that_only_contain_a_forbidden_one_pass(text: str) -> None:
    assert uses("a.md", text, []) == []


def test_words_in_a_file_name_are_found() -> None:
    assert [str(use) for use in uses("docs/two-worlds.md", "", [])] == ["docs/two-worlds.md:0:worlds"]


def test_words_allowed_cover_only_their_file_and_text() -> None:
    exemptions = [Exemption("a.md", "memory in MB", "the machine's")]

    assert uses("a.md", "memory in MB", exemptions) == []
    assert [str(use) for use in uses("a.md", "memory in MB\nits memory", exemptions)] == ["a.md:2:memory"]
    assert [str(use) for use in uses("b.md", "memory in MB", exemptions)] == ["b.md:1:memory"]


def glossary() -> dict[str, list[str]]:
    """Return the terms of docs/glossary.md, and the names in code that stand beside each."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    return {row[0]: re.findall(r"`([^`]+)`", row[2]) for row in rows}


def test_glossary_is_short() -> None:
    assert 0 < len(glossary()) <= 15


@pytest.mark.parametrize("term", glossary())
def test_glossary_terms_are_used_in_code_and_in_other_pages(term: str) -> None:
    """And so are the names that the glossary gives for them."""
    package = "\n".join(file.read_text(encoding="utf-8") for file in ROOT.glob(PATTERNS[0]))
    pages = [file for file in files() if file.suffix == ".md" and file.name != "glossary.md"]
    docs = "\n".join(file.read_text(encoding="utf-8") for file in pages)
    used = re.compile(rf"\b{term.replace(' ', _BLANK)}", re.IGNORECASE)

    assert used.search(package)
    assert used.search(docs)
    in_code = (re.escape(name.rpartition(".")[2]) for name in glossary()[term])
    assert [name for name in in_code if not re.search(rf"\b{name}\b", package)] == []
