"""Chapter 01's exercise: what does a container see of the host, and what does a virtual machine?

The answer is measured, never written down here: grading starts a container, boots a virtual machine
and compares what each sees with what the host has. Must not know a widget or a notebook.
"""

from __future__ import annotations

from helpers.exercises.frame import Check, Exercise, Task
from helpers.exercises.prediction import Answers, Prediction, Progress, unanswered
from helpers.experiments.isolation import surroundings
from helpers.results.isolation import CONTAINER, THINGS, VM, Surrounding, Surroundings

TASK_ID = "01-shared-or-own"
HOSTS, OWN = ANSWERS = ("the host's", "its own")


def task() -> Task:
    """The task; it needs no engine to be asked."""
    return Task(
        TASK_ID, "01", "The host's, or its own?", "prediction",
        "The same small server runs in a container and in a virtual machine. For each thing that "
        "it can look at, say whether it sees the host's, or has its own.",
        start(), ANSWERS, "Check: start both and look")


def start() -> Answers:
    """Container and virtual machine, each with every thing, none of them answered."""
    return {who: dict.fromkeys(THINGS) for who in (CONTAINER, VM)}


def measure(on_progress: Progress) -> Surroundings:
    """What the two really see."""
    return surroundings(on_progress=on_progress)


def compare(who: str, predicted: dict[str, str | None], measured: Surroundings) -> list[Check]:
    """A check for each thing, with what was seen where the prediction was wrong."""
    checks = []
    for thing, answer in predicted.items():
        seen, name = measured.of(thing), f"{who}: {thing}"
        truth = HOSTS if seen.is_hosts(who) else OWN
        if answer is None:
            checks.append(unanswered(name))
        elif answer == truth:
            checks.append(Check(name, True))
        else:
            checks.append(Check(name, False,
                                f"you said {answer}; it is {truth}: {evidence(seen, who)}"))
    return checks


def evidence(seen: Surrounding, who: str) -> str:
    """What was seen, as the reason for an answer."""
    if seen.is_hosts(who):
        return f"the {who} and the host both see {seen.seen_by(who)}"
    return f"the {who} sees {seen.seen_by(who)}, the host {seen.host}"


PREDICTION = Prediction(TASK_ID, start, ANSWERS, measure, compare, "group", "thing")
EXERCISE = Exercise(TASK_ID, task, PREDICTION.grade)
