"""Grade the answer to an exercise.

The exit code is 0 if the answer is right, 1 if it is wrong, and 2 if it could not be checked.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from helpers.errors import CourseError, ExitCode
from helpers.exercises import task
from helpers.exercises.prediction import parse_json
from helpers.exercises.progress import grade_and_record

EXIT_CODES = {True: ExitCode.SUCCESS, False: ExitCode.FAILED, None: ExitCode.CANNOT_RUN}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("task_id", metavar="TASK_ID", help="for example 03-repair-dockerfile")
    parser.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help="the file with your answer (a prediction is JSON), or the capstone's folder",
    )
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")


def run(args: argparse.Namespace) -> int:
    """Grade the file and print the verdict."""
    submission = read_submission(args.file, task(args.task_id).kind)
    verdict = grade_and_record(args.task_id, submission, on_progress=show_progress)
    print(json.dumps(asdict(verdict), indent=2) if args.json else verdict.text())
    return EXIT_CODES[verdict.passed]


def read_submission(path: Path, kind: str) -> object:
    """Return the answer in a file, as `grade` takes it. Raises CourseError if it can't be read."""
    if kind == "folder":
        if not path.is_dir():
            raise CourseError(f"{path} is not a folder.", "Pass the folder with your answer.")
        return path
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CourseError(
            f"Can't read {path}: {error.strerror}.", "Pass the file with your answer."
        ) from error
    except UnicodeDecodeError as error:
        raise CourseError(f"{path} is not UTF-8 text.", "Save it as UTF-8.") from error
    return parse_json(text, str(path)) if kind == "prediction" else text


def show_progress(line: str) -> None:
    """Print what is being done if run in a terminal, without the steps of an experiment's builds."""
    if sys.stderr.isatty() and line.count(":") <= 1:
        print(line, file=sys.stderr)
