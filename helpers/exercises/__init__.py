"""The exercises: their tasks, and `grade`, which checks an answer by running what it is about."""

from __future__ import annotations

from collections.abc import Callable

from helpers.errors import CourseError
from helpers.exercises import predict_cache, shared_or_own
from helpers.exercises.frame import Check, Exercise, Task, Verdict

__all__ = ["Check", "Task", "Verdict", "grade", "task", "tasks"]

EXERCISES: dict[str, Exercise] = {e.id: e for e in (shared_or_own.EXERCISE, predict_cache.EXERCISE)}


def tasks() -> tuple[Task, ...]:
    """Return all tasks, in the order of the chapters."""
    return tuple(exercise.task() for exercise in EXERCISES.values())


def task(task_id: str) -> Task:
    """Return the task with this id. Raises CourseError if there is none."""
    return find(task_id).task()


def grade(
    task_id: str, submission: object, on_progress: Callable[[str], None] | None = None
) -> Verdict:
    """Grade a submission. Raises CourseError if it has the wrong shape, not if it is wrong."""
    return find(task_id).grade(submission, on_progress=on_progress)


def find(task_id: str) -> Exercise:
    """Return the exercise with this id. Raises CourseError if there is none."""
    if task_id not in EXERCISES:
        raise CourseError(
            f"There is no task {task_id!r}.", f"The tasks are: {', '.join(EXERCISES)}."
        )
    return EXERCISES[task_id]
