"""What every exercise is made of: a task, the checks of an answer, and the verdict.

Plain frozen values. They must not know any one exercise, nor a widget, notebook or engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Task:
    """An exercise as the student gets it; `start` is the submission with nothing filled in.

    A prediction's `start` is {group: {question: None}}, each to be answered by one of `choices`;
    `button` is what the widget's button says, `is_code` whether the questions are lines of code.
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
    """One thing looked at: right, wrong, or None for not tried; `hint` names this mistake."""

    name: str
    passed: bool | None
    hint: str = ""

    def text(self) -> str:
        """The check on one line: a sign, the word for it, the name and the hint."""
        word = {True: "✓ right", False: "✗ not right", None: "– not checked"}[self.passed]
        return f"{word}: {self.name}" + (f" ({self.hint})" if self.hint else "")


@dataclass(frozen=True)
class Verdict:
    """All checks of one submission; `passed` is None when it could not be checked at all."""

    task_id: str
    passed: bool | None
    checks: tuple[Check, ...]
    seconds: float

    @property
    def headline(self) -> str:
        """The verdict in one line, such as "5 of 7 right"."""
        if self.passed is None:
            return "This could not be checked. It is not your mistake."
        right = sum(check.passed is True for check in self.checks)
        line = f"{right} of {len(self.checks)} right"
        left = sum(check.passed is None for check in self.checks)
        if left:
            line += f", {left} not answered" if right + left < len(self.checks) else (
                f", {left} still to answer")
        return line

    def text(self) -> str:
        """The headline, and a line for each check."""
        if self.passed is None:
            reasons = dict.fromkeys(check.hint for check in self.checks if check.hint)
            return "\n".join([self.headline, *reasons])
        return "\n".join([self.headline, *(check.text() for check in self.checks)])

    __str__ = text


@dataclass(frozen=True)
class Exercise:
    """A task's maker, called when the task is asked for, and the function that grades it."""

    id: str
    task: Callable[[], Task]
    grade: Callable[..., Verdict]
