"""Chapter 04's first exercise: after an edit, which build steps are cached, which are rebuilt?

The answer is measured, never written down here: grading builds both Dockerfiles of the sample app
and compares each step. Must not know a widget or a notebook.
"""

from __future__ import annotations

from helpers.engine.build.dockerfile import STEP_KEYWORDS, parse
from helpers.exercises.frame import Check, Exercise, Task
from helpers.exercises.prediction import Answers, Prediction, Progress, unanswered
from helpers.experiments.caching import DOCKERFILES, compare_orders, find_app
from helpers.results.build import short
from helpers.results.caching import EDITED, OrderExperiment, PhaseResult, StepSamples

TASK_ID = "04-predict-the-cache"
APP, EDIT = "flask-app", "app.py"
ANSWERS = ("cached", "rebuilt")


def task() -> Task:
    """The task, with the steps of the app's two Dockerfiles as they are now."""
    return Task(
        TASK_ID, "04", "Predict the cache", "prediction",
        f"Both Dockerfiles of {APP} have just been built. Now you change one line in {EDIT} and "
        "build both again. For each build step say whether it is cached or rebuilt.",
        start(), ANSWERS, "Check: build it and see", is_code=True)


def start() -> Answers:
    """Each order's build steps (FROM left out), none of them answered."""
    folder = find_app(APP)
    return {order: dict.fromkeys(steps((folder / name).read_text(encoding="utf-8")))
            for order, name in DOCKERFILES.items()}


def steps(dockerfile: str) -> list[str]:
    """Return the instructions of a Dockerfile that are build steps, without FROM, in its order."""
    return [short(instruction.text, width=200) for instruction in parse(dockerfile).instructions
            if instruction.keyword in STEP_KEYWORDS]


def measure(on_progress: Progress) -> OrderExperiment:
    """What really happens to each step: one run of both orders."""
    return compare_orders(APP, EDIT, repeats=1, on_progress=on_progress)


def compare(order: str, predicted: dict[str, str | None],
            measured: OrderExperiment) -> list[Check]:
    """A check for each step of one order, with the reason where the prediction was wrong."""
    phase = measured.order(order).phase(EDITED)
    found = {short(step.instruction, width=200): step for step in phase.counted}
    checks = []
    for instruction, answer in predicted.items():
        name = f"{order}: {instruction}"
        if answer is None:
            checks.append(unanswered(name))
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


PREDICTION = Prediction(TASK_ID, start, ANSWERS, measure, compare, "order", "build step")
EXERCISE = Exercise(TASK_ID, task, PREDICTION.grade)
