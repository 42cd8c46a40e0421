"""The parts of every exercise: a task, the checks of an answer, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Task:
    """An exercise as the student gets it; `start` is a submission without any answer.

    `kind` says what a submission is: "prediction", "dockerfile", "command", "compose",
    "compose-command" or "folder". All but the prediction and the folder are text, as typed. The
    `start` of a prediction is {group: {question: None}}; each answer is one of `choices`.
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
    """One check: passed, failed, or None if it was not tried or could not be done.

    `seen` is what was observed, `hint` what to think about. `mistake` is a short name for what is
    wrong, the same in every try, such as "listens-on-loopback". `more` are the hints of later tries.
    """

    name: str
    passed: bool | None
    seen: str = ""
    hint: str = ""
    mistake: str = ""
    more: tuple[str, ...] = ()

    def text(self) -> str:
        """Return a sign, the result and the name on one line, and what was seen and the hint."""
        result = {True: "✓ right", False: "✗ not right", None: "– not checked"}[self.passed]
        line = f"{result}: {self.name}"
        if self.passed or not self.seen:  # what is seen of a right one varies: ids, ports
            return line + (f" ({self.hint})" if self.hint else "")
        hints = [f"hint: {self.hint}"] if self.hint else []
        return "\n      ".join([line, *"\n".join([self.seen, *hints]).splitlines()])


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
        if any(check.mistake for check in self.checks) or not unanswered:
            return line
        has_wrong = right + unanswered < len(self.checks)
        return f"{line}, {unanswered} {'not answered' if has_wrong else 'still to answer'}"

    def text(self) -> str:
        """Return the headline, and a line for each check."""
        if self.passed is None:
            reasons = dict.fromkeys(c.seen or c.hint for c in self.checks if c.seen or c.hint)
            return "\n".join([self.headline, *reasons])
        return "\n".join([self.headline, *(check.text() for check in self.checks)])

    __str__ = text
