"""Grades a prediction: questions in groups, each answered by one of a few words."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from helpers.errors import CourseError
from helpers.exercises.frame import Check, Task, Verdict

Answers = dict[str, dict[str, str | None]]
Progress = Callable[[str], None] | None
NOT_ANSWERED = "not answered"


@dataclass(frozen=True)
class Prediction:
    """An exercise of this kind.

    `task` returns the task, `measure` runs what the questions are about, and `check_answer` compares
    the answer of a group's question with the result. `group` and `question` are the words for the
    two in messages.
    """

    id: str
    task: Callable[[], Task]
    measure: Callable[[Progress], Any]
    check_answer: Callable[[str, str, str, Any], Check]
    group: str
    question: str

    def grade(self, submission: object, on_progress: Progress = None) -> Verdict:
        """Measure, and check each answer. Raises CourseError if a submission has the wrong shape.

        A question without an answer is not checked, so that its answer is not given away. If the
        measurement fails, nothing is checked: that is not the student's mistake.
        """
        start = time.monotonic()
        passed, checks = self._check(self.read(submission), on_progress)
        return Verdict(self.id, passed, checks, time.monotonic() - start)

    def _check(
        self, answers: Answers, on_progress: Progress
    ) -> tuple[bool | None, tuple[Check, ...]]:
        if not any(answer for questions in answers.values() for answer in questions.values()):
            return False, _skip_all(answers, NOT_ANSWERED)
        try:
            result = self.measure(on_progress)
        except Exception as error:
            return None, _skip_all(answers, _explain(error))
        checks = tuple(
            self.check_answer(group, question, answer, result)
            if answer
            else Check(f"{group}: {question}", None, hint=NOT_ANSWERED)
            for group, questions in answers.items()
            for question, answer in questions.items()
        )
        return all(check.passed for check in checks), checks

    def read(self, submission: object) -> Answers:
        """Return the answer to every question, None if it has none. Raises CourseError."""
        task = self.task()
        words = " or ".join(map(repr, task.choices))
        shape = f"Give {{{self.group}: {{{self.question}: {words}}}}}, as in the task's start."
        if not isinstance(submission, Mapping):
            raise CourseError(f"The submission is {type(submission).__name__}, not a dict.", shape)
        answers: Answers = task.start
        if len(answers) == 1 and submission and not set(submission) & set(answers):
            submission = {next(iter(answers)): submission}  # one group needs no name
        for group, questions in submission.items():
            if group not in answers:
                raise CourseError(
                    f"There is no {self.group} {group!r}.", f"Choose one of: {', '.join(answers)}."
                )
            if not isinstance(questions, Mapping):
                raise CourseError(f"The prediction for {group!r} is not a dict.", shape)
            for question, answer in questions.items():
                name = " ".join(question.split()) if isinstance(question, str) else question
                if name not in answers[group]:
                    raise CourseError(
                        f"The {self.group} {group!r} has no {self.question} {question!r}.",
                        f"Choose one of: {'; '.join(answers[group])}.",
                    )
                word = answer.strip().lower() if isinstance(answer, str) else answer
                if word is not None and word not in task.choices:
                    raise CourseError(
                        f"Invalid answer {answer!r} for {name!r}.", f"Answer {words}."
                    )
                answers[group][name] = word
        return answers


def parse_json(text: str, name: str) -> object:
    """Return a prediction that is written as JSON; `name` is where. Raises CourseError."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise CourseError(
            f"{name} is not valid JSON: {error}.", 'Write it as {"group": {"question": "answer"}}.'
        ) from None


def _skip_all(answers: Answers, hint: str) -> tuple[Check, ...]:
    """Return a check for each question that was not checked, all with the same hint."""
    return tuple(
        Check(f"{group}: {question}", None, hint=hint)
        for group, questions in answers.items()
        for question in questions
    )


def _explain(error: Exception) -> str:
    """Return in one line why nothing could be measured."""
    if isinstance(error, CourseError):
        return str(error).replace("\n", " ")
    return f"it could not be run ({type(error).__name__})"
