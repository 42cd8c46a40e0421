"""What all predictions have in common: questions in groups, each answered by one of a few words.

Reads a submission, has the truth measured, and turns what could not be measured into a verdict that
blames nobody. Must not know any one exercise, nor a widget or a notebook.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from helpers.errors import CourseError
from helpers.exercises.frame import Check, Verdict

Answers = dict[str, dict[str, str | None]]
Progress = Callable[[str], None] | None


@dataclass(frozen=True)
class Prediction:
    """One exercise of this kind.

    `start` gives {group: {question: None}}; `measure` finds the truth out; `compare` holds one
    group's answers against it. `group` and `question` are what the two are called in messages.
    """

    task_id: str
    start: Callable[[], Answers]
    choices: tuple[str, ...]
    measure: Callable[[Progress], Any]
    compare: Callable[[str, dict[str, str | None], Any], list[Check]]
    group: str
    question: str

    def grade(self, submission: object, on_progress: Progress = None) -> Verdict:
        """Measure, and compare each answer; raises CourseError for a submission's wrong shape."""
        began = time.monotonic()
        answers = self.read(submission)
        if not any(answer for asked in answers.values() for answer in asked.values()):
            return self._verdict(False, _same(answers, "not answered"), began)
        try:
            measured = self.measure(on_progress)
        except Exception as error:
            why = str(error).replace("\n", " ") if isinstance(error, CourseError) else (
                f"it could not be run ({type(error).__name__})")
            return self._verdict(None, _same(answers, why), began)
        checks = tuple(check for group, asked in answers.items()
                       for check in self.compare(group, asked, measured))
        return self._verdict(all(check.passed for check in checks), checks, began)

    def read(self, submission: object) -> Answers:
        """The submission with every question present (None where not answered), or CourseError."""
        words = " or ".join(map(repr, self.choices))
        shape = f"Give {{{self.group}: {{{self.question}: {words}}}}}, as in the task's start."
        if not isinstance(submission, Mapping):
            raise CourseError(f"The submission is {type(submission).__name__}, not a dict.", shape)
        answers = self.start()
        for group, asked in submission.items():
            if group not in answers:
                raise CourseError(f"There is no {self.group} {group!r}.",
                                  f"Choose of: {', '.join(answers)}.")
            if not isinstance(asked, Mapping):
                raise CourseError(f"The prediction for {group!r} is not a dict.", shape)
            for question, answer in asked.items():
                name = " ".join(question.split()) if isinstance(question, str) else question
                if name not in answers[group]:
                    raise CourseError(f"The {self.group} {group!r} has no {self.question} "
                                      f"{question!r}.", f"Choose of: {'; '.join(answers[group])}.")
                word = answer.strip().lower() if isinstance(answer, str) else answer
                if word is not None and word not in self.choices:
                    raise CourseError(f"{answer!r} is no answer for {name!r}.", f"Answer {words}.")
                answers[group][name] = word
        return answers

    def _verdict(self, passed: bool | None, checks: tuple[Check, ...], began: float) -> Verdict:
        return Verdict(self.task_id, passed, checks, time.monotonic() - began)


def unanswered(name: str) -> Check:
    """The check of a question without an answer: not tried, and not given away."""
    return Check(name, None, "not answered")


def _same(answers: Answers, hint: str) -> tuple[Check, ...]:
    """A check for each question that says the same of all of them."""
    return tuple(Check(f"{group}: {question}", None, hint)
                 for group, asked in answers.items() for question in asked)
