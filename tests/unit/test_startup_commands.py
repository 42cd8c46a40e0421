"""The startup commands without an engine: the table, its facts, how the Dockerfiles are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.errors import CourseError
from helpers.experiments.startup_commands.result import Combination, Run, StartupCommands
from helpers.experiments.startup_commands.view import mimebundle
from helpers.experiments.variants import find_variants, instructions

RESULT = StartupCommands(
    ("echo", "bye"),
    (
        Combination("neither", (), Run("", 0), Run("bye", 0)),
        Combination("cmd", ('CMD ["false"]',), Run("", 1), Run("can't be started", 127)),
    ),
)


def test_facts_are_the_table() -> None:
    assert RESULT.facts().splitlines() == [
        "in the Dockerfile  docker run IMAGE           docker run IMAGE echo bye",
        "neither            (no output)                bye",
        'CMD ["false"]      (no output) (exit code 1)  can\'t be started (exit code 127)',
    ]


def test_rendered_as_table() -> None:
    bundle = mimebundle(RESULT)
    assert bundle["text/plain"] == RESULT.text()
    assert bundle["text/html"].count("<tr>") == 3


def test_dockerfiles_by_name(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a\n")
    (tmp_path / "Dockerfile.two").write_text("FROM a\nentrypoint b\nCMD c\n")
    (tmp_path / "Dockerfile.one").write_text("FROM a\n")
    files = find_variants(tmp_path)
    assert list(files) == ["one", "two"]
    assert instructions(files["two"], "ENTRYPOINT", "CMD") == ("entrypoint b", "CMD c")


def test_folder_without_dockerfiles(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="no file named Dockerfile"):
        find_variants(tmp_path)
