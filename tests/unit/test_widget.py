"""The exercise widget without a browser: checks, what is restored, the solution, what is stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.errors import CourseError
from helpers.exercises import frame, progress, solution, widget
from helpers.exercises.differences import compare_lines
from helpers.exercises.frame import Check, Verdict
from helpers.exercises.widget import VIEW, ExerciseWidget, exercise
from helpers.paths import DELIVERED

TASK = "05-publish-port"
WRONG = Verdict(
    TASK, False, (Check("answers", False, "no port", "Publish.", "x", ("Read the help.",)),), 1
)


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "grade", lambda *_, **__: WRONG)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / DELIVERED).write_text("{}")
    monkeypatch.chdir(tmp_path)


def checked(answer: str) -> ExerciseWidget:
    result = exercise(TASK)
    result._receive(result, {"kind": "check", "answer": answer}, [])
    result.wait(20)
    return result


def test_fresh_widget_gives_nothing_away() -> None:
    fresh = exercise(TASK)
    assert fresh.answer == fresh.task["start"] and fresh.verdict is None
    fresh.show_solution()
    assert fresh.comparison == []


@pytest.mark.usefixtures("wrong")
def test_check_shows_verdict_then_solution() -> None:
    result = checked("docker run -d my-flask-app\n")
    assert not result.is_checking and result.status == "0 of 1 right" and result.tries == 1
    (check,) = result.verdict["checks"]
    assert (check["seen"], check["hint"], check["more"]) == (
        "no port",
        "Publish.",
        ("Read the help.",),
    )
    result.show_solution()
    assert [row[1] for row in result.comparison] == solution(TASK).rstrip().splitlines()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (CourseError("No engine.", "Start it."), "No engine.\n→ Start it."),
        (ZeroDivisionError(), "not your mistake"),
    ],
)
def test_errors_are_no_try(monkeypatch: pytest.MonkeyPatch, error: Exception, status: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(widget, "grade_and_record", fail)
    result = checked("x")
    assert status in result.status and result.tries == 0 and result.verdict is None
    assert not result.is_checking


@pytest.mark.usefixtures("wrong", "work")
def test_last_answer_is_restored() -> None:
    checked("docker run -d my-flask-app\n")
    again = exercise(TASK)
    assert again.answer == "docker run -d my-flask-app\n" and again.tries == 1
    assert again.status == "Your last answer is restored." and again.verdict is None


def test_stored_notebook_has_no_editor() -> None:
    fresh = exercise(TASK)
    state = json.dumps(fresh.get_state(), default=str)
    assert len(state) < 40_000 and "CodeMirror" not in state
    bundle, _ = fresh._repr_mimebundle_()
    assert VIEW in bundle and "docker run my-flask-app" in bundle["text/html"]
    assert "has a process" in exercise("02-image-or-container")._repr_mimebundle_()[0]["text/html"]


def test_folder_task_has_no_widget(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = frame.Task("08-capstone", "08", "Capstone", "folder", "", "")
    monkeypatch.setattr(widget, "task", lambda _: folder)
    with pytest.raises(CourseError, match="no widget for a folder"):
        exercise("08-capstone")


def test_lines_stand_beside_each_other() -> None:
    assert compare_lines("a\nb\nc\n", "a\nx\ny\nc") == [
        ("a", "a", True),
        ("b", "x", False),
        ("", "y", False),
        ("c", "c", True),
    ]
