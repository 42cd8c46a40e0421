"""Progress: the file of a work folder, hints that escalate, the map, the export, `%%grade`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.cli import main
from helpers.errors import CourseError
from helpers.exercises import progress
from helpers.exercises.frame import Check, Verdict
from helpers.notebook import grade_magic
from helpers.paths import DELIVERED

TASK = "05-publish-port"
WRONG = Verdict(TASK, False, (Check("answers", False, "no port", "Publish.", "not-published"),), 1)
RIGHT = Verdict(TASK, True, (Check("answers", True, "200"),), 1)
UNKNOWN = Verdict(TASK, None, (Check("answers", None, "no engine"),), 1)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a work folder, in a chapter's folder of which this process runs."""
    (tmp_path / DELIVERED).write_text("{}")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    return tmp_path


@pytest.fixture
def grades(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[str]]]:
    """Return a function that sets the verdicts, and returns what `earlier` was in each try."""

    def set_verdicts(*verdicts: Verdict) -> list[list[str]]:
        seen: list[list[str]] = []
        remaining = iter(verdicts)

        def grade(*_: object, earlier: list[str]) -> Verdict:
            seen.append(earlier)
            return next(remaining)

        monkeypatch.setattr(progress, "grade", grade)
        return seen

    return set_verdicts


def test_tries_are_recorded(work: Path, grades: Any) -> None:
    earlier = grades(WRONG, UNKNOWN, RIGHT)
    for answer in ("a", "b", "c"):
        progress.grade_and_record(TASK, answer)
    assert earlier == [[], ["not-published"], ["not-published"]]
    recorded = json.loads((work / "progress.json").read_text())["tasks"][TASK]
    assert recorded["answer"] == "c" and recorded["first_pass"]
    assert [(t["passed"], t["mistakes"]) for t in recorded["tries"]] == [
        (False, ["not-published"]),
        (True, []),
    ]


@pytest.mark.usefixtures("grades")
def test_nothing_is_recorded_outside_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grades: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    grades(WRONG)
    assert progress.grade_and_record(TASK, "a").passed is False
    assert list(tmp_path.iterdir()) == []


def test_unreadable_file_is_kept_aside(work: Path, grades: Any) -> None:
    (work / "progress.json").write_text("{")
    grades(RIGHT)
    progress.grade_and_record(TASK, "a")
    assert (work / "progress.unreadable.json").read_text() == "{"
    assert TASK in progress.read(work / "progress.json")


def test_unwritable_folder_loses_no_verdict(
    work: Path, grades: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("read-only")

    monkeypatch.setattr(progress, "update", fail)
    grades(RIGHT)
    assert progress.grade_and_record(TASK, "a").passed


def test_map_shows_each_exercise(work: Path, grades: Any) -> None:
    assert "not passed" not in progress.show_exercises().text()
    grades(WRONG, RIGHT)
    progress.grade_and_record(TASK, "a")
    assert re.search(r"· not passed yet +1\n", progress.show_exercises().text())
    progress.grade_and_record(TASK, "a")
    assert "✓ passed on" in progress.show_exercises()._repr_mimebundle_()["text/html"]


def test_export_is_json(work: Path, grades: Any, capsys: pytest.CaptureFixture[str]) -> None:
    grades(WRONG)
    progress.grade_and_record(TASK, "a")
    assert main(["progress", "--export"]) == 0
    assert json.loads(capsys.readouterr().out)["tasks"][TASK]["answer"] == "a"
    assert main(["progress"]) == 0
    assert "Publish the app's port" in capsys.readouterr().out


def test_magic_prints_no_ids(grades: Any, capsys: pytest.CaptureFixture[str]) -> None:
    grades(WRONG, RIGHT)
    magic = grade_magic.GradeMagic()
    magic.grade(TASK, "docker run x\n")
    assert capsys.readouterr().out == (
        "0 of 1 right\n✗ not right: answers\n      no port\n      hint: Publish.\n"
    )
    magic.grade(TASK, "docker run x\n")
    assert capsys.readouterr().out == "1 of 1 right\n✓ right: answers\n"
    with pytest.raises(CourseError, match="not valid JSON"):
        magic.grade("04-predict-the-cache", "{")
