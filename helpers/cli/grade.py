"""Grade the answer to an exercise.

The exit code is 0 if the answer is right, 1 if it is wrong, and 2 if it could not be checked.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from helpers.errors import CourseError, ExitCode
from helpers.exercises import grade

EXIT_CODES = {True: ExitCode.SUCCESS, False: ExitCode.FAILED, None: ExitCode.CANNOT_RUN}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("task_id", metavar="TASK_ID", help="for example 04-predict-the-cache")
    parser.add_argument("file", metavar="FILE", type=Path, help="your answer, as JSON")


def run(args: argparse.Namespace) -> int:
    """Grade the file and print the verdict."""
    verdict = grade(args.task_id, read_json(args.file), on_progress=show_progress)
    print(verdict.text())
    return EXIT_CODES[verdict.passed]


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


def show_progress(line: str) -> None:
    """Print the start of each build if run in a terminal; the lines of its steps have a colon more."""
    if sys.stderr.isatty() and line.count(":") == 1:
        print(line, file=sys.stderr)
