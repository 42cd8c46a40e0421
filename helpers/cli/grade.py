"""`grade`: grade the answer in a JSON file, print the verdict, return the exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from helpers.errors import CourseError
from helpers.exercises import grade

PASSED, NOT_PASSED, NOT_CHECKED = 0, 1, 2


def grade_file(task_id: str, path: str | Path) -> int:
    """Grade a JSON file and print the verdict; return 0 passed, 1 not passed or 2 not checked."""
    try:
        verdict = grade(task_id, read_json(Path(path)), on_progress=say)
    except CourseError as error:
        print(error, file=sys.stderr)
        return NOT_CHECKED
    print(verdict.text())
    return {True: PASSED, False: NOT_PASSED, None: NOT_CHECKED}[verdict.passed]


def read_json(path: Path) -> object:
    """Return the content of a JSON file. Raises CourseError if it can't be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CourseError(
            f"Can't read {path}: {error.strerror}.", "Pass the file with your answer."
        ) from error
    except ValueError as error:
        raise CourseError(
            f"{path} is not valid JSON: {error}.",
            'Write it as {"order": {"instruction": "cached"}}.',
        ) from error


def say(line: str) -> None:
    """Print progress if run in a terminal: only the start of each build."""
    if sys.stderr.isatty() and line.count(":") == 1:
        print(line, file=sys.stderr)
