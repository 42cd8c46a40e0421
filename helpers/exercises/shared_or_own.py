"""Chapter 01's exercise: what does a container see of the host, and what does a virtual machine?

Grading starts a container and a virtual machine, and compares what each sees with what the host
has: no answer is stored here.
"""

from __future__ import annotations

from helpers.exercises.frame import Check, Exercise, Task
from helpers.exercises.prediction import Answers, Prediction, Progress
from helpers.experiments.isolation.measure import compare_surroundings
from helpers.experiments.isolation.result import CONTAINER, THINGS, VM, Surrounding, Surroundings

TASK_ID = "01-shared-or-own"
HOSTS, OWN = ANSWERS = ("the host's", "its own")


def make_task() -> Task:
    """Return the task; it needs no engine."""
    return Task(
        TASK_ID,
        "01",
        "The host's, or its own?",
        "prediction",
        "The same small server runs in a container and in a virtual machine. For each thing that "
        "it can look at, say whether it sees the host's, or has its own.",
        list_questions(),
        ANSWERS,
        "Check: start both and look",
    )


def list_questions() -> Answers:
    """Return the questions for container and virtual machine, none of them answered."""
    return {who: dict.fromkeys(THINGS) for who in (CONTAINER, VM)}


def measure(on_progress: Progress) -> Surroundings:
    """Look around in a container and in a virtual machine."""
    return compare_surroundings(on_progress=on_progress)


def check_answer(who: str, thing: str, answer: str, surroundings: Surroundings) -> Check:
    """Return the check of one answer, with what was seen if it is wrong."""
    name = f"{who}: {thing}"
    seen = surroundings.row(thing)
    truth = HOSTS if seen.is_hosts(who) else OWN
    if answer == truth:
        return Check(name, True)
    return Check(name, False, f"you said {answer}; it is {truth}: {explain(seen, who)}")


def explain(seen: Surrounding, who: str) -> str:
    """Return what was seen, as the reason for an answer."""
    if seen.is_hosts(who):
        return f"the {who} and the host both see {seen.seen_by(who)}"
    return f"the {who} sees {seen.seen_by(who)}, the host {seen.host}"


PREDICTION = Prediction(TASK_ID, list_questions, ANSWERS, measure, check_answer, "group", "thing")
EXERCISE = Exercise(TASK_ID, make_task, PREDICTION.grade)
