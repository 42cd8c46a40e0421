"""Grading from a terminal: an answer in a JSON file, the verdict as text, the exit code.

Must not know any one exercise.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from helpers.errors import CourseError
from helpers.exercises import grade

PASSED, NOT_PASSED, NOT_CHECKED = 0, 1, 2


def grade_file(task_id: str, path: str | Path) -> int:
    """Grade a JSON file and print the verdict: 0 passed, 1 not passed, 2 could not be checked."""
    try:
        verdict = grade(task_id, read_json(Path(path)), on_progress=say)
    except CourseError as error:
        print(error, file=sys.stderr)
        return NOT_CHECKED
    print(verdict.text())
    return {True: PASSED, False: NOT_PASSED, None: NOT_CHECKED}[verdict.passed]


def read_json(path: Path) -> object:
    """What a JSON file holds; raises CourseError in one line when it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}.",
                          "Give the file with your answer.") from error
    except ValueError as error:
        raise CourseError(f"{path} is not JSON: {error}.",
                          'Write it as {"order": {"instruction": "cached"}}.') from error


def say(line: str) -> None:
    """Progress on a terminal: the builds that begin, not each of their lines."""
    if sys.stderr.isatty() and line.count(":") == 1:
        print(line, file=sys.stderr)
