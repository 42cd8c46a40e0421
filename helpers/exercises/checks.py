"""Hands-on exercises: checks as functions, each with the one it needs, and hints that escalate.

A check is a function whose first docstring line is what the student reads. It returns what it
observed, raises Mistake if the answer is wrong, and any other error means: could not be checked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.engine.engine import Engine
from helpers.engine.find import connect
from helpers.errors import CourseError, Mistake
from helpers.exercises.frame import Check, Task, Verdict

Progress = Callable[[str], None] | None


@dataclass(frozen=True)
class CheckFunction:
    """A check: what the student reads, the name of the check that it needs, and the function."""

    name: str
    title: str
    needs: str
    run: Callable[[Any], str]


def check(needs: str = "") -> Callable[[Callable[[Any], str]], CheckFunction]:
    """Make a check of a function; `needs` names the one without which it is not tried.

    Example:
        @check(needs="builds")
        def answers(trial: Trial) -> str:
            '''The app answers on port 5000'''
    """

    def decorate(function: Callable[[Any], str]) -> CheckFunction:
        title = (function.__doc__ or "").strip().splitlines()[0].rstrip(".")
        return CheckFunction(function.__name__, title, needs, function)

    return decorate


@dataclass(frozen=True)
class HandsOn:
    """An exercise that the student solves by writing something.

    `begin(submission, engine, on_progress)` is a context manager: it yields what the checks
    receive, and removes everything that the try created.
    """

    about: Task
    begin: Callable[[str, Engine, Progress], AbstractContextManager[Any]]
    checks: tuple[CheckFunction, ...]

    @property
    def id(self) -> str:
        """Return the task's id."""
        return self.about.id

    def task(self) -> Task:
        """Return the task."""
        return self.about

    def grade(
        self,
        submission: object,
        *,
        on_progress: Progress = None,
        earlier: Sequence[str] = (),
        engine: Engine | None = None,
    ) -> Verdict:
        """Run all checks in order. Raises CourseError if it is neither text nor, if asked for, a folder."""
        if isinstance(submission, Path) and self.about.kind == "folder":
            submission = str(submission)
        if not isinstance(submission, str):
            raise CourseError(
                f"The submission is {type(submission).__name__}, not text.",
                f"Give the text of your {self.about.kind}.",
            )
        start = time.monotonic()
        results: list[Check] = []
        try:
            with self.begin(submission, engine or connect(), on_progress) as trial:
                for each in self.checks:
                    if on_progress:
                        on_progress(each.title)
                    results.append(run_check(each, trial, self._failed(results), earlier))
        except Exception as error:  # the engine is gone, or a file can't be written
            done = len(results)
            results += [
                Check(each.title, None, describe_trouble(error)) for each in self.checks[done:]
            ]
        passed = None if any(c.passed is None for c in results) else True
        if any(c.passed is False for c in results):
            passed = False
        return Verdict(self.id, passed, tuple(results), time.monotonic() - start)

    def _failed(self, results: Sequence[Check]) -> dict[str, str]:
        """Return the checks so far that did not pass: their names, and what students read."""
        done = zip(self.checks, results, strict=False)
        return {each.name: each.title for each, result in done if not result.passed}


def run_check(
    each: CheckFunction, trial: object, failed: dict[str, str], earlier: Sequence[str]
) -> Check:
    """Run one check, unless the one that it needs did not pass."""
    if each.needs in failed:
        return Check(each.title, None, f"not tried, because it needs: {failed[each.needs]}")
    try:
        return Check(each.title, True, each.run(trial))
    except Mistake as mistake:
        hint, more = mistake.split_hints(earlier)
        return Check(each.title, False, mistake.seen, hint, mistake.name, more)
    except Exception as error:
        return Check(each.title, None, describe_trouble(error))


def describe_trouble(error: Exception) -> str:
    """Return why something could not be checked, with the next step."""
    if isinstance(error, CourseError):
        return str(error)
    line = "".join(str(error).splitlines()[:1])
    return (
        f"It could not be checked: {type(error).__name__}: {line}. Try again; if it happens again, run: "
        "python3 -m helpers doctor"
    )
