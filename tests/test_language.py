"""Names, docstrings, messages, tests and pages are plain technical English: phrases of translated text are refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "tests", "benchmarks", "docs", "configs", "scenarios", ".ci")
SUFFIXES = {".py", ".md", ".yaml", ".toml", ".html", ".js", ".css", ".conf", ".ipynb"}
QUOTING = {"tests/test_language.py", "CHANGELOG.md"}  # this list, and names that an upgrade must look for
IDIOMS = {
    r"\b(nobody|somebody|everybody|whoever)\b": "name the program, file or person",
    r"\b(is|are|be|been|was|were) told\b|\btold\b": "is logged, is reported, receives",
    r"\b(go|goes|went|gone|going) on\b(?! (top|the))": "continue, resume",
    r"\bfor ever\b": "forever",
    r"\bis no (file|engine|number|plant|name|json|folder|format|kind)\b": "is not a ...",
    r"\b(says|said) so\b": "is reported",
    r"\bthe (same )?digits\b": "bit-identical",
    r"\bwhat was (heard|said)\b": "received, printed",
    r"\bwho (is|are|was|has|joins|waits|earned)\b": "which unit, the program that",
    r"\blie points away\b": "differ by several percentage points",
    r"\b(hired|_hired)\b": "open_pool",
    r"\bdoors\b": "registry",
    r"\bstandstill\b": "deadlock",
}


def violations(text: str) -> list[str]:
    """Return `line: phrase (better)` of every idiom in a text."""
    return [
        f"{number}: {found.group()!r} ({better})"
        for number, line in enumerate(text.splitlines(), 1)
        for pattern, better in IDIOMS.items()
        for found in re.finditer(pattern, line, re.IGNORECASE)
    ]


def sources() -> list[str]:
    """Return the files with prose or code, relative to the checkout; vendored and generated ones are left out."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")] + list(ROOT.glob("*.md"))
    names = {path.relative_to(ROOT).as_posix() for path in files if path.is_file() and path.suffix in SUFFIXES}
    return sorted(name for name in names - QUOTING if not re.search(r"vendor|__pycache__|recorded/data", name))


@pytest.mark.parametrize("name", sources())
def test_a_file_is_written_in_plain_english(name: str) -> None:
    assert violations((ROOT / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "Nobody reads it.",
        "The user is told the line.",
        "It goes on with the rest.",
        "It runs for ever.",
        "x is no file",
        "and says so",
        "the same digits",
        "what was heard",
        "who waits for room",
    ],
)
def test_an_idiom_is_refused(text: str) -> None:
    assert len(violations(text)) == 1


def test_many_files_are_checked() -> None:
    assert len(sources()) > 300
