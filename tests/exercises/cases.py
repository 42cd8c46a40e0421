"""Finds the answers in this folder: TASK_ID/start, solution, right/NAME and wrong/NAME.

The first line of a wrong answer, and of a start, is "# hint: WORDS"; a hint must contain the words.
An answer that is a folder has that line in a file beside it, NAME.hint; its start is the app itself.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from helpers.engine.engine import Engine
from helpers.exercises import Verdict, grade, task

FOLDER = Path(__file__).parent
TASK_IDS = sorted(path.name for path in FOLDER.iterdir() if (path / "solution").exists())
# The others are graded with their answers in `tests/engine` and `tests/notebooks`.
WITH_ANSWERS = [task_id for task_id in TASK_IDS if (FOLDER / task_id / "wrong").exists()]
MARK = "# hint: "
AT_ONCE = 2  # other groups of tests do the same at that time


@dataclass(frozen=True)
class Case:
    """An answer to a task, and the words that its hint must contain; "" for a right answer."""

    task_id: str
    path: Path
    hint: str

    @property
    def name(self) -> str:
        """Return the answer's name, such as "wrong/no-host"."""
        return str(self.path.relative_to(FOLDER / self.task_id))

    @property
    def submission(self) -> object:
        """Return the answer as `grade` takes it."""
        about = task(self.task_id)
        if about.kind == "folder":
            return about.start if self.name == "start" else self.path
        text = self.path.read_text(encoding="utf-8")
        if self.hint:
            text = text.partition("\n")[2]
        return json.loads(text) if about.kind == "prediction" else text

    def problem(self, engine: Engine | None) -> str:
        """Grade the answer and return what is wrong with the verdict, "" if nothing is."""
        verdict = grade(self.task_id, self.submission, engine=engine)
        name = f"{self.task_id}/{self.name}"
        if not self.hint:
            return "" if verdict.passed is True else f"{name} is right:\n{verdict}"
        if verdict.passed is False and self.hint in first_hints(verdict):
            return ""
        return f"{name} is wrong, its hint contains {self.hint!r}:\n{verdict}"


def first_hints(verdict: Verdict) -> str:
    """Return the hints of the failed checks."""
    return "\n".join(check.hint for check in verdict.checks if check.passed is False)


def find_cases(task_id: str, *names: str) -> list[Case]:
    """Return the answers of a task with these names, such as "solution" or "wrong"."""
    cases = []
    for name in names:
        path = FOLDER / task_id / name
        is_answer = name in ("start", "solution")
        for each in [path] if is_answer else sorted(path.glob("*")):
            if each.suffix != ".hint" and (each.exists() or read_hint(each)):
                cases.append(Case(task_id, each, read_hint(each)))
    return cases


def read_hint(path: Path) -> str:
    """Return the words that the hint for an answer must contain, "" for a right answer."""
    file = path if path.is_file() else path.with_name(f"{path.name}.hint")
    first = file.read_text(encoding="utf-8").partition("\n")[0] if file.exists() else ""
    return first.removeprefix(MARK) if first.startswith(MARK) else ""


def describe_verdicts(task_id: str) -> str:
    """Grade the start and the solution of a task; return each verdict and the results of its checks."""
    (case,) = find_cases(task_id, "solution")
    lines = []
    for name, submission in (("start", task(task_id).start), ("solution", case.submission)):
        verdict = grade(task_id, submission)
        passed = {True: "passed", False: "not passed", None: "not checked"}[verdict.passed]
        results = [check.text().partition("\n")[0] for check in verdict.checks]
        lines += [f"{name}: {passed}", *(f"  {result}" for result in results)]
    return "\n".join(lines)


def time_verdicts(cases: list[Case], engine: Engine, at_once: int) -> list[float]:
    """Grade right answers side by side and return how many seconds each took."""
    with ThreadPoolExecutor(at_once) as pool:
        verdicts = pool.map(lambda case: grade(case.task_id, case.submission, engine=engine), cases)
        seconds = []
        for verdict in verdicts:
            assert verdict.passed, verdict
            seconds.append(verdict.seconds)
        return seconds


def list_problems(cases: list[Case], engine: Engine | None, at_once: int = AT_ONCE) -> list[str]:
    """Grade answers side by side and return what is wrong with their verdicts."""
    with ThreadPoolExecutor(at_once) as pool:
        return [
            problem for problem in pool.map(lambda case: case.problem(engine), cases) if problem
        ]
