"""Every docker command of the slides is run by a cell of its chapter."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from tests.notebooks.test_conventions import NOTEBOOKS, code, docker_commands

ANYTHING = "…"
PLACEHOLDER = re.compile(r"<\w+>")


@dataclass(frozen=True)
class DeckCommand:
    """A row of deck_commands.txt; `today` and `reason` are empty if the printed form is run."""

    slide: str
    printed: str
    chapter: str
    today: str
    reason: str

    @property
    def wanted(self) -> str:
        """Return the command that a cell must run."""
        return self.today or self.printed


def read_deck(text: str) -> list[DeckCommand]:
    rows = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [DeckCommand(*(column.strip() for column in row.split("|"))) for row in rows]


DECK = read_deck(Path(__file__).with_name("deck_commands.txt").read_text(encoding="utf-8"))


def is_same(command: str, wanted: str) -> bool:
    """Return whether two commands have the same words; a last `…` stands for any words."""
    words, expected = shlex.split(command, comments=True), shlex.split(wanted)
    if expected[-1] == ANYTHING:
        return words[: len(expected) - 1] == expected[:-1]
    return words == expected


def succeeding_commands(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the commands of all cells that don't expect a failure."""
    cells = [cell for cell in code(notebook) if "--fails" not in cell.source]
    return [f"docker {command}" for cell in cells for command in docker_commands(cell.source)]


@pytest.mark.parametrize("row", DECK, ids=lambda row: f"{row.chapter}: {row.printed}")
def test_command_is_run(row: DeckCommand) -> None:
    (path,) = (path for path in NOTEBOOKS if path.name.startswith(f"{row.chapter}_"))
    commands = succeeding_commands(nbformat.read(path, as_version=4))
    assert any(is_same(command, row.wanted) for command in commands), (
        f"no cell of {path.name} runs {row.wanted!r} (slide {row.slide!r})"
    )


def test_other_forms_have_a_reason() -> None:
    assert len(DECK) >= 12
    for row in DECK:
        assert bool(row.today) == bool(row.reason), row
        assert row.wanted.startswith("docker ") and not PLACEHOLDER.search(row.wanted), row


@pytest.mark.parametrize(
    ("command", "wanted", "expected"),
    [
        ("docker run -p 5005:5000 app", "docker run -p 5005:5000 app", True),
        ("docker run -p 5005:5000 app # now", "docker run -p 5005:5000 app", True),
        ("docker run -d -p 5005:5000 app", "docker run -p 5005:5000 app", False),
        ("docker run -p 5000:5005 app", "docker run -p 5005:5000 app", False),
        ("docker compose up -d", "docker compose up", False),
        ("docker ps -a", "docker ps …", True),
        ("docker ps", "docker ps …", True),
        ("docker top web", "docker ps …", False),
    ],
)
def test_comparison_is_strict(command: str, wanted: str, expected: bool) -> None:
    assert is_same(command, wanted) == expected


def test_failing_cell_does_not_count() -> None:
    cells = [
        nbformat.v4.new_code_cell(source)
        for source in ("%docker --fails build .", "%%docker --fails\ndocker ps", "%docker images")
    ]
    assert succeeding_commands(nbformat.v4.new_notebook(cells=cells)) == ["docker images"]
