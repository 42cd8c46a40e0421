"""The parts of every exercise: a task, the checks of an answer, and the verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Task:
    """An exercise as the student gets it; `start` is a submission without any answer.

    The `start` of a prediction is {group: {question: None}}; each answer is one of `choices`.
    `button` is the label of the widget's button, `is_code` whether the questions are lines of code.
    """

    id: str
    chapter: str
    title: str
    kind: str
    prompt: str
    start: Any
    choices: tuple[str, ...] = ()
    button: str = "Check"
    is_code: bool = False


@dataclass(frozen=True)
class Check:
    """The check of one answer: right, wrong, or None for not checked; `hint` is the reason."""

    name: str
    passed: bool | None
    hint: str = ""

    def text(self) -> str:
        """Return the check on one line: a sign, the result in words, the name and the hint."""
        result = {True: "✓ right", False: "✗ not right", None: "– not checked"}[self.passed]
        return f"{result}: {self.name}" + (f" ({self.hint})" if self.hint else "")


@dataclass(frozen=True)
class Verdict:
    """All checks of one submission; `passed` is None if it could not be checked at all."""

    task_id: str
    passed: bool | None
    checks: tuple[Check, ...]
    seconds: float

    @property
    def headline(self) -> str:
        """Return the verdict in one line, such as "5 of 7 right"."""
        if self.passed is None:
            return "This could not be checked. It is not your mistake."
        right = sum(check.passed is True for check in self.checks)
        line = f"{right} of {len(self.checks)} right"
        unanswered = sum(check.passed is None for check in self.checks)
        if not unanswered:
            return line
        has_wrong = right + unanswered < len(self.checks)
        return f"{line}, {unanswered} {'not answered' if has_wrong else 'still to answer'}"

    def text(self) -> str:
        """Return the headline, and a line for each check."""
        if self.passed is None:
            reasons = dict.fromkeys(check.hint for check in self.checks if check.hint)
            return "\n".join([self.headline, *reasons])
        return "\n".join([self.headline, *(check.text() for check in self.checks)])

    __str__ = text


@dataclass(frozen=True)
class Exercise:
    """An exercise: a function that returns its task, and one that grades a submission."""

    id: str
    task: Callable[[], Task]
    grade: Callable[..., Verdict]
