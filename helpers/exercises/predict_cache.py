"""Chapter 04's first exercise: after an edit, which build steps are cached, which are rebuilt?

The answer is measured, never written down here: grading builds both Dockerfiles of the sample app
and compares each step. What could not be measured is never called the student's mistake. Must not
know a widget or a notebook.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

from helpers.errors import CourseError
from helpers.exercises.frame import Check, Exercise, Task, Verdict
from helpers.experiments.caching import DOCKERFILES, compare_orders, find_app
from helpers.results.caching import EDITED, OrderExperiment, PhaseResult, StepSamples

TASK_ID = "04-predict-the-cache"
APP, EDIT = "flask-app", "app.py"
ANSWERS = ("cached", "rebuilt")
STEP = re.compile(r"\s*(RUN|COPY|ADD|WORKDIR)\s", re.IGNORECASE)

Prediction = dict[str, dict[str, str | None]]


def task() -> Task:
    """The task, with the steps of the app's two Dockerfiles as they are now."""
    return Task(
        TASK_ID, "04", "Predict the cache", "prediction",
        f"Both Dockerfiles of {APP} have just been built. Now you change one line in {EDIT} and "
        "build both again. For each build step say whether it is cached or rebuilt.",
        start())


def start() -> Prediction:
    """Each order's build steps (FROM left out), none of them answered."""
    folder = find_app(APP)
    return {order: dict.fromkeys(steps((folder / name).read_text(encoding="utf-8")))
            for order, name in DOCKERFILES.items()}


def steps(dockerfile: str) -> list[str]:
    """The instructions of a Dockerfile that are build steps, without FROM, in its order."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\[ \t]*\n", " ", "\n".join(lines))
    return [" ".join(line.split()) for line in joined.splitlines() if STEP.match(line)]


def grade(submission: object, on_progress: Callable[[str], None] | None = None) -> Verdict:
    """Build both orders and compare each predicted step; raises CourseError for a wrong shape."""
    began = time.monotonic()
    answers = read(submission)
    if not any(answer for order in answers.values() for answer in order.values()):
        return verdict(False, unanswered(answers), began)
    try:
        measured = compare_orders(APP, EDIT, repeats=1, on_progress=on_progress)
    except Exception as error:
        return verdict(None, unmeasured(answers, error), began)
    checks = tuple(check for order, predicted in answers.items()
                   for check in compare(order, predicted, measured))
    return verdict(all(check.passed for check in checks), checks, began)


def verdict(passed: bool | None, checks: tuple[Check, ...], began: float) -> Verdict:
    """The verdict on this task, with the seconds since `began`."""
    return Verdict(TASK_ID, passed, checks, time.monotonic() - began)


def read(submission: object) -> Prediction:
    """The submission with every step present (None where not answered), or CourseError."""
    shape = "Give {order: {instruction: 'cached' or 'rebuilt'}}, as in the task's start."
    if not isinstance(submission, Mapping):
        raise CourseError(f"The submission is {type(submission).__name__}, not a dict.", shape)
    answers: Prediction = start()
    for order, predicted in submission.items():
        if order not in answers:
            raise CourseError(f"There is no order {order!r}.",
                              "The orders are: " + ", ".join(answers) + ".")
        if not isinstance(predicted, Mapping):
            raise CourseError(f"The prediction for {order!r} is not a dict.", shape)
        for step, answer in predicted.items():
            if not isinstance(step, str) or " ".join(step.split()) not in answers[order]:
                raise CourseError(f"The order {order!r} has no build step {step!r}.",
                                  "Its steps are: " + "; ".join(answers[order]) + ".")
            word = answer.strip().lower() if isinstance(answer, str) else answer
            if word is not None and word not in ANSWERS:
                raise CourseError(f"{answer!r} is no answer for {step!r}.",
                                  "Answer 'cached' or 'rebuilt'.")
            answers[order][" ".join(step.split())] = word
    return answers


def compare(order: str, predicted: dict[str, str | None],
            measured: OrderExperiment) -> list[Check]:
    """A check for each step of one order, with the reason where the prediction was wrong."""
    phase = measured.order(order).phase(EDITED)
    found = {" ".join(step.instruction.split()): step for step in phase.counted}
    checks = []
    for instruction, answer in predicted.items():
        name = f"{order}: {instruction}"
        if answer is None:
            checks.append(Check(name, None, "not answered"))
        elif instruction not in found:
            checks.append(Check(name, None, "the build reported no such step; the Dockerfile "
                                            "changed while it was being checked"))
        elif answer == found[instruction].outcome:
            checks.append(Check(name, True))
        else:
            checks.append(Check(name, False, f"you said it is {answer}; it was "
                                             f"{found[instruction].outcome}, because "
                                             f"{reason(found[instruction], phase)}"))
    return checks


def reason(step: StepSamples, phase: PhaseResult) -> str:
    """Why a step was cached or rebuilt, from what happened to the steps above it."""
    copies = step.instruction[:4].upper() in ("COPY", "ADD ")
    if step.cached:
        return ("neither the files it copies nor any step above it changed" if copies
                else "neither it nor any step above it changed")
    first = next(other for other in phase.counted if not other.cached)
    if first is not step:
        return f"{first.instruction} above it changed"
    return f"{EDIT} is among the files it copies" if copies else "it had no cache to use"


def unanswered(answers: Prediction) -> tuple[Check, ...]:
    """A check for each step that says that there is no answer yet."""
    return tuple(Check(f"{order}: {step}", None, "not answered")
                 for order, predicted in answers.items() for step in predicted)


def unmeasured(answers: Prediction, error: Exception) -> tuple[Check, ...]:
    """A check for each step that says why nothing could be measured."""
    why = str(error).replace("\n", " ") if isinstance(error, CourseError) else (
        f"the build could not be run ({type(error).__name__})")
    return tuple(Check(f"{order}: {step}", None, why)
                 for order, predicted in answers.items() for step in predicted)


EXERCISE = Exercise(TASK_ID, task, grade)
