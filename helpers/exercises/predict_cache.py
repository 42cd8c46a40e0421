"""Chapter 04's first exercise: after an edit, which build steps are cached, which are rebuilt?

Grading builds both Dockerfiles of the sample app and compares each step: no answer is stored here.
"""

from __future__ import annotations

from helpers.build.dockerfile import STEP_KEYWORDS, parse, shorten
from helpers.exercises.frame import Check, Task
from helpers.exercises.prediction import Answers, Prediction, Progress
from helpers.experiments.caching.measure import DOCKERFILES, compare_orders, find_app
from helpers.experiments.caching.result import OrderExperiment, OrderResult, StepResult

TASK_ID = "04-predict-the-cache"
APP, EDIT = "flask-app", "app.py"
ANSWERS = ("cached", "rebuilt")


def make_task() -> Task:
    """Return the task, with the steps of the app's two Dockerfiles as they are now."""
    return Task(
        TASK_ID,
        "04",
        "Predict the cache",
        "prediction",
        f"Both Dockerfiles of {APP} have just been built. Now you change one line of {EDIT} and "
        "build both again. Is each build step cached or rebuilt?",
        list_questions(),
        ANSWERS,
        "Check: build it and see",
        is_code=True,
    )


def list_questions() -> Answers:
    """Return the build steps of each order, without FROM, none of them answered."""
    folder = find_app(APP)
    return {
        order: dict.fromkeys(list_steps((folder / name).read_text(encoding="utf-8")))
        for order, name in DOCKERFILES.items()
    }


def list_steps(dockerfile: str) -> list[str]:
    """Return the instructions of a Dockerfile that are build steps, without FROM."""
    return [
        shorten(instruction.text, width=200)
        for instruction in parse(dockerfile).instructions
        if instruction.keyword in STEP_KEYWORDS
    ]


def measure(on_progress: Progress) -> OrderExperiment:
    """Build both orders once, before and after the edit."""
    return compare_orders(APP, EDIT, on_progress=on_progress)


def check_answer(order: str, instruction: str, answer: str, experiment: OrderExperiment) -> Check:
    """Return the check of the answer for one step, with the reason if it is wrong."""
    name = f"{order}: {instruction}"
    result = experiment.order(order)
    step = next((s for s in result.steps if shorten(s.instruction, width=200) == instruction), None)
    if step is None:
        return Check(
            name,
            None,
            hint="the build reported no such step; the Dockerfile changed during the check",
        )
    if answer == step.outcome:
        return Check(name, True)
    reason = explain_outcome(step, result)
    return Check(
        name, False, hint=f"you said it is {answer}; it was {step.outcome}, because {reason}"
    )


def explain_outcome(step: StepResult, order: OrderResult) -> str:
    """Return why a step was cached or rebuilt, from what happened to the steps above it."""
    copies = step.keyword in ("COPY", "ADD")
    if step.outcome == "cached":
        subject = "neither the files it copies" if copies else "neither it"
        return f"{subject} nor any step above it changed"
    first = next(other for other in order.steps if other.outcome != "cached")
    if first != step:
        return f"{first.instruction} above it changed"
    return f"{EDIT} is among the files it copies" if copies else "it had no cache to use"


EXERCISE = Prediction(TASK_ID, make_task, measure, check_answer, "order", "build step")
