"""Keeps the student's tries in `progress.json`, next to their copies of the chapters.

A notebook or terminal in the folder `work/` has one; the tracked notebooks have none, so that their
outputs are the same in every run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from helpers.exercises import grade, tasks
from helpers.exercises.frame import Verdict
from helpers.paths import DELIVERED
from helpers.tables import Cell, html_table, text_table

FILE = "progress.json"
LOCK_SECONDS = 5


@dataclass
class TaskProgress:
    """What a student did in one task: the tries, the first pass, and the last answer.

    Each try is {"time": …, "passed": …, "mistakes": […]}. What could not be checked is no try.
    """

    tries: list[dict[str, Any]] = field(default_factory=list)
    first_pass: str | None = None
    answer: Any = None

    @property
    def mistakes(self) -> list[str]:
        """Return the names of all mistakes, in the order of the tries."""
        return [name for each in self.tries for name in each["mistakes"]]

    def add(self, answer: object, verdict: Verdict) -> None:
        """Add a graded answer."""
        self.answer = str(answer) if isinstance(answer, Path) else answer
        if verdict.passed is None:
            return
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        wrong = [check for check in verdict.checks if check.passed is False]
        mistakes = [check.mistake or check.name for check in wrong]
        self.tries.append({"time": now, "passed": verdict.passed, "mistakes": mistakes})
        if verdict.passed:
            self.first_pass = self.first_pass or now


def find_file() -> Path | None:
    """Return the progress file of the work folder that this process runs in, None outside one."""
    here = Path.cwd()
    return next((f / FILE for f in (here, *here.parents) if (f / DELIVERED).is_file()), None)


def read(file: Path | None) -> dict[str, TaskProgress]:
    """Return the progress in each task that was tried; nothing if the file can't be read."""
    if file is None:
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {name: TaskProgress(**values) for name, values in content["tasks"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


@contextmanager
def update(file: Path) -> Iterator[dict[str, TaskProgress]]:
    """Yield the progress to change, and write it when done; others wait for that."""
    with FileLock(f"{file}.lock", timeout=LOCK_SECONDS):
        progress = read(file)
        if file.is_file() and not progress:
            file.replace(file.with_suffix(".unreadable.json"))
        yield progress
        new = file.with_suffix(".new.json")
        new.write_text(to_json(progress), encoding="utf-8")
        new.replace(file)


def to_json(progress: dict[str, TaskProgress]) -> str:
    """Return the progress as the text of its file."""
    content = {"version": 1, "tasks": {name: vars(each) for name, each in progress.items()}}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def grade_and_record(
    task_id: str, answer: object, on_progress: Callable[[str], None] | None = None
) -> Verdict:
    """Grade an answer, with more help for repeated mistakes, and record it. Raises CourseError."""
    file = find_file()
    earlier = read(file).get(task_id, TaskProgress()).mistakes
    verdict = grade(task_id, answer, on_progress, earlier=earlier)
    if file:
        with suppress(OSError, Timeout), update(file) as progress:  # the verdict counts more
            progress.setdefault(task_id, TaskProgress()).add(answer, verdict)
    return verdict


@dataclass(frozen=True)
class ProgressMap:
    """A row for each task: its chapter, title, state and number of tries."""

    rows: tuple[tuple[str, str, str, str], ...]
    HEADS = ("chapter", "exercise", "state", "attempts")

    def text(self) -> str:
        """Return a table for a terminal."""
        return text_table([self.HEADS, *self.rows], align="lllr")

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        rows = [
            (chapter, title, Cell(state, "font-weight:600" if state[0] == "✓" else ""), tries)
            for chapter, title, state, tries in self.rows
        ]
        html = html_table(self.HEADS, rows, align="lllr", row_header=1)
        return {"text/plain": self.text(), "text/html": html}


def show_exercises() -> ProgressMap:
    """Return the map of all exercises: which are passed, and how many tries each took.

    Example:
        show_exercises()
    """
    return make_map(read(find_file()))


def make_map(progress: dict[str, TaskProgress]) -> ProgressMap:
    """Return the map of all exercises."""
    rows = []
    for task in tasks():
        each = progress.get(task.id, TaskProgress())
        state = "· not passed yet" if each.tries else "– not tried"
        if each.first_pass:
            state = f"✓ passed on {datetime.fromisoformat(each.first_pass):%d %B}"
        rows.append((task.chapter, task.title, state, str(len(each.tries) or "")))
    return ProgressMap(tuple(rows))
