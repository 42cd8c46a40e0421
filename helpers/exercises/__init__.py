"""The exercises: their tasks, and `grade`, which checks an answer by running what it is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from helpers.engine.engine import Engine
from helpers.errors import CourseError
from helpers.exercises import (
    api_and_database,
    capstone,
    image_or_container,
    keep_the_data,
    order_for_cache,
    predict_cache,
    publish_port,
    rebuild_only_web,
    repair_compose,
    repair_dockerfile,
    shared_or_own,
    small_and_safe,
)
from helpers.exercises.checks import HandsOn
from helpers.exercises.frame import Task, Verdict
from helpers.exercises.prediction import Prediction
from helpers.paths import CHECKOUT

SOLUTIONS = CHECKOUT / "tests" / "exercises"
# In the order of the chapters.
EXERCISES: dict[str, HandsOn | Prediction] = {
    each.id: each
    for each in (
        shared_or_own.EXERCISE,
        image_or_container.EXERCISE,
        repair_dockerfile.EXERCISE,
        predict_cache.EXERCISE,
        order_for_cache.EXERCISE,
        publish_port.EXERCISE,
        keep_the_data.EXERCISE,
        repair_compose.EXERCISE,
        api_and_database.EXERCISE,
        rebuild_only_web.EXERCISE,
        small_and_safe.EXERCISE,
        capstone.EXERCISE,
    )
}


def tasks() -> tuple[Task, ...]:
    """Return all tasks, in the order of the chapters."""
    return tuple(exercise.task() for exercise in EXERCISES.values())


def task(task_id: str) -> Task:
    """Return the task with this id. Raises CourseError if there is none."""
    return find(task_id).task()


def solution(task_id: str) -> str:
    """Return a right answer to a task, "" if the checkout has none."""
    file = SOLUTIONS / find(task_id).id / "solution"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def grade(
    task_id: str,
    submission: object,
    on_progress: Callable[[str], None] | None = None,
    *,
    earlier: Sequence[str] = (),
    engine: Engine | None = None,
) -> Verdict:
    """Grade a submission. Raises CourseError if it has the wrong shape, not if it is wrong.

    `earlier` names the mistakes of earlier tries (`Check.mistake`): a repeated one gets more help.
    A hands-on exercise runs on `engine` (default: `connect()`).
    """
    exercise = find(task_id)
    if isinstance(exercise, HandsOn):
        return exercise.grade(submission, on_progress=on_progress, earlier=earlier, engine=engine)
    return exercise.grade(submission, on_progress=on_progress)


def find(task_id: str) -> HandsOn | Prediction:
    """Return the exercise with this id. Raises CourseError if there is none."""
    if task_id not in EXERCISES:
        raise CourseError(
            f"There is no task {task_id!r}.", f"The tasks are: {', '.join(EXERCISES)}."
        )
    return EXERCISES[task_id]
